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
	if r.query.has("partNumber") {
		return nil, InvalidArgument("partNumber", "partNumber", "This operation does not accept partNumber without uploadId")
	}
	op := &PutObject{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.IfNoneMatch, op.IfMatch, err = r.writeConditions(); err != nil {
		return nil, err
	}
	if op.Headers, op.Meta, err = r.metadata(); err != nil {
		return nil, err
	}
	if op.Tags, err = r.taggingHeader(); err != nil {
		return nil, err
	}
	if op.Lock, err = r.lock(); err != nil {
		return nil, err
	}
	if t, err := r.checksumType(); err != nil || t == Composite { // what is put in one piece has no parts
		return nil, invalidHeader("x-amz-checksum-type")
	}
	if op.payload, err = r.readPayload(); err != nil {
		return nil, err
	}
	op.Size, op.Checksum = op.payload.size, op.payload.checksum
	return op, nil
}

// writeConditions takes the two conditions that S3 has on a write.
func (r *request) writeConditions() (ifNoneMatch bool, ifMatch string, err *Error) {
	if r.header.has("if-none-match") {
		if r.header.get("if-none-match") != "*" || r.header.has("if-match") {
			return false, "", notImplementedHeader("if-none-match")
		}
		return true, "", nil
	}
	if !r.header.has("if-match") {
		return false, "", nil
	}
	ifMatch = r.header.get("if-match")
	tags, ok := parseTags(ifMatch)
	if !ok || tags.any || len(tags.tags) != 1 || tags.weak[0] {
		return false, "", InvalidArgument("if-match", ifMatch, "if-match of a write must be one entity tag")
	}
	return false, ifMatch, nil
}

// metadata takes over what is kept with the object.
func (r *request) metadata() (stored Headers, meta []UserMeta, err *Error) {
	if stored.Redirect, err = r.redirect(); err != nil {
		return Headers{}, nil, err
	}
	size := len(stored.Redirect)
	for _, f := range systemHeaders {
		value := r.header.get(f.request)
		if f.request == "content-encoding" {
			value = withoutChunked(value)
		}
		*f.field(&stored) = value
		size += len(value)
	}
	for name, value := range r.header {
		if key, ok := strings.CutPrefix(name, metaPrefix); ok {
			meta = append(meta, UserMeta{key, value})
			size += len(key) + len(value)
		}
	}
	slices.SortFunc(meta, func(a, b UserMeta) int { return strings.Compare(a.Name, b.Name) })
	if size > MaxMetadata {
		return Headers{}, nil, MetadataTooLarge(size)
	}
	return stored, meta, nil
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
