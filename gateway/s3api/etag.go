// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/hex"
	"strings"
)

// ETag gives the quoted entity tag that clients see for a backend's tag
// (S3.md, "Entity tags"): `"HEX-N"`, a shape that no client takes for the MD5
// of the content. A tag without parts gets `-1`; one that is not hex is hex
// encoded first. It is a function of the backend's tag alone, so that PUT,
// HEAD, GET and listings agree.
func ETag(stored string) string {
	stored = strings.Trim(strings.TrimPrefix(stored, "W/"), `"`)
	sum, parts, found := strings.Cut(stored, "-")
	switch {
	case isHex(sum) && found && isDecimal(parts):
		return `"` + stored + `"`
	case isHex(stored):
		return `"` + stored + `-1"`
	}
	return `"` + hex.EncodeToString([]byte(stored)) + `-1"`
}

func isHex(s string) bool     { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }
func isDecimal(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// tagList is the value of If-Match or If-None-Match: "*", or entity tags.
type tagList struct {
	set  bool
	any  bool
	tags []string // opaque parts, without quotes
	weak []bool   // tags[i] was sent as W/"..."
}

// parseTags reads a list of entity tags. S3 clients send them without quotes
// as well (S3.md, "Conditions"); ok is false for what is no list of tags.
func parseTags(header string) (l tagList, ok bool) {
	l.set = true
	if strings.Trim(header, " \t") == "*" {
		l.any = true
		return l, true
	}
	for item := range strings.SplitSeq(header, ",") {
		tag, weak := strings.CutPrefix(strings.Trim(item, " \t"), "W/")
		if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
			tag = tag[1 : len(tag)-1]
		}
		if tag == "" || strings.ContainsAny(tag, "\" \t*") {
			return tagList{}, false
		}
		l.tags, l.weak = append(l.tags, tag), append(l.weak, weak)
	}
	return l, true
}

// matchStrong compares as RFC 9110 section 13.1.1 demands of If-Match: a weak
// tag matches nothing.
func (l tagList) matchStrong(etag string) bool {
	for i, t := range l.tags {
		if !l.weak[i] && t == strings.Trim(etag, `"`) {
			return true
		}
	}
	return l.any
}

// matchWeak compares as RFC 9110 section 13.1.2 demands of If-None-Match.
func (l tagList) matchWeak(etag string) bool {
	for _, t := range l.tags {
		if t == strings.Trim(etag, `"`) {
			return true
		}
	}
	return l.any
}
