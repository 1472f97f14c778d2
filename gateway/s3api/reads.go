// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxParts is the highest part number of S3.
const MaxParts = 10000

func parseHeadBucket(r *request) (Op, *Error) { return &HeadBucket{Bucket: r.target.Bucket}, nil }

func parseGetBucketLocation(r *request) (Op, *Error) {
	return &GetBucketLocation{Bucket: r.target.Bucket}, nil
}

// maxBuckets is the largest page of ListBuckets, and the default.
const maxBuckets = 10000

func parseListBuckets(r *request) (Op, *Error) {
	op := &ListBuckets{Prefix: r.query["prefix"], Max: maxBuckets}
	if v, ok := r.query["max-buckets"]; ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxBuckets {
			return nil, InvalidArgument("max-buckets", v, "max-buckets must be a number from 1 to 10000")
		}
		op.Max = n
	}
	token := r.query["continuation-token"]
	after, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, InvalidArgument("continuation-token", token, "the continuation token is not one of this listing")
	}
	op.After = string(after)
	return op, nil
}

func parseGetObject(r *request) (Op, *Error) {
	op := &GetObject{Bucket: r.target.Bucket, Key: r.target.Key, ChecksumMode: r.checksumMode()}
	var err *Error
	if op.Overrides, err = r.overrides(); err != nil {
		return nil, err
	}
	if op.Range, err = r.selection(); err != nil {
		return nil, err
	}
	if op.Conditions, err = r.conditions(); err != nil {
		return nil, err
	}
	return op, nil
}

func parseHeadObject(r *request) (Op, *Error) {
	op, err := parseGetObject(r)
	if err != nil {
		return nil, err
	}
	g := op.(*GetObject) //nolint:forcetypeassert // parseGetObject gives no other type
	return &HeadObject{
		Bucket: g.Bucket, Key: g.Key, Range: g.Range, Conditions: g.Conditions,
		ChecksumMode: g.ChecksumMode, Overrides: g.Overrides,
	}, nil
}

func (r *request) checksumMode() bool { return r.header.get("x-amz-checksum-mode") == "ENABLED" }

// overrides reads the response-* parameters. S3 takes them from whoever is
// authenticated, which on this listener is everyone. The values become
// headers of the answer, so line breaks have to be kept out here.
func (r *request) overrides() (Headers, *Error) {
	var o Headers
	for _, f := range systemHeaders {
		v := r.query[f.override]
		if strings.ContainsFunc(v, isControl) {
			return Headers{}, InvalidArgument(f.override, "", f.override+" holds a control character")
		}
		*f.field(&o) = v
	}
	return o, nil
}

// selection reads Range and partNumber, which exclude each other.
func (r *request) selection() (Range, *Error) {
	v, ok := r.query["partNumber"]
	if !ok {
		return ParseRange(r.header.get("range")), nil
	}
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || n < 1 || n > MaxParts:
		return Range{}, InvalidArgument("partNumber", v, "partNumber must be a number from 1 to 10000")
	case r.header.has("range"):
		return Range{}, InvalidRequest("Range and partNumber exclude each other")
	}
	return Range{kind: rangePart, first: int64(n)}, nil
}

// conditions reads the preconditions of a read. A date that is no date is
// ignored (RFC 9110 section 13.1.3); an entity tag that is none is refused:
// to ignore it would answer what the client wanted to be kept from.
func (r *request) conditions() (Conditions, *Error) {
	c := Conditions{
		ifModifiedSince: r.date("if-modified-since"),
		ifUnmodifiedSin: r.date("if-unmodified-since"),
		ifRange:         r.header.get("if-range"),
	}
	for name, into := range map[string]*tagList{"if-match": &c.ifMatch, "if-none-match": &c.ifNoneMatch} {
		if !r.header.has(name) {
			continue
		}
		var ok bool
		if *into, ok = parseTags(r.header.get(name)); !ok {
			return Conditions{}, InvalidArgument(name, r.header.get(name), "the header "+name+" is not a list of entity tags")
		}
	}
	return c, nil
}

func (r *request) date(name string) time.Time {
	if !r.header.has(name) { // the usual case: not worth three errors of package time
		return time.Time{}
	}
	t, err := http.ParseTime(r.header.get(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// parseDeleteObject refuses conditions: a conditional delete that deletes
// unconditionally destroys what it was told to keep.
func parseDeleteObject(r *request) (Op, *Error) {
	for _, name := range conditionHeaders {
		if r.header.has(name) {
			return nil, NotImplemented("the header " + name + " of DeleteObject")
		}
	}
	return &DeleteObject{Bucket: r.target.Bucket, Key: r.target.Key}, nil
}

var conditionHeaders = []string{"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
