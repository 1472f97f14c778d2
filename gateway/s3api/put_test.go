// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPutKeepsItsHeaders(t *testing.T) {
	t.Parallel()
	op := parsed[*PutObject](t, "PUT /models/a/k", "Content-Length: 3", "Content-Type: text/plain", "Content-Encoding: gzip",
		"Content-Disposition: inline", "Content-Language: fr", "Cache-Control: no-store", "Expires: 0",
		"X-Amz-Meta-Zeta: 1", "x-amz-meta-alpha:  ü  ", "x-amz-meta-empty:")
	want := Headers{"text/plain", "gzip", "inline", "fr", "no-store", "0", ""}
	if op.Headers != want || op.Size != 3 || op.Key != "a/k" {
		t.Errorf("op = %+v", op)
	}
	meta := []UserMeta{{"alpha", "ü"}, {"empty", ""}, {"zeta", "1"}}
	if d := cmp.Diff(meta, op.Meta); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}

// aws-chunked stored with an object makes every download look encoded.
func TestChunkedIsNoEncodingOfTheObject(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"aws-chunked": "", "gzip,aws-chunked": "gzip", "aws-chunked, gzip": "gzip", "AWS-Chunked": "",
		"gzip, aws-chunked, br": "gzip,br", "aws-chunked,": "",
	} {
		op := parsed[*PutObject](t, "PUT /models/k", "Content-Encoding: "+sent, "x-amz-decoded-content-length: 0", "Transfer-Encoding: chunked")
		if op.Headers.ContentEncoding != want || !op.payload.mode.chunked {
			t.Errorf("%q is kept as %q, chunked %v", sent, op.Headers.ContentEncoding, op.payload.mode.chunked)
		}
	}
	op := parsed[*PutObject](t, "PUT /models/k", "Content-Encoding: x-aws-chunked , gzip", "Content-Length: 0")
	if op.Headers.ContentEncoding != "x-aws-chunked,gzip" && op.Headers.ContentEncoding != "x-aws-chunked , gzip" {
		t.Errorf("another encoding is kept as %q", op.Headers.ContentEncoding)
	}
}

func TestMetadataLimit(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("v", MaxMetadata-len("name")-len("text/plain"))
	parsed[*PutObject](t, "PUT /models/k", "Content-Length: 0", "Content-Type: text/plain", "x-amz-meta-name: "+fits)
	e := refused(t, "MetadataTooLarge", "PUT /models/k", "Content-Length: 0", "Content-Type: text/plain", "x-amz-meta-name: "+fits+"v")
	if !slices.Equal(e.Extra, []Element{{"Size", "1201"}, {"MaxSizeAllowed", "1200"}}) {
		t.Errorf("%v does not say how large it is", e.Extra)
	}
	refused(t, "MetadataTooLarge", "PUT /models/k", "Content-Length: 0", "Cache-Control: "+strings.Repeat("v", MaxMetadata+1))
}

func TestPutConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		headers    []string
		none       bool
		match      string
	}{
		{"none", "", nil, false, ""},
		{"only if absent", "", []string{"If-None-Match: *"}, true, ""},
		{"only over that one", "", []string{`If-Match: "abc-1"`}, false, `"abc-1"`},
		{"unquoted", "", []string{`If-Match: abc-1`}, false, `abc-1`},
		{"unless it is that one", "NotImplemented", []string{`If-None-Match: "abc-1"`}, false, ""},
		{"absent, quoted", "NotImplemented", []string{`If-None-Match: "*"`}, false, ""},
		{"empty none-match", "NotImplemented", []string{`If-None-Match:`}, false, ""},
		{"over anything", "InvalidArgument", []string{`If-Match: *`}, false, ""},
		{"over two", "InvalidArgument", []string{`If-Match: "a-1", "b-1"`}, false, ""},
		{"over a weak one", "InvalidArgument", []string{`If-Match: W/"a-1"`}, false, ""},
		{"over nothing", "InvalidArgument", []string{`If-Match:`}, false, ""},
		{"both", "NotImplemented", []string{`If-Match: "a-1"`, "If-None-Match: *"}, false, ""},
		{"since", "NotImplemented", []string{"If-Modified-Since: Sat, 21 Nov 2026 09:00:00 GMT"}, false, ""},
		{"not since", "NotImplemented", []string{"If-Unmodified-Since: garbage"}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines := append([]string{"PUT /models/k", "Content-Length: 0"}, c.headers...)
			if c.code != "" {
				refused(t, c.code, lines...)
				return
			}
			op := parsed[*PutObject](t, lines...)
			if op.IfNoneMatch != c.none || op.IfMatch != c.match {
				t.Errorf("IfNoneMatch %v, IfMatch %q", op.IfNoneMatch, op.IfMatch)
			}
		})
	}
}

func TestIfMatches(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{`"abc-1"`, "abc-1"} {
		op := PutObject{IfMatch: sent}
		if !op.IfMatches(ETag("abc")) || op.IfMatches(ETag("abd")) || op.IfMatches(`"abc-2"`) {
			t.Errorf("IfMatch %s matches wrongly", sent)
		}
	}
	if (&PutObject{}).IfMatches(ETag("abc")) {
		t.Error("no condition matches as if it were one")
	}
}

// A conditional delete that deletes all the same would destroy what it was
// told to keep.
func TestDeleteTakesNoCondition(t *testing.T) {
	t.Parallel()
	for _, h := range []string{`If-Match: "a-1"`, "If-None-Match: *", "If-Unmodified-Since: x", "If-Modified-Since: x", "x-amz-if-match-size: 1", "x-amz-if-match-last-modified-time: x"} {
		refused(t, "NotImplemented", "DELETE /models/k", h)
	}
	if op := parsed[*DeleteObject](t, "DELETE /models/a%2Fk"); op.Key != "a/k" {
		t.Errorf("op = %+v", op)
	}
}
