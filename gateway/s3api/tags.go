// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an object's tags (S3.md, "Tags"); lengths are in characters.
const (
	MaxTags     = 10
	MaxTagKey   = 128
	MaxTagValue = 256
)

// taggingHeader reads x-amz-tagging: tags written like a query. nil when it
// was not sent or is empty.
func (r *request) taggingHeader() ([]Tag, *Error) {
	const name = "x-amz-tagging"
	value := r.header.get(name)
	malformed := InvalidArgument(name, value, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	var tags []Tag
	for part := range strings.SplitSeq(value, "&") {
		if part == "" {
			continue
		}
		// A raw "#" has no other meaning in a header.
		k, v, _ := strings.Cut(strings.ReplaceAll(part, "#", "%23"), "=")
		key, kerr := decodeParam(k)
		val, verr := decodeParam(v)
		same := func(t Tag) bool { return t.Key == key }
		if kerr != nil || verr != nil || key == "" || slices.ContainsFunc(tags, same) {
			return nil, malformed
		}
		tags = append(tags, Tag{key, val})
	}
	return sortTags(tags)
}

// sortTags holds tags against their bounds and sorts them by key.
func sortTags(tags []Tag) ([]Tag, *Error) {
	if len(tags) > MaxTags {
		return nil, NewError("BadRequest", "Object tags cannot be greater than 10")
	}
	for i, t := range tags {
		invalid := func(message string) *Error {
			e := NewError("InvalidTag", message)
			e.Extra = []Element{{"TagKey", t.Key}, {"TagValue", t.Value}}
			return e
		}
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > MaxTagKey || strings.ContainsFunc(t.Key, notInTag):
			return nil, invalid("The TagKey you have provided is invalid")
		case utf8.RuneCountInString(t.Value) > MaxTagValue || strings.ContainsFunc(t.Value, notInTag):
			return nil, invalid("The TagValue you have provided is invalid")
		case strings.HasPrefix(t.Key, "aws:"):
			return nil, invalid("System tags cannot be added/updated by requester")
		case slices.ContainsFunc(tags[:i], func(o Tag) bool { return o.Key == t.Key }):
			return nil, invalid("Cannot provide multiple Tags with the same key")
		}
	}
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return tags, nil
}

// notInTag reports a character that S3 keeps out of tags.
func notInTag(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.Z) && !strings.ContainsRune("_.:/=+-@", r)
}

func parseGetObjectTagging(r *request) (Op, *Error) {
	version, err := r.versionID()
	if err != nil {
		return nil, err
	}
	return &GetObjectTagging{Bucket: r.target.Bucket, Key: r.target.Key, VersionID: version}, nil
}

func parseDeleteObjectTagging(r *request) (Op, *Error) {
	version, err := r.versionID()
	if err != nil {
		return nil, err
	}
	return &DeleteObjectTagging{Bucket: r.target.Bucket, Key: r.target.Key, VersionID: version}, nil
}

func parsePutObjectTagging(r *request) (Op, *Error) {
	op := &PutObjectTagging{Bucket: r.target.Bucket, Key: r.target.Key}
	var err *Error
	if op.VersionID, err = r.versionID(); err != nil {
		return nil, err
	}
	if op.body, err = r.readXMLBody(maxConfig, r.payloadChecksum); err != nil {
		return nil, err
	}
	return op, nil
}

// Tags reads the tags, sorted by key. The error is an *Error.
func (o *PutObjectTagging) Tags(body io.Reader) ([]Tag, error) {
	var tags []Tag
	sets := 0
	err := o.body.decode(body, "Tagging", func(x *xmlReader, name string) error {
		if sets++; name != "TagSet" || sets > 1 {
			return malformedXML()
		}
		return x.children(func(x *xmlReader, name string) error {
			if name != "Tag" || len(tags) == 2*MaxTags { // far too many are not collected
				return malformedXML()
			}
			t, err := readTag(x)
			tags = append(tags, t)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if sets == 0 {
		return nil, malformedXML()
	}
	sorted, bad := sortTags(tags)
	if bad != nil {
		return nil, bad
	}
	return sorted, nil
}

func readTag(x *xmlReader) (Tag, error) {
	var key, value *string
	err := x.children(func(x *xmlReader, name string) error {
		switch name {
		case "Key":
			return x.once(&key)
		case "Value":
			return x.once(&value)
		}
		return malformedXML()
	})
	switch {
	case err != nil:
		return Tag{}, err
	case key == nil || value == nil:
		return Tag{}, malformedXML()
	}
	return Tag{*key, *value}, nil
}
