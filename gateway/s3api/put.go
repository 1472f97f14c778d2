// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"slices"
	"strings"
)

// MaxMetadata is how many bytes of metadata a client may send with an object:
// names and values of x-amz-meta-*, values of the system headers (S3.md,
// "Limits").
const MaxMetadata = 1200

// systemHeaders are the headers that S3 keeps with an object and answers
// with it, and the parameter that overrides each in an answer.
var systemHeaders = []struct {
	name, request, override string
	field                   func(*Headers) *string
}{
	{"Content-Type", "content-type", "response-content-type", func(h *Headers) *string { return &h.ContentType }},
	{"Content-Encoding", "content-encoding", "response-content-encoding", func(h *Headers) *string { return &h.ContentEncoding }},
	{"Content-Disposition", "content-disposition", "response-content-disposition", func(h *Headers) *string { return &h.ContentDisposition }},
	{"Content-Language", "content-language", "response-content-language", func(h *Headers) *string { return &h.ContentLanguage }},
	{"Cache-Control", "cache-control", "response-cache-control", func(h *Headers) *string { return &h.CacheControl }},
	{"Expires", "expires", "response-expires", func(h *Headers) *string { return &h.Expires }},
}

func parsePutObject(r *request) (Op, *Error) {
	op := &PutObject{Bucket: r.target.Bucket, Key: r.target.Key}
	if err := r.putConditions(op); err != nil {
		return nil, err
	}
	if err := r.putMetadata(op); err != nil {
		return nil, err
	}
	var err *Error
	if op.payload, err = r.readPayload(); err != nil {
		return nil, err
	}
	op.Size, op.Checksum = op.payload.size, op.payload.checksum
	return op, nil
}

// putConditions takes the two conditions that S3 has on PUT. Any other one is
// refused: ignoring it would overwrite what it was to keep.
func (r *request) putConditions(op *PutObject) *Error {
	for _, name := range []string{"if-modified-since", "if-unmodified-since"} {
		if r.header.has(name) {
			return NotImplemented("the header " + name + " of PutObject")
		}
	}
	if r.header.has("if-none-match") {
		if r.header.get("if-none-match") != "*" {
			return NotImplemented("the header if-none-match of PutObject with anything but *")
		}
		op.IfNoneMatch = true
	}
	if !r.header.has("if-match") {
		return nil
	}
	op.IfMatch = r.header.get("if-match")
	tags, ok := parseTags(op.IfMatch)
	switch {
	case op.IfNoneMatch:
		return InvalidRequest("if-match and if-none-match exclude each other")
	case !ok || tags.any || len(tags.tags) != 1 || tags.weak[0]:
		return InvalidArgument("if-match", op.IfMatch, "if-match of PutObject must be one entity tag")
	}
	return nil
}

// putMetadata takes over what is kept with the object.
func (r *request) putMetadata(op *PutObject) *Error {
	size := 0
	for _, f := range systemHeaders {
		value := r.header.get(f.request)
		if f.request == "content-encoding" {
			value = withoutChunked(value)
		}
		*f.field(&op.Headers) = value
		size += len(value)
	}
	for name, value := range r.header {
		if key, ok := strings.CutPrefix(name, metaPrefix); ok {
			op.Meta = append(op.Meta, UserMeta{key, value})
			size += len(key) + len(value)
		}
	}
	slices.SortFunc(op.Meta, func(a, b UserMeta) int { return strings.Compare(a.Name, b.Name) })
	if size > MaxMetadata {
		return MetadataTooLarge(size)
	}
	return nil
}

// awsChunked is the content coding that names the framing of an upload. It is
// never part of the object.
const awsChunked = "aws-chunked"

// withoutChunked takes aws-chunked out of a list of content codings.
func withoutChunked(value string) string {
	if !strings.Contains(strings.ToLower(value), awsChunked) {
		return value
	}
	var kept []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.Trim(item, " \t"); item != "" && !strings.EqualFold(item, awsChunked) {
			kept = append(kept, item)
		}
	}
	return strings.Join(kept, ",")
}

// isChunked reports whether a list of content codings holds aws-chunked.
func isChunked(value string) bool {
	for item := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.Trim(item, " \t"), awsChunked) {
			return true
		}
	}
	return false
}
