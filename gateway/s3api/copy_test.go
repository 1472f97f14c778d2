// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// sourceOf reads the copy source of a CopyObject to /models/to.
func sourceOf(tb testing.TB, value string) (CopySource, error) {
	tb.Helper()
	op, err := Parse(ask(tb, "PUT /models/to", "x-amz-copy-source: "+value, "Content-Length: 0"), Options{})
	if err != nil {
		return CopySource{}, err
	}
	return op.(*CopyObject).Source, nil
}

func TestCopySource(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]CopySource{
		"models/a":                        {Bucket: "models", Key: "a"},
		"/models/a":                       {Bucket: "models", Key: "a"},
		"%2Fmodels%2Fa%2fb":               {Bucket: "models", Key: "a/b"},
		"models%2fa":                      {Bucket: "models", Key: "a"},
		"models/a%2Fb":                    {Bucket: "models", Key: "a/b"},
		"models//a/":                      {Bucket: "models", Key: "/a/"},
		"models/a%20b":                    {Bucket: "models", Key: "a b"},
		"models/a b":                      {Bucket: "models", Key: "a b"},
		"models/a+b":                      {Bucket: "models", Key: "a b"},
		"models/a%2Bb":                    {Bucket: "models", Key: "a+b"},
		"models/a%252Fb":                  {Bucket: "models", Key: "a%2Fb"}, // once
		"models/a#b":                      {Bucket: "models", Key: "a#b"},
		"models/%C3%BC":                   {Bucket: "models", Key: "ü"},
		"models/ü":                        {Bucket: "models", Key: "ü"},
		"models/a?versionId=v.1":          {Bucket: "models", Key: "a", VersionID: "v.1"},
		"models/a?versionId=null":         {Bucket: "models", Key: "a", VersionID: "null"},
		"models/a%3FversionId%3Dv":        {Bucket: "models", Key: "a?versionId=v"},
		"models/.sealgate%2Fkeys":         {Bucket: "models", Key: ".sealgate/keys"},
		"arn.aws.s3-x/accesspoint/object": {Bucket: "arn.aws.s3-x", Key: "accesspoint/object"},
	} {
		got, err := sourceOf(t, value)
		if err != nil || got.Bucket != want.Bucket || got.Key != want.Key || got.VersionID != want.VersionID {
			t.Errorf("%q is %+v, %v; want %+v", value, got, err, want)
		}
	}
	if s, err := sourceOf(t, "models/%2Esealgate/x"); err != nil || !s.Resource().Reserved() {
		t.Errorf("a source under a reserved name is %+v, %v: it is not seen to be one", s, err)
	}
}

func TestBadCopySource(t *testing.T) {
	t.Parallel()
	for value, message := range map[string]string{
		"":                                    "Invalid copy source object key",
		"/":                                   "Invalid copy source object key",
		"//models/a":                          "Invalid copy source bucket name",
		"models":                              "Invalid copy source object key",
		"models/":                             "Invalid copy source object key",
		"m/a":                                 "Invalid copy source bucket name",
		"../models/a":                         "Invalid copy source bucket name",
		"models/../other/a":                   "Invalid copy source object key",
		"models/a/%2e%2e/b":                   "Invalid copy source object key",
		"models/.":                            "Invalid copy source object key",
		"models/a%00":                         "Invalid copy source object key",
		"models/%ff":                          "Invalid copy source object key",
		"models/a%":                           "Invalid copy source encoding",
		"models/a%ZZ":                         "Invalid copy source encoding",
		"models/" + strings.Repeat("k", 1025): "Invalid copy source object key",
		"192.168.1.1/a":                       "Invalid copy source bucket name",
		"arn:aws:s3:us-east-1:1:accesspoint/x/object/a": "Invalid copy source bucket name",
		"http://evil.example/models/a":                  "Invalid copy source bucket name",
		"models/a?versionId":                            "Version id cannot be the empty string",
		"models/a?versionId=":                           "Version id cannot be the empty string",
		"models/a?versionId=a%20b":                      "Invalid version id specified",
		"models/a?versionId=a&versionId=b":              "",
		"models/a?versionId=a&x=b":                      "",
		"models/a?x=b":                                  "",
		"models/a?":                                     "",
	} {
		_, err := sourceOf(t, value)
		e := wantError(t, err, "InvalidArgument", http.StatusBadRequest)
		if e.Extra[0] != (Element{"ArgumentName", "x-amz-copy-source"}) || message != "" && e.Message != message {
			t.Errorf("%q: %+v, want %q", value, e, message)
		}
	}
}

