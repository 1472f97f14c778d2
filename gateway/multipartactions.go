// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// multipartAction has the rows of multipart uploads. Every step is decided
// anew; what decides whether an object may be replaced is the right at
// Complete.
func multipartAction(op s3api.Op) (action, bool) {
	part := action{event: "upload.part", verb: policy.VerbWrite, change: true, decide: onKey(policy.VerbCreate)}
	switch op := op.(type) {
	case *s3api.CreateMultipartUpload:
		return action{event: "upload.create", verb: policy.VerbWrite, change: true, decide: onKey(policy.VerbCreate), serve: bind(op, (*exchange).createUpload)}, true
	case *s3api.UploadPart:
		part.serve = bind(op, (*exchange).uploadPart)
		return part, true
	case *s3api.UploadPartCopy:
		part.serve = bind(op, (*exchange).copyPart)
		return part, true
	case *s3api.CompleteMultipartUpload:
		return action{event: "upload.complete", verb: policy.VerbWrite, change: true, decide: onKey(writing(op.IfNoneMatch)), serve: bind(op, (*exchange).completeUpload)}, true
	case *s3api.AbortMultipartUpload:
		return action{event: "upload.abort", verb: policy.VerbWrite, change: true, decide: onKey(policy.VerbCreate), serve: bind(op, (*exchange).abortUpload)}, true
	case *s3api.ListParts:
		return action{event: "upload.list", decide: onKey(policy.VerbList), serve: bind(op, (*exchange).listParts)}, true
	case *s3api.ListMultipartUploads:
		return action{event: "upload.list", decide: onList(op.Prefix), serve: bind(op, (*exchange).listUploads)}, true
	default:
		return action{}, false
	}
}
