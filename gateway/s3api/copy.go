// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

const copySource = "x-amz-copy-source"

// copyHeaders are what both operations that copy read of their source.
var copyHeaders = []string{
	copySource, copySource + "-if-match", copySource + "-if-none-match",
	copySource + "-if-modified-since", copySource + "-if-unmodified-since",
}

// onlyCopies refuses a copy source that would be ignored.
func onlyCopies(name, value string) *Error {
	return InvalidArgument(name, value, "You can only specify a copy source header for copy requests.")
}

// readCopySource reads what a copy reads from. The value is a path, and is
// read by the reader of paths, once (S3.md, "Copies"): what is authorized as
// the source is what the store is asked for.
func (r *request) readCopySource() (CopySource, *Error) {
	value := r.header.get(copySource)
	bad := func(message string) (CopySource, *Error) {
		return CopySource{}, InvalidArgument(copySource, value, message)
	}
	escaped, rawQuery, versioned := strings.Cut(value, "?")
	path := copyPath(escaped)
	if _, err := decode(path); err != nil {
		return bad("Invalid copy source encoding")
	}
	from, err := parsePath(path, "")
	switch {
	case err != nil && err.Code == "InvalidBucketName":
		return bad("Invalid copy source bucket name")
	case err != nil || from.Key == "":
		return bad("Invalid copy source object key")
	}
	s := CopySource{Bucket: from.Bucket, Key: from.Key}
	if versioned {
		q, err := parseQuery(rawQuery)
		if err != nil || len(q) != 1 || !q.has("versionId") {
			return bad("a copy source may be followed by ?versionId= alone")
		}
		s.VersionID = q["versionId"]
		if err := checkVersion(copySource, s.VersionID); err != nil {
			return CopySource{}, err
		}
	}
	s.Conditions, err = r.conditions(copySource + "-")
	return s, err
}

// copyPath turns what clients write into a path: with a leading slash or
// without, the slash before the key raw or escaped, a space raw or as a plus
// sign. None of these has a second reading, since no bucket's name holds one.
func copyPath(escaped string) string {
	escaped = strings.NewReplacer(" ", "%20", "+", "%20", "#", "%23").Replace(escaped)
	if rest, ok := cutSlash(escaped); ok {
		escaped = rest
	}
	for i := range len(escaped) {
		if key, ok := cutSlash(escaped[i:]); ok {
			return "/" + escaped[:i] + "/" + key
		}
	}
	return "/" + escaped
}

// cutSlash takes a slash, raw or escaped, off the beginning of s.
func cutSlash(s string) (rest string, ok bool) {
	for _, slash := range []string{"/", "%2F", "%2f"} {
		if rest, ok = strings.CutPrefix(s, slash); ok {
			return rest, true
		}
	}
	return s, false
}

// Check holds the conditions of a copy against its source: etag is what ETag
// gave, modified the source's Last-Modified. The error is nil or 412: a copy
// has no 304.
func (s CopySource) Check(etag string, modified time.Time) error {
	err := s.Conditions.CheckRead(etag, modified)
	if err == nil {
		return nil
	}
	failed := "If-Unmodified-Since"
	switch missed := errors.Is(err, NotModified()); {
	case missed && s.Conditions.ifNoneMatch.set:
		failed = "If-None-Match"
	case missed:
		failed = "If-Modified-Since"
	case s.Conditions.ifMatch.set:
		failed = "If-Match"
	}
	return PreconditionFailed(copySource + "-" + failed)
}

func parseCopyObject(r *request) (Op, *Error) {
	op := &CopyObject{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.Source, err = r.readCopySource(); err != nil {
		return nil, err
	}
	if op.Replace, err = r.directive("metadata"); err != nil {
		return nil, err
	}
	if op.ReplaceTags, err = r.directive("tagging"); err != nil {
		return nil, err
	}
	if op.IfNoneMatch, op.IfMatch, err = r.writeConditions(); err != nil {
		return nil, err
	}
	if op.Algorithm, err = r.wantedAlgorithm(); err != nil {
		return nil, err
	}
	stored, meta, err := r.metadata() // too much of it is refused, even where it is not taken
	if err != nil {
		return nil, err
	}
	if op.Replace {
		op.Headers, op.Meta = stored, meta
	}
	op.Headers.Redirect = stored.Redirect
	if op.ReplaceTags {
		if op.Tags, err = r.taggingHeader(); err != nil {
			return nil, err
		}
	}
	if op.Lock, err = r.lock(); err != nil {
		return nil, err
	}
	if r.changesNothing(op) {
		return nil, InvalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	return op, nil
}

// changesNothing reports a copy of an object to itself that asks for no
// change.
func (r *request) changesNothing(op *CopyObject) bool {
	return op.Source.Resource() == op.Resource() && op.Source.VersionID == "" && !op.Replace && op.Headers.Redirect == "" &&
		op.Algorithm == ChecksumNone && !r.header.has("x-amz-storage-class") && !r.header.has("x-amz-server-side-encryption")
}

// directive reads x-amz-metadata-directive or x-amz-tagging-directive: whether
// what the request holds takes the place of the source's.
func (r *request) directive(of string) (bool, *Error) {
	name := "x-amz-" + of + "-directive"
	switch v := r.header.get(name); v {
	case "REPLACE":
		return true, nil
	case "", "COPY":
		return false, nil
	default:
		return false, InvalidArgument(name, v, "Unknown "+of+" directive.")
	}
}

// copyRange reads x-amz-copy-source-range: bytes=FIRST-LAST and nothing else.
func (r *request) copyRange() (off, n int64, err *Error) {
	const name = copySource + "-range"
	if !r.header.has(name) {
		return 0, -1, nil
	}
	value := r.header.get(name)
	spec, ok := strings.CutPrefix(value, "bytes=")
	a, b, dash := strings.Cut(spec, "-")
	first, aok := parseWhole(a)
	last, bok := parseWhole(b)
	if !ok || !dash || !aok || !bok || last < first || last == math.MaxInt64 {
		return 0, 0, InvalidArgument(name, value, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	return first, last - first + 1, nil
}

// parseWhole reads a number of decimal digits that fits.
func parseWhole(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && isDecimal(s)
}