// FuzzCopySource holds the source to the reader of paths: what is accepted is
// a bucket and key that a path can name, and the very ones that its canonical
// form names.
func FuzzCopySource(f *testing.F) {
	for _, s := range []string{
		"models/a", "/models/a%2Fb", "models%2Fa", "models/a+b#c d", "models/a?versionId=x", "models/%2e%2e/a", "models/..", "%2F%2Fmodels/a",
		"models/%252e%252e/a", "models/a%00b", "models//", "mod%2Fels/key", ".sealgate/x/y",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := request{header: header{copySource: value}}
		s, err := r.readCopySource()
		if err != nil {
			if s.Bucket != "" || s.Key != "" {
				t.Fatalf("%q gave %+v beside its error", value, s)
			}
			return
		}
		again, err := parsePath(s.Resource().Path(), "")
		if err != nil || again != s.Resource() {
			t.Fatalf("%q is %+v, which a path reads as %+v, %v", value, s, again, err)
		}
		r.header[copySource] = s.Resource().Path()
		if back, err := r.readCopySource(); err != nil || back.Resource() != s.Resource() {
			t.Fatalf("%q is %+v, whose path is the source %+v, %v", value, s, back, err)
		}
	})
}

func TestCopyDirectives(t *testing.T) {
	t.Parallel()
	meta := []string{"x-amz-copy-source: models/a", "Content-Length: 0", "Content-Type: text/plain", "x-amz-meta-a: b", "x-amz-tagging: k=v"}
	op := parsed[*CopyObject](t, with("PUT /models/k", meta)...)
	if op.Replace || op.ReplaceTags || op.Meta != nil || op.Tags != nil || op.Headers != (Headers{}) {
		t.Errorf("a plain copy is %+v: it takes what the source has", op)
	}
	op = parsed[*CopyObject](t, with("PUT /models/k", meta, "x-amz-metadata-directive: REPLACE", "x-amz-tagging-directive: REPLACE")...)
	if !op.Replace || !op.ReplaceTags || len(op.Meta) != 1 || op.Tags[0] != (Tag{"k", "v"}) || op.Headers.ContentType != "text/plain" {
		t.Errorf("a copy that replaces is %+v", op)
	}
	op = parsed[*CopyObject](t, with("PUT /models/k", meta, "x-amz-metadata-directive: COPY", "if-none-match: *", "x-amz-checksum-algorithm: sha256")...)
	if op.Replace || !op.IfNoneMatch || op.Algorithm != ChecksumSHA256 {
		t.Errorf("a conditional copy is %+v", op)
	}
	for _, h := range []string{"x-amz-metadata-directive: replace", "x-amz-tagging-directive: NONE"} {
		refused(t, "InvalidArgument", with("PUT /models/k", meta, h)...)
	}
	refused(t, "InvalidRequest", with("PUT /models/k", meta, "x-amz-checksum-algorithm: MD4")...)
	refused(t, "NotImplemented", with("PUT /models/k", meta, "if-unmodified-since: Sat, 21 Nov 2026 13:00:00 GMT")...)
	refused(t, "NotImplemented", with("PUT /models/k", meta, "x-amz-copy-source-range: bytes=0-1")...)
	refused(t, "InvalidRequest", "PUT /models/k", "x-amz-copy-source: models/a", "Content-Length: 1")
	refused(t, "MetadataTooLarge", with("PUT /models/k", meta, "x-amz-meta-x: "+strings.Repeat("v", MaxMetadata))...)
}

// A copy to itself must ask for something.
func TestCopyToItself(t *testing.T) {
	t.Parallel()
	self := []string{"x-amz-copy-source: models/a%2Fk", "Content-Length: 0"}
	refused(t, "InvalidRequest", with("PUT /models/a/k", self)...)
	refused(t, "InvalidRequest", with("PUT /models/a/k", self, "x-amz-tagging-directive: REPLACE")...)
	for _, h := range []string{"x-amz-metadata-directive: REPLACE", "x-amz-storage-class: STANDARD", "x-amz-server-side-encryption: AES256", "x-amz-checksum-algorithm: CRC32"} {
		parsed[*CopyObject](t, with("PUT /models/a/k", self, h)...)
	}
	parsed[*CopyObject](t, "PUT /models/a/k", "x-amz-copy-source: models/a/k?versionId=1", "Content-Length: 0")
}

