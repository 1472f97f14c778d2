// SPDX-License-Identifier: Apache-2.0

package s3api

// parseStub gives the parser of an operation with a fixed answer.
func parseStub(name string) func(*request) (Op, *Error) {
	return func(r *request) (Op, *Error) {
		if r.target.Key != "" {
			if _, err := r.versionID(); err != nil {
				return nil, err
			}
		}
		return &Stub{Name: name, Bucket: r.target.Bucket, Key: r.target.Key}, nil
	}
}

// parsePutObjectACL takes the two access lists that change nothing; the rule
// of x-amz-acl has refused all others. A list in the body would change
// something.
func parsePutObjectACL(r *request) (Op, *Error) {
	switch {
	case r.length != 0:
		return nil, NewError("AccessControlListNotSupported", "")
	case !r.header.has("x-amz-acl"):
		return nil, NewError("MissingSecurityHeader", "")
	}
	return parseStub("PutObjectAcl")(r)
}

// stubRow is the row of an operation with a fixed answer, of one method, level
// and sub-resource.
func stubRow(name string, lv level, sub string) route {
	return route{name: name, method: get, level: lv, sub: sub, serve: parseStub(name), op: &Stub{Name: name}}
}
