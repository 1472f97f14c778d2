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
	for _, name := range []string{"prefix", "delimiter", "marker", "start-after"} {
		if v := r.query[name]; len(v) > MaxKey {
			return InvalidArgument(name, "", name+" is longer than any key: "+strconv.Itoa(len(v))+" bytes")
		}
	}
	if hasDotSegment(op.Prefix) {
		return InvalidArgument("prefix", op.Prefix, "no key holds a segment \".\" or \"..\"")
	}
	switch v, ok := r.query["encoding-type"]; {
	case v == "url":
		op.EncodingURL = true
	case ok:
		return InvalidArgument("encoding-type", v, "encoding-type must be url")
	}
	return r.maxKeys(op)
}

// maxKeys reads a page size. More than S3's largest page asks for that page.
func (r *request) maxKeys(op *ListObjects) *Error {
	op.Max = MaxListKeys
	v, ok := r.query["max-keys"]
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 || !isDecimal(v) {
		return InvalidArgument("max-keys", v, "max-keys must be a number from 0 to 2147483647")
	}
	op.Max = min(int(n), MaxListKeys)
	return nil
}

// hasDotSegment reports whether a prefix holds a whole segment that no key
// can have. A store must never be asked to look there.
func hasDotSegment(prefix string) bool {
	dir := "/" + prefix[:strings.LastIndexByte(prefix, '/')+1]
	return strings.Contains(dir, "/./") || strings.Contains(dir, "/../")
}
