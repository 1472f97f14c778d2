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

const badPartNumber = "Part number must be an integer between 1 and 10000, inclusive."

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
		if err != nil || !isDecimal(v) || n < 1 || n > maxBuckets {
			return nil, InvalidArgument("max-buckets", v, "Argument max-buckets must be an integer between 1 and 10000.")
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
	if op.VersionID, err = r.versionID(); err != nil {
		return nil, err
	}
	if op.Overrides, err = r.overrides(); err != nil {
		return nil, err
	}
	if op.Range, err = r.selection(); err != nil {
		return nil, err
	}
	if op.Conditions, err = r.conditions(""); err != nil {
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
		Bucket: g.Bucket, Key: g.Key, VersionID: g.VersionID, Range: g.Range, Conditions: g.Conditions,
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
	case err != nil || !isDecimal(v) || n < 1 || n > MaxParts:
		return Range{}, InvalidArgument("partNumber", v, badPartNumber)
	case r.header.has("range"):
		return Range{}, InvalidRequest("Cannot specify both Range header and partNumber query parameter")
	}
	return Range{kind: rangePart, first: int64(n)}, nil
}

// conditions reads the preconditions of a read; those of a copy's source have
// a prefix. A date that is no date is ignored (RFC 9110 section 13.1.3); an
// entity tag that is none is refused: to ignore it would answer what the
// client wanted to be kept from.
func (r *request) conditions(prefix string) (Conditions, *Error) {
	c := Conditions{
		ifModifiedSince: r.date(prefix + "if-modified-since"),
		ifUnmodifiedSin: r.date(prefix + "if-unmodified-since"),
	}
	if prefix == "" {
		c.ifRange = r.header.get("if-range")
	}
	for name, into := range map[string]*tagList{prefix + "if-match": &c.ifMatch, prefix + "if-none-match": &c.ifNoneMatch} {
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

func parseDeleteObject(r *request) (Op, *Error) {
	version, err := r.versionID()
	if err != nil {
		return nil, err
	}
	return &DeleteObject{Bucket: r.target.Bucket, Key: r.target.Key, VersionID: version}, nil
}

var conditionHeaders = []string{"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}

// versionID reads the version that the query names; "" for none.
func (r *request) versionID() (string, *Error) {
	v, ok := r.query["versionId"]
	if !ok {
		return "", nil
	}
	return v, checkVersion("versionId", v)
}

// maxVersion bounds a version id, in bytes.
const maxVersion = 1024

// checkVersion holds a version id against the form that every store's have:
// printable ASCII. Which ids there are, the store knows.
func checkVersion(name, v string) *Error {
	if v == "" {
		return InvalidArgument(name, v, "Version id cannot be the empty string")
	}
	if len(v) > maxVersion || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return InvalidArgument(name, v, "Invalid version id specified")
	}
	return nil
}