// A copy source is never ignored.
func TestCopySourceOnOtherOperations(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"GET /models/k", "HEAD /models/k", "DELETE /models/k", "GET /models", "HEAD /models", "PUT /models", "DELETE /models",
		"POST /models/k?uploads", "POST /models/k?uploadId=1", "DELETE /models/k?uploadId=1", "PUT /models/k?tagging", "POST /models?delete",
	} {
		refused(t, "InvalidArgument", line, "x-amz-copy-source: models/a", "Content-Length: 0")
	}
}

func TestCopyRange(t *testing.T) {
	t.Parallel()
	const line = "PUT /models/k?uploadId=1&partNumber=2"
	op := parsed[*UploadPartCopy](t, line, "x-amz-copy-source: models/a", "x-amz-copy-source-range: bytes=5-9", "Content-Length: 0")
	if op.Off != 5 || op.Len != 5 || op.Number != 2 || op.UploadID != "1" {
		t.Errorf("bytes=5-9 is %+v", op)
	}
	if op := parsed[*UploadPartCopy](t, line, "x-amz-copy-source: models/a", "Content-Length: 0"); op.Off != 0 || op.Len != -1 {
		t.Errorf("no range is %d bytes from %d", op.Len, op.Off)
	}
	for _, bad := range []string{"", "5-9", "bytes=5-", "bytes=-5", "bytes=9-5", "bytes=5-9,11-12", "bytes= 5-9", "bytes=+5-9", "bytes=0-9223372036854775807", "bytes=a-b", "Bytes=0-1", "bytes=0x1-2"} {
		refused(t, "InvalidArgument", line, "x-amz-copy-source: models/a", "x-amz-copy-source-range: "+bad, "Content-Length: 0")
	}
}

// The conditions of a copy are those of a GET, but end in 412 alone.
func TestCopyConditions(t *testing.T) {
	t.Parallel()
	modified := time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)
	const tag = `"abc-1"`
	before, after := modified.Add(-time.Hour).Format(http.TimeFormat), modified.Add(time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		headers []string
		failed  string
	}{
		{nil, ""},
		{[]string{"-if-match: abc-1"}, ""},
		{[]string{"-if-match: other"}, "x-amz-copy-source-If-Match"},
		{[]string{"-if-none-match: abc-1"}, "x-amz-copy-source-If-None-Match"},
		{[]string{"-if-none-match: other"}, ""},
		{[]string{"-if-modified-since: " + after}, "x-amz-copy-source-If-Modified-Since"},
		{[]string{"-if-modified-since: " + before}, ""},
		{[]string{"-if-unmodified-since: " + before}, "x-amz-copy-source-If-Unmodified-Since"},
		{[]string{"-if-unmodified-since: " + after}, ""},
		{[]string{"-if-match: abc-1", "-if-unmodified-since: " + before}, ""},
		{[]string{"-if-none-match: other", "-if-modified-since: " + after}, ""},
		{[]string{"-if-match: abc-1", "-if-modified-since: " + after}, "x-amz-copy-source-If-Modified-Since"},
	} {
		lines := []string{"x-amz-copy-source: models/a", "Content-Length: 0"}
		for _, h := range c.headers {
			lines = append(lines, "x-amz-copy-source"+h)
		}
		err := parsed[*CopyObject](t, with("PUT /models/k", lines)...).Source.Check(tag, modified)
		if c.failed == "" {
			if err != nil {
				t.Errorf("%v: %v", c.headers, err)
			}
			continue
		}
		if e := wantError(t, err, "PreconditionFailed", 412); e.Extra[0] != (Element{"Condition", c.failed}) {
			t.Errorf("%v: %v, want %s", c.headers, e.Extra, c.failed)
		}
	}
	refused(t, "InvalidArgument", "PUT /models/k", "x-amz-copy-source: models/a", "x-amz-copy-source-if-match: \"a", "Content-Length: 0")
}
