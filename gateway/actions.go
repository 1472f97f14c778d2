// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"maps"
	"slices"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// action is the row that each served operation has: what it is called on the
// record, which right it needs, and who serves it. An operation without a
// row is answered 501 (S3.md, "Operations").
type action struct {
	event  string
	verb   policy.Verb // the right, for the text of a denial; none reads as list
	change bool        // the outcome is durable before the answer
	decide func(*policy.Principal, *exchange) policy.Decision
	serve  func(*exchange, policy.Grant) error
}

// actionOf gives the row of an operation; false means there is none. Each
// operation has a row in one table only.
func actionOf(op s3api.Op) (action, bool) {
	for _, table := range []func(s3api.Op) (action, bool){baseAction, multipartAction, batchAction, stsAction} {
		if a, ok := table(op); ok {
			return a, true
		}
	}
	return action{}, false
}

// baseAction has the rows of reading, writing and listing single objects.
func baseAction(op s3api.Op) (action, bool) {
	switch op := op.(type) {
	case *s3api.GetObject:
		return action{event: "artifact.read", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: bind(op, (*exchange).getObject)}, true
	case *s3api.HeadObject:
		return action{event: "artifact.head", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: bind(op, (*exchange).headObject)}, true
	case *s3api.PutObject:
		return action{event: "artifact.write", verb: policy.VerbWrite, change: true, decide: onKey(writing(op.IfNoneMatch)), serve: bind(op, (*exchange).putObject)}, true
	case *s3api.DeleteObject:
		return action{event: "artifact.delete", verb: policy.VerbDelete, change: true, decide: onKey(policy.VerbDelete), serve: bind(op, (*exchange).deleteObject)}, true
	case *s3api.ListObjects:
		return action{event: "artifact.list", decide: onList(op.Prefix), serve: bind(op, (*exchange).listObjects)}, true
	case *s3api.HeadBucket:
		return action{event: "bucket.head", decide: onBucket, serve: bind(op, (*exchange).headBucket)}, true
	case *s3api.GetBucketLocation:
		return action{event: "bucket.head", decide: onBucket, serve: bind(op, (*exchange).bucketLocation)}, true
	case *s3api.ListBuckets:
		return action{event: "bucket.list", decide: onAnything, serve: bind(op, (*exchange).listBuckets)}, true
	default:
		return action{}, false
	}
}

// bind binds an operation to the method that serves it.
func bind[T any](op T, serve func(*exchange, T, policy.Grant) error) func(*exchange, policy.Grant) error {
	return func(x *exchange, g policy.Grant) error { return serve(x, op, g) }
}

func onKey(v policy.Verb) func(*policy.Principal, *exchange) policy.Decision {
	return func(p *policy.Principal, x *exchange) policy.Decision {
		r := x.op.Resource()
		return p.Decide(policy.Query{Verb: v, Bucket: r.Bucket, Key: r.Key, Now: x.start})
	}
}

// writing gives the right that a write needs: one that cannot replace anything
// needs less.
func writing(ifNoneMatch bool) policy.Verb { //nolint:revive // it is what the request says, not how to do it
	if ifNoneMatch {
		return policy.VerbCreate
	}
	return policy.VerbWrite
}

// onList allows when something that begins with the prefix may be listed:
// the listing itself holds only that.
func onList(prefix string) func(*policy.Principal, *exchange) policy.Decision {
	return func(p *policy.Principal, x *exchange) policy.Decision {
		return p.DecideList(x.op.Resource().Bucket, prefix, x.start)
	}
}

func onBucket(p *policy.Principal, x *exchange) policy.Decision {
	return p.DecideBucket(x.op.Resource().Bucket)
}

// onAnything allows whoever has a grant in any configured bucket.
func onAnything(p *policy.Principal, x *exchange) policy.Decision {
	var d policy.Decision
	for _, name := range slices.Sorted(maps.Keys(x.snap.Buckets)) { // the same rule on the record every time
		if d = p.DecideBucket(name); d.Allowed() {
			return d
		}
	}
	return d
}
