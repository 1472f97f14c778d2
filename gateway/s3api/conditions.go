// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"time"
)

// Conditions are the preconditions of a read. The zero value always holds.
type Conditions struct {
	ifMatch, ifNoneMatch             tagList
	ifModifiedSince, ifUnmodifiedSin time.Time // zero when not sent or no date
	ifRange                          string    // as sent
}

// CheckRead evaluates the preconditions against an object in the order of
// RFC 9110 section 13.2.2. etag is what ETag gave, modified the object's
// Last-Modified. The error is nil, or an *Error with status 304 or 412.
func (c Conditions) CheckRead(etag string, modified time.Time) error {
	modified = modified.Truncate(time.Second) // what the client was told
	switch {
	case c.ifMatch.set:
		if !c.ifMatch.matchStrong(etag) {
			return PreconditionFailed("If-Match")
		}
	case !c.ifUnmodifiedSin.IsZero() && modified.After(c.ifUnmodifiedSin):
		return PreconditionFailed("If-Unmodified-Since")
	}
	switch {
	case c.ifNoneMatch.set:
		if c.ifNoneMatch.matchWeak(etag) {
			return NotModified()
		}
	case !c.ifModifiedSince.IsZero() && !modified.After(c.ifModifiedSince):
		return NotModified()
	}
	return nil
}

// IfMatchSet reports whether the read is bound to an entity tag.
func (c Conditions) IfMatchSet() bool { return c.ifMatch.set }

// rangeHolds evaluates If-Range (RFC 9110 section 13.1.5): when it does not
// hold, the answer is the whole object. A date must equal Last-Modified.
func (c Conditions) rangeHolds(etag string, modified time.Time) bool {
	if c.ifRange == "" {
		return true
	}
	if at, err := http.ParseTime(c.ifRange); err == nil {
		return modified.Truncate(time.Second).Equal(at)
	}
	tags, ok := parseTags(c.ifRange)
	return ok && !tags.any && len(tags.tags) == 1 && tags.matchStrong(etag)
}

// Select gives the range of an answer: r, or the whole object when If-Range
// names another version.
func (c Conditions) Select(r Range, etag string, modified time.Time) Range {
	if c.rangeHolds(etag, modified) {
		return r
	}
	return Range{}
}

// IfMatches reports whether etag, as ETag gave it, is the one that the PUT
// may replace.
func (o *PutObject) IfMatches(etag string) bool { return IfMatches(o.IfMatch, etag) }

// IfMatches reports whether etag, as ETag gave it, is the one that a client
// sent as the condition of a write.
func IfMatches(sent, etag string) bool {
	tags, ok := parseTags(sent)
	return ok && tags.matchStrong(etag)
}
