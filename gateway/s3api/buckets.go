// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"io"
	"strings"
)

func parseCreateBucket(r *request) (Op, *Error) {
	const ownership, locked = "x-amz-object-ownership", "x-amz-bucket-object-lock-enabled"
	switch v := r.header.get(ownership); v {
	case "", "BucketOwnerEnforced":
	case "BucketOwnerPreferred", "ObjectWriter": // both mean that access lists decide
		return nil, NewError("AccessControlListNotSupported", "")
	default:
		return nil, InvalidArgument(ownership, v, "Invalid x-amz-object-ownership header: "+v)
	}
	op := &CreateBucket{Bucket: r.target.Bucket}
	switch v := r.header.get(locked); {
	case strings.EqualFold(v, "true"):
		op.ObjectLock = true
	case r.header.has(locked) && !strings.EqualFold(v, "false"):
		return nil, InvalidArgument(locked, v, "Invalid x-amz-bucket-object-lock-enabled header: "+v)
	}
	var err *Error
	if op.body, err = r.readXMLBody(maxConfig, r.payloadChecksum); err != nil {
		return nil, err
	}
	return op, nil
}

// Check reads the configuration that the bucket shall have: none, or a
// location that is the gateway's region. The error is an *Error.
func (o *CreateBucket) Check(body io.Reader, region string) error {
	data, err := o.body.read(body)
	if err != nil || len(data) == 0 {
		return err
	}
	var location *string
	err = decodeXML(data, "CreateBucketConfiguration", func(x *xmlReader, name string) error {
		if name == "LocationConstraint" {
			return x.once(&location)
		}
		return notUnderstood("the element " + name + " of CreateBucket")
	})
	switch {
	case err != nil:
		return err
	case location != nil && *location != "" && *location != region:
		return NewError("InvalidLocationConstraint", "")
	}
	return nil
}

func parseDeleteBucket(r *request) (Op, *Error) { return &DeleteBucket{Bucket: r.target.Bucket}, nil }

func parseGetBucketVersioning(r *request) (Op, *Error) {
	return &GetBucketVersioning{Bucket: r.target.Bucket}, nil
}
