// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// stubAction is the row of an operation with a fixed answer. What is asked of
// a bucket needs some grant in it; what is asked of an object needs the right
// to read it, and to set its access list the right to write it: the answer
// tells that the object is there.
func stubAction(op *s3api.Stub) action {
	a := action{event: "bucket.head", decide: onBucket, serve: bind(op, (*exchange).stub)}
	switch {
	case op.Name == "PutObjectAcl":
		a = action{event: "artifact.head", verb: policy.VerbWrite, decide: onKey(policy.VerbWrite), serve: a.serve}
	case op.Name == "GetObjectAcl", op.Key != "": // whatever has a key is asked of an object
		a = action{event: "artifact.head", verb: policy.VerbRead, decide: onKey(policy.VerbRead), serve: a.serve}
	}
	return a
}

func (x *exchange) stub(op *s3api.Stub, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	if op.Key != "" {
		s, err := rd.head(x.r.Context(), want{key: g.Key()})
		if err != nil {
			return x.readError(s, g, err)
		}
	}
	return s3api.WriteStub(x.w, op)
}

func (x *exchange) bucketVersioning(_ *s3api.GetBucketVersioning, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	status := ""
	if v, ok := rd.versioner(); ok {
		if status, err = v.Versioning(x.r.Context()); err != nil {
			return err
		}
	}
	s3api.WriteVersioning(x.w, status)
	return nil
}
