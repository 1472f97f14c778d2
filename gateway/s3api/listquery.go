// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"strconv"
	"strings"
)

// MaxListKeys is the largest page of a listing, and the default.
const MaxListKeys = 1000

// maxToken bounds a continuation token, in bytes.
const maxToken = 4096

func parseListV1(r *request) (Op, *Error) {
	op := &ListObjects{Bucket: r.target.Bucket, Version: 1, Marker: r.query["marker"]}
	return op, r.listCommon(op)
}

func parseListV2(r *request) (Op, *Error) {
	if v := r.query["list-type"]; v != "2" {
		return nil, InvalidArgument("list-type", v, "list-type must be 2")
	}
	op := &ListObjects{Bucket: r.target.Bucket, Version: 2, StartAfter: r.query["start-after"]}
	op.Token, op.tokenSent = r.query["continuation-token"], r.query.has("continuation-token")
	if len(op.Token) > maxToken {
		return nil, InvalidArgument("continuation-token", "", "the continuation token is not one of this listing")
	}
	switch v := r.query["fetch-owner"]; v {
	case "", "false":
	case "true":
		op.FetchOwner = true
	default:
		return nil, InvalidArgument("fetch-owner", v, "fetch-owner must be true or false")
	}
	return op, r.listCommon(op)
}

// listCommon reads the parameters that both versions have.
func (r *request) listCommon(op *ListObjects) *Error {
	op.Prefix, op.Delimiter = r.query["prefix"], r.query["delimiter"]
	err := r.listNames("prefix", "delimiter", "marker", "start-after")
	if err != nil {
		return err
	}
	if op.EncodingURL, err = r.encodingURL(); err != nil {
		return err
	}
	op.Max, err = r.query.limit("max-keys", MaxListKeys)
	return err
}

// listNames holds the parameters that are names, or begin one, against what a
// key can be.
func (r *request) listNames(params ...string) *Error {
	for _, name := range params {
		if v := r.query[name]; len(v) > MaxKey {
			return InvalidArgument(name, "", name+" is longer than any key: "+strconv.Itoa(len(v))+" bytes")
		}
	}
	if prefix := r.query["prefix"]; hasDotSegment(prefix) {
		return InvalidArgument("prefix", prefix, "no key holds a segment \".\" or \"..\"")
	}
	return nil
}

func (r *request) encodingURL() (bool, *Error) {
	v, ok := r.query["encoding-type"]
	if ok && v != "url" {
		return false, InvalidArgument("encoding-type", v, "Invalid Encoding Method specified in Request")
	}
	return ok, nil
}

// limit reads a page size, most when it was not sent. More than the largest
// page asks for that page.
func (q query) limit(name string, most int) (int, *Error) {
	if !q.has(name) {
		return most, nil
	}
	n, err := q.number(name)
	return min(n, most), err
}

// number reads a number from 0 to 2147483647; 0 when it was not sent.
func (q query) number(name string) (int, *Error) {
	v, ok := q[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	switch {
	case err != nil:
		return 0, InvalidArgument(name, v, "Provided "+v+" not an integer or within integer range")
	case n < 0 || !isDecimal(v):
		return 0, InvalidArgument(name, v, "Argument "+v+" must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}

// hasDotSegment reports whether a prefix holds a whole segment that no key
// can have. A store must never be asked to look there.
func hasDotSegment(prefix string) bool {
	dir := "/" + prefix[:strings.LastIndexByte(prefix, '/')+1]
	return strings.Contains(dir, "/./") || strings.Contains(dir, "/../")
}
