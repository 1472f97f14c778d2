// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// batchAction has the rows of copies, batches, versions, tags, attributes and
// buckets.
func batchAction(op s3api.Op) (action, bool) {
	switch op := op.(type) {
	case *s3api.CopyObject: // its source is decided where it is opened
		return action{event: "artifact.copy", verb: policy.VerbWrite, change: true, decide: onKey(writing(op.IfNoneMatch)), serve: bind(op, (*exchange).copyObject)}, true
	case *s3api.DeleteObjects: // each key is decided by itself
		return action{event: "artifact.delete", verb: policy.VerbDelete, change: true, decide: onBucket, serve: bind(op, (*exchange).deleteObjects)}, true
	case *s3api.ListObjectVersions:
		return action{event: "artifact.versions", decide: onList(op.Prefix), serve: bind(op, (*exchange).listVersions)}, true
	case *s3api.GetObjectTagging:
		return action{event: "artifact.head", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: bind(op, (*exchange).getTags)}, true
	case *s3api.PutObjectTagging:
		return action{event: "artifact.tag", verb: policy.VerbTag, change: true, decide: onKey(policy.VerbTag), serve: bind(op, (*exchange).putTags)}, true
	case *s3api.DeleteObjectTagging:
		return action{event: "artifact.tag", verb: policy.VerbTag, change: true, decide: onKey(policy.VerbTag), serve: bind(op, (*exchange).deleteTags)}, true
	case *s3api.GetObjectAttributes:
		return action{event: "artifact.attributes", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: bind(op, (*exchange).objectAttributes)}, true
	}
	return lockAction(op)
}

// lockAction has the rows of locks.
func lockAction(op s3api.Op) (action, bool) {
	switch op := op.(type) {
	case *s3api.GetObjectLockConfiguration:
		return action{event: "bucket.head", decide: onBucket, serve: bind(op, (*exchange).lockConfiguration)}, true
	case *s3api.GetObjectRetention:
		return action{event: "artifact.head", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: bind(op, (*exchange).getRetention)}, true
	case *s3api.GetObjectLegalHold:
		return action{event: "artifact.head", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: bind(op, (*exchange).getLegalHold)}, true
	case *s3api.PutObjectRetention: // delete besides is decided where the retention is read
		return action{event: "artifact.lock", verb: policy.VerbWrite, change: true, decide: onKey(policy.VerbWrite), serve: bind(op, (*exchange).putRetention)}, true
	}
	return bucketAction(op)
}

// bucketAction has the rows of buckets and of the operations with a fixed
// answer.
func bucketAction(op s3api.Op) (action, bool) {
	switch op := op.(type) {
	case *s3api.GetBucketVersioning:
		return action{event: "bucket.head", decide: onBucket, serve: bind(op, (*exchange).bucketVersioning)}, true
	case *s3api.PutBucketVersioning: // changes nothing
		return action{event: "bucket.head", decide: onBucket, serve: bind(op, (*exchange).putVersioning)}, true
	case *s3api.CreateBucket:
		return action{event: "bucket.create", verb: policy.VerbBucketCreate, change: true, decide: decideCreate, serve: bind(op, (*exchange).createBucket)}, true
	case *s3api.DeleteBucket:
		return action{event: "bucket.delete", verb: policy.VerbBucketDelete, change: true, decide: decideDelete, serve: bind(op, (*exchange).deleteBucket)}, true
	case *s3api.Stub:
		return stubAction(op), true
	}
	return action{}, false
}
