// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// answer renders e for a request.
func answer(t *testing.T, e *Error, line string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	h := rec.Header()
	for name := range describesObject {
		h.Set(name, "of the object")
	}
	h.Set("X-Sealgate-Audit", "3f9c1a7e/4")
	WriteError(rec, ask(t, line), e, "01JD6QK3W8Z5V9T0N4X7B2M1RC")
	return rec
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	rec := answer(t, NoSuchKey("a<b"), "GET /models/a%3Cb?X-Amz-Signature=secret")
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b</Key><Resource>/models/a%3Cb</Resource>` +
		`<RequestId>01JD6QK3W8Z5V9T0N4X7B2M1RC</RequestId><HostId>sealgate</HostId></Error>`
	if rec.Code != 404 || rec.Body.String() != want {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if got := rec.Header().Get("X-Amz-Request-Id"); got != "01JD6QK3W8Z5V9T0N4X7B2M1RC" {
		t.Errorf("x-amz-request-id = %q", got)
	}
	if rec.Header().Get("Content-Type") != "application/xml" || rec.Header().Get("X-Sealgate-Audit") == "" {
		t.Errorf("headers %v", rec.Header())
	}
}

// What an object's answer had set would make a client read the error as the
// object: its length, its encoding, its tag.
func TestErrorsCarryNothingOfTheObject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    *Error
		line string
		kept []string
	}{
		{InternalError(""), "GET /models/k", nil},
		{InternalError(""), "HEAD /models/k", nil},
		{NotModified(), "GET /models/k", []string{"Etag", "Last-Modified"}},
		{invalidRange(Range{}, 5), "HEAD /models/k", []string{"Content-Range"}},
	} {
		rec := answer(t, c.e, c.line)
		for name := range describesObject {
			kept := rec.Header().Get(name) == "of the object"
			if want := strings.Contains(strings.Join(c.kept, " "), name); kept != want {
				t.Errorf("%s, %s: %s is kept: %v", c.e.Code, c.line, name, kept)
			}
		}
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	t.Parallel()
	for _, rec := range []*httptest.ResponseRecorder{
		answer(t, AccessDenied("spiffe://a/b may not read"), "HEAD /models/k"),
		answer(t, NotModified(), "GET /models/k"),
	} {
		if rec.Body.Len() != 0 || rec.Header().Get("Content-Length") != "" {
			t.Errorf("%d has the body %q", rec.Code, rec.Body)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, e := range []*Error{SlowDown("x"), ServiceUnavailable("x")} {
		if rec := answer(t, e, "GET /models/k"); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d, Retry-After %q", e.Code, rec.Code, rec.Header().Get("Retry-After"))
		}
	}
	e := SlowDown("x")
	e.RetryAfter = 1
	if got := answer(t, e, "GET /").Header().Get("Retry-After"); got != "1" {
		t.Errorf("a nanosecond is written %q", got)
	}
}

// An error shows the path that the client sent, and nothing of an absolute
// target.
func TestErrorsShowTheClientsPathAlone(t *testing.T) {
	t.Parallel()
	if rec := answer(t, invalidURI("x"), "GET http://evil.example/b/k"); strings.Contains(rec.Body.String(), "evil") {
		t.Errorf("answer %s", rec.Body)
	}
}

func TestCausesAreNotShown(t *testing.T) {
	t.Parallel()
	e := InternalError("").Cause(errors.New("open /var/lib/sealgate/keys"))
	if rec := answer(t, e, "GET /models/k"); strings.Contains(rec.Body.String(), "/var/lib") || strings.Contains(e.Error(), "/var/lib") {
		t.Errorf("the cause is shown: %s", rec.Body)
	}
	wrapped := fmt.Errorf("putting: %w", NewError("BadDigest", "").Cause(io.ErrUnexpectedEOF))
	if !errors.Is(wrapped, NewError("BadDigest", "")) || !errors.Is(wrapped, io.ErrUnexpectedEOF) || errors.Is(wrapped, NewError("NoSuchKey", "")) {
		t.Error("errors.Is does not see through the error")
	}
}

func TestExtraElements(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*Error{
		"<MaxSizeAllowed>5</MaxSizeAllowed>":     EntityTooLarge(9, 5),
		"<ProposedSize>9</ProposedSize>":         EntityTooLarge(9, 5),
		"<MaxSizeAllowed>1200</MaxSizeAllowed>":  MetadataTooLarge(1300),
		"<BucketName>models</BucketName>":        NoSuchBucket("models"),
		"<BucketName>raw</BucketName>":           BucketAlreadyOwnedByYou("raw"),
		"<Condition>If-Match</Condition>":        PreconditionFailed("If-Match"),
		"<ArgumentName>max-keys</ArgumentName>":  InvalidArgument("max-keys", "x", "no"),
		"<ArgumentValue>\uFFFD</ArgumentValue>":  InvalidArgument("max-keys", "\x00", "no"),
		"<ActualObjectSize>5</ActualObjectSize>": invalidRange(Range{kind: rangeFrom, first: 9}, 5),
	} {
		if rec := answer(t, e, "PUT /models/k"); !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s lacks %s", rec.Body, want)
		}
	}
}

// The table is S3.md's, and closed.
func TestErrorCodesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("S3.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Errors")
	documented := map[string]int{}
	for line := range strings.Lines(section) {
		var status int
		if n, _ := fmt.Sscanf(line, "| %d |", &status); n != 1 {
			continue
		}
		for i, word := range strings.Split(line, "`") {
			if i%2 == 1 {
				documented[word] = status
			}
		}
	}
	for code, row := range Codes {
		if documented[code] != row.Status || http.StatusText(row.Status) == "" || row.Message == "" {
			t.Errorf("S3.md says %d of %s (%d)", documented[code], code, row.Status)
		}
	}
	if len(documented) != len(Codes) {
		t.Errorf("S3.md has %d codes, the table %d", len(documented), len(Codes))
	}
	defer func() {
		if recover() == nil {
			t.Error("a code outside of the table was made")
		}
	}()
	_ = NewError("Invented", "")
}

// What did not match is shown, in the spelling of S3: it is of the client's
// own bytes.
func TestDigestsThatDoNotMatchAreShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header, code string
		extra        []Element
	}{
		{"Content-MD5: XrY7u+Ae7tCTyyK7j1rNww==", "BadDigest", []Element{{"CalculatedDigest", "kAFQmDzST7DWlj99KOF/cg=="}, {"ExpectedDigest", "5eb63bbbe01eeed093cb22bb8f5acdc3"}}},
		{"x-amz-content-sha256: " + strings.Repeat("0", 64), "XAmzContentSHA256Mismatch", []Element{
			{"ClientComputedContentSHA256", strings.Repeat("0", 64)}, {"S3ComputedContentSHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		}},
	} {
		op := parsed[*PutObject](t, "PUT /models/k", c.header, "Content-Length: 3")
		_, err := io.Copy(io.Discard, op.Body(strings.NewReader("abc")))
		if e := wantError(t, err, c.code, 400); !slices.Equal(e.Extra, c.extra) {
			t.Errorf("%s: %v, want %v", c.header, e.Extra, c.extra)
		}
	}
	if e := refused(t, "InvalidDigest", "PUT /models/k", "Content-MD5: no", "Content-Length: 3"); !slices.Equal(e.Extra, []Element{{"Content-MD5", "no"}}) {
		t.Errorf("%v", e.Extra)
	}
}
