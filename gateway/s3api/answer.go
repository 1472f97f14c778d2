// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ObjectAnswer is what a GET or HEAD of an object answers ahead of its bytes.
type ObjectAnswer struct {
	Size     int64 // of the whole object, plaintext bytes
	Off, Len int64 // of the answer, from Range.Resolve
	Range    Range // as asked for, after Conditions.Select
	ETag     string
	Modified time.Time
	Headers  Headers // as stored
	Override Headers // response-* parameters
	Meta     []UserMeta
	Checksum Checksum // zero: none is answered
	Lock     Lock     // zero: none is answered

	VersionID  string // "" where the store keeps no versions
	PartsCount int    // of a multipart object that was asked for by partNumber; else 0
}

// Partial reports whether the answer is 206.
func (a ObjectAnswer) Partial() bool { return a.Range.Partial() && a.Size > 0 }

// Status is the HTTP status of the answer.
func (a ObjectAnswer) Status() int {
	if a.Partial() {
		return http.StatusPartialContent
	}
	return http.StatusOK
}

// SetObjectHeaders sets every header of the answer (S3.md, "Answers"). A
// checksum of the whole object is left out of a partial answer: clients would
// hold it against the part.
func SetObjectHeaders(h http.Header, a ObjectAnswer) {
	SetValidators(h, a.ETag, a.Modified)
	SetVersion(h, a.VersionID)
	SetLock(h, a.Lock)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(a.Len, 10))
	h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
	setStored(h, a.Headers, a.Override)
	for _, m := range a.Meta {
		// Not in Go's canonical form: clients take the name as they see it, and
		// S3 sends it in lower case.
		h["x-amz-meta-"+m.Name] = []string{m.Value}
	}
	if to := a.Headers.Redirect; to != "" {
		h.Set(redirectHeader, to)
	}
	if a.PartsCount > 0 {
		h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(a.PartsCount))
	}
	if a.Partial() && a.Len > 0 { // no Content-Range can name an empty part
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", a.Off, a.Off+a.Len-1, a.Size))
	}
	switch {
	case !a.Partial():
		SetChecksum(h, a.Checksum)
	case a.PartsCount > 0: // it is the part's
		SetChecksum(h, a.Checksum)
		h.Del("X-Amz-Checksum-Type")
	}
}

// SetValidators sets what an answer of 200, 206 and 304 carries alike.
func SetValidators(h http.Header, etag string, modified time.Time) {
	h.Set("Etag", etag)
	h.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
}

// setStored answers the system headers the object was stored with. A type is
// always set: net/http would guess one from the bytes.
func setStored(h http.Header, stored, override Headers) {
	for _, f := range systemHeaders {
		value := *f.field(&stored)
		if o := *f.field(&override); o != "" {
			value = o
		}
		if value != "" {
			h.Set(f.name, value)
		}
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", defaultContentType)
	}
}

// defaultContentType is what S3 answers for an object stored without a type.
const defaultContentType = "binary/octet-stream"

// SetPutHeaders sets the headers of the answer to a PUT; sum is the object's,
// from Sums.Object.
func SetPutHeaders(h http.Header, etag string, sum Checksum) {
	h.Set("Etag", etag)
	h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
	SetChecksum(h, sum)
}

// SetPartHeaders sets the headers of the answer to UploadPart. The checksum is
// the client's, when it sent one.
func SetPartHeaders(h http.Header, etag string, client Checksum) {
	SetPutHeaders(h, etag, client)
	h.Del("X-Amz-Checksum-Type") // a part has no type
}

// SetChecksum answers an object's checksum; the zero value sets nothing.
func SetChecksum(h http.Header, c Checksum) {
	if c.Algorithm == ChecksumNone {
		return
	}
	h.Set(c.Algorithm.header(), c.Base64())
	h.Set("X-Amz-Checksum-Type", c.Type().String())
}
