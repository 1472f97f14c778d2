// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
)

const (
	tagOfFake = "00112233445566778899aabbccddeeff"
	completed = `<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>k</Key><ETag>"` +
		tagOfFake + `"</ETag></CompleteMultipartUploadResult>`
)

// finish completes an upload of one part.
func finish(t *testing.T, s *s3.Store, o store.CompleteOptions) (store.Object, error) {
	t.Helper()
	return s.CompleteMultipart(t.Context(), "k", "upload", []store.PartTag{{Number: 1, ETag: "one"}}, o)
}

// What an answer to a Complete says counts, not its status; and what cannot be
// understood leaves open what was done.
func TestAnswersToComplete(t *testing.T) {
	t.Parallel()
	failure := func(code string) string { return "<Error><Code>" + code + "</Code><Message>m</Message></Error>" }
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   error // nil: completed
	}{
		{"completed", 200, completed, nil},
		{"completed after a while", 200, strings.Repeat(" ", 10_000) + "\n" + completed, nil},
		{"an error in success", 200, failure("InternalError"), store.ErrUnavailable},
		{"an unknown error in success", 200, failure("Whatever"), store.ErrUnavailable},
		{"a late condition", 200, " \n " + failure("PreconditionFailed"), store.ErrPrecondition},
		{"a late part", 200, failure("InvalidPart"), store.ErrPart},
		{"another tag", 200, strings.Replace(completed, "00112", "99112", 1), store.ErrUnavailable},
		{"no tag", 200, strings.Replace(completed, tagOfFake, "", 1), store.ErrUnavailable},
		{"nothing", 200, "", store.ErrUnavailable},
		{"blanks", 200, "    ", store.ErrUnavailable},
		{"cut off", 200, completed[:len(completed)-10], store.ErrUnavailable},
		{"cut off early", 200, completed[:60], store.ErrUnavailable},
		{"another document", 200, "<html>ok</html>", store.ErrUnavailable},
		{"no document", 200, "ok", store.ErrUnavailable},
		{"another success", 204, "", store.ErrUnavailable},
		{"no upload", 404, failure("NoSuchUpload"), store.ErrNoUpload},
		{"no upload, and no S3", 404, "<html/>", store.ErrNoUpload},
		{"order", 400, failure("InvalidPartOrder"), store.ErrPart},
		{"size", 400, failure("EntityTooSmall"), store.ErrPart},
		{"condition", 412, failure("PreconditionFailed"), store.ErrPrecondition},
		{"a race", 409, failure("ConditionalRequestConflict"), store.ErrUnavailable},
		{"busy", 503, failure("SlowDown"), store.ErrUnavailable},
		{"timeout", 504, "", store.ErrUnavailable},
		{"too large", 400, failure("EntityTooLarge"), store.ErrTooLarge},
		{"full", 507, failure("XMinioStorageFull"), store.ErrNoSpace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					describeObject(w.Header())
					w.Header().Set("Content-Length", "7")
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}, nil)
			obj, err := finish(t, s, store.CompleteOptions{})
			if !errors.Is(err, tt.want) || err == nil && (obj.ETag != tagOfFake || obj.Size != 7) {
				t.Errorf("%+v, %v, want %v", obj, err, tt.want)
			}
			if n := f.calls(http.MethodPost); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// What is absent under IfMatch is what should have matched.
func TestCompleteWithNothingToMatch(t *testing.T) {
	t.Parallel()
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, 404, "NoSuchKey")
	}, nil)
	if _, err := finish(t, s, store.CompleteOptions{IfMatch: "x"}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("CompleteMultipart: %v", err)
	}
}

// A Complete whose answer is lost is not asked for again: the second answer
// would not be about the first.
func TestLostComplete(t *testing.T) {
	t.Parallel()
	f, s := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}, nil)
	if _, err := finish(t, s, store.CompleteOptions{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("CompleteMultipart: %v", err)
	}
	if n := f.calls(http.MethodPost); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A backend that refuses before it has read the list is asked again.
func TestCompleteBeforeItsListIsTriedAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			describeObject(w.Header())
			w.Header().Set("Content-Length", "7")
		case calls.Add(1) < 3:
			answer(w, http.StatusServiceUnavailable, "SlowDown")
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, completed)
		}
	}, nil)
	if _, err := finish(t, s, store.CompleteOptions{}); err != nil {
		t.Errorf("CompleteMultipart: %v", err)
	}
}

// A Complete and a copy may take the backend longer than it may take to answer
// anything else.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		describeObject(w.Header())
		switch r.Method {
		case http.MethodHead:
			w.Header().Set("Content-Length", "7")
		case http.MethodPost:
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(7 * time.Second)
			_, _ = io.WriteString(w, completed)
		default:
			time.Sleep(7 * time.Second)
			_, _ = io.WriteString(w, `<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>`)
		}
	}, func(c *s3.Config) { c.Timeout = 5 * time.Second })
	if _, err := finish(t, s, store.CompleteOptions{}); err != nil {
		t.Errorf("CompleteMultipart: %v", err)
	}
	if _, err := s.Copy(t.Context(), "dst", "k", store.CopyOptions{SourceETag: tagOfFake}); err != nil {
		t.Errorf("Copy: %v", err)
	}
	_, s = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, func(c *s3.Config) { c.LongTimeout = 500 * time.Millisecond })
	if _, err := finish(t, s, store.CompleteOptions{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a Complete that is never answered: %v", err)
	}
}

// A part is sent as a body is: once from its beginning, and never from where it
// broke.
func TestPartIsNotSentAgain(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request){
		"503 in the middle": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, size/2)
			answer(w, http.StatusServiceUnavailable, "SlowDown")
		},
		"broken before the answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		},
		"success in the middle": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, size/4)
			describeObject(w.Header())
		},
		"success without a tag": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := newFake(t, fail, nil)
			body := newCounted(size)
			_, err := s.PutPart(t.Context(), "k", "upload", 1, body, size)
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("PutPart: %v, want ErrUnavailable", err)
			}
			if n := f.calls(http.MethodPut); n != 1 || body.seeks.Load() > 0 || body.read.Load() > size {
				t.Errorf("%d requests, %d seeks, %d bytes read of %d", n, body.seeks.Load(), body.read.Load(), size)
			}
		})
	}
}

// An upload is begun again only after an answer: each success makes one that
// somebody has to abort.
func TestAnswersToCreate(t *testing.T) {
	t.Parallel()
	named := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>"+name+"</UploadId></InitiateMultipartUploadResult>")
		}
	}
	for _, tt := range []struct {
		name  string
		h     http.HandlerFunc
		want  error
		calls int
	}{
		{"named", named("upload-1"), nil, 1},
		{"busy", func(w http.ResponseWriter, _ *http.Request) { answer(w, 503, "SlowDown") }, store.ErrUnavailable, 3},
		{"lost", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, store.ErrUnavailable, 1},
		{"no name", named(""), store.ErrUnavailable, 1},
		{"a path", named("../../other"), store.ErrUnavailable, 1},
		{"a blank", named("a b"), store.ErrUnavailable, 1},
		{"endless", named(strings.Repeat("x", store.MaxUpload+1)), store.ErrUnavailable, 1},
		{"an error in success", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "InternalError") }, store.ErrUnavailable, 1},
		{"a key that it cannot hold", func(w http.ResponseWriter, _ *http.Request) { answer(w, 400, "KeyTooLongError") }, store.ErrKey, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, s := newFake(t, tt.h, nil)
			upload, err := s.CreateMultipart(t.Context(), "k", "meta")
			if !errors.Is(err, tt.want) || (upload == "upload-1") != (err == nil) {
				t.Errorf("%q, %v, want %v", upload, err, tt.want)
			}
			if n := f.calls(http.MethodPost); n != tt.calls {
				t.Errorf("%d requests, want %d", n, tt.calls)
			}
		})
	}
}

// A name that a backend could take for a path is sent nowhere.
func TestUploadNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	f, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) { describeObject(w.Header()) }, nil)
	for _, name := range []string{"..", ".", "a/../b", "/", "a//b", "a\r\nb", strings.Repeat("x", store.MaxUpload+1)} {
		_, err := s.PutPart(t.Context(), "k", name, 1, strings.NewReader("x"), 1)
		_, cerr := s.CompleteMultipart(t.Context(), "k", name, []store.PartTag{{Number: 1, ETag: "x"}}, store.CompleteOptions{})
		if !errors.Is(err, store.ErrNoUpload) || !errors.Is(cerr, store.ErrNoUpload) || s.AbortMultipart(t.Context(), "k", name) != nil {
			t.Errorf("%.20q: %v, %v", name, err, cerr)
		}
	}
	for _, m := range []string{http.MethodPut, http.MethodPost, http.MethodDelete} {
		if n := f.calls(m); n > 0 {
			t.Errorf("%d requests %s", n, m)
		}
	}
}

// copies is a backend that keeps what it is asked about copies.
type copies struct {
	*fake
	store *s3.Store
	seen  chan *http.Request
}

// newCopies starts one that holds an object of size bytes and answers a request
// that copies with what copied gives.
func newCopies(t *testing.T, size int64, copied string) copies {
	t.Helper()
	c := copies{seen: make(chan *http.Request, 100)}
	c.fake, c.store = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		q := r.URL.Query()
		switch {
		case r.Method == http.MethodHead:
			describeObject(w.Header())
			w.Header().Set("X-Amz-Version-Id", q.Get("versionId"))
			w.Header().Set("Content-Length", fmt.Sprint(size))
			return
		case q.Has("tagging"):
			_, _ = io.WriteString(w, "<Tagging><TagSet><Tag><Key>a b</Key><Value>\u00e9</Value></Tag></TagSet></Tagging>")
		case r.Method == http.MethodPost && q.Has("uploads"):
			_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, completed)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = io.WriteString(w, copied)
		}
		c.seen <- r
	}, func(c *s3.Config) { c.CopyLimit = 5 << 20 })
	return c
}

const copyResult = `<CopyObjectResult><ETag>"new"</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></CopyObjectResult>`

// requests returns those that were made, by method and what of the query counts.
func (c copies) requests() map[string][]*http.Request {
	close(c.seen)
	seen := map[string][]*http.Request{}
	for r := range c.seen {
		name := r.Method
		for _, q := range []string{"tagging", "uploads", "partNumber"} {
			if r.URL.Query().Has(q) {
				name += " " + q
			}
		}
		seen[name] = append(seen[name], r)
	}
	return seen
}

// A small copy is one request that says which source, which version and tag of
// it, and that the metadata is new.
func TestCopyRequest(t *testing.T) {
	t.Parallel()
	c := newCopies(t, 7, copyResult)
	obj, err := c.store.Copy(t.Context(), "dst", "dir/s+c \u00e9", store.CopyOptions{Metadata: "m", SourceETag: tagOfFake, SourceVersion: "v&x=1"})
	if err != nil || obj.ETag != "new" || obj.Size != 7 || obj.LastModified.IsZero() {
		t.Errorf("%+v, %v", obj, err)
	}
	seen := c.requests()
	if len(seen) != 1 || len(seen["PUT"]) != 1 {
		t.Fatalf("requests: %v", seen)
	}
	for name, want := range map[string]string{
		"X-Amz-Copy-Source":          "bucket/dir/s%2Bc%20%C3%A9?versionId=v%26x%3D1",
		"X-Amz-Copy-Source-If-Match": `"` + tagOfFake + `"`,
		"X-Amz-Metadata-Directive":   "REPLACE",
		"X-Amz-Tagging-Directive":    "",
		"X-Amz-Meta-Sg1":             "m",
		"Content-Type":               "application/octet-stream",
	} {
		if got := seen["PUT"][0].Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A large copy, and one with a condition on its destination, is an upload whose
// every part names the tag of the source, and whose completion has the condition.
func TestCopyInPartsRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		dst    string
		size   int64
		o      store.CopyOptions
		ranges []string
		header string // of the completion
		value  string
	}{
		{"large", "dst", 12 << 20, store.CopyOptions{}, []string{"bytes=0-5242879", "bytes=5242880-10485759", "bytes=10485760-12582911"}, "", ""},
		{"create", "dst", 7, store.CopyOptions{IfNoneMatch: true}, []string{""}, "If-None-Match", "*"},
		{"replace", "dst", 0, store.CopyOptions{IfMatch: "t"}, []string{""}, "If-Match", `"t"`},
		{"large, onto itself", "src", 6 << 20, store.CopyOptions{}, []string{"bytes=0-5242879", "bytes=5242880-6291455"}, "If-Match", `"` + tagOfFake + `"`},
	} {
		c := newCopies(t, tt.size, `<CopyPartResult><ETag>"p"</ETag></CopyPartResult>`)
		tt.o.Metadata, tt.o.SourceETag, tt.o.SourceVersion = "m", tagOfFake, "v&1"
		if _, err := c.store.Copy(t.Context(), tt.dst, "src", tt.o); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		seen := c.requests()
		if len(seen["PUT"]) > 0 || len(seen["POST uploads"]) != 1 || len(seen["POST"]) != 1 || len(seen["PUT partNumber"]) != len(tt.ranges) {
			t.Fatalf("%s: requests: %v", tt.name, seen)
		}
		create := seen["POST uploads"][0].Header
		if create.Get("X-Amz-Meta-Sg1") != "m" || create.Get("X-Amz-Tagging") != "a%20b=%C3%A9" {
			t.Errorf("%s: the upload has the metadata %q and the tags %q", tt.name, create.Get("X-Amz-Meta-Sg1"), create.Get("X-Amz-Tagging"))
		}
		for _, r := range seen["PUT partNumber"] {
			var number int
			_, _ = fmt.Sscan(r.URL.Query().Get("partNumber"), &number)
			if number < 1 || number > len(tt.ranges) || r.Header.Get("X-Amz-Copy-Source-Range") != tt.ranges[number-1] {
				t.Errorf("%s: part %d has the range %q", tt.name, number, r.Header.Get("X-Amz-Copy-Source-Range"))
			}
			if r.Header.Get("X-Amz-Copy-Source-If-Match") != `"`+tagOfFake+`"` || r.Header.Get("X-Amz-Copy-Source") != "bucket/src?versionId=v%261" {
				t.Errorf("%s: part %d is of %q, tag %q", tt.name, number, r.Header.Get("X-Amz-Copy-Source"), r.Header.Get("X-Amz-Copy-Source-If-Match"))
			}
		}
		if got := seen["POST"][0].Header.Get(tt.header); got != tt.value {
			t.Errorf("%s: the completion has %s: %q, want %q", tt.name, tt.header, got, tt.value)
		}
	}
}

// A copy that fails leaves no upload behind, and an error in an answer of
// success is one.
func TestFailedCopies(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{7, 12 << 20} {
		for name, answer := range map[string]string{
			"an error in success": "<Error><Code>InternalError</Code></Error>", "nothing": "", "no tag": "<CopyObjectResult/>",
		} {
			c := newCopies(t, size, answer)
			_, err := c.store.Copy(t.Context(), "dst", "src", store.CopyOptions{SourceETag: tagOfFake})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
			seen := c.requests()
			if uploads := len(seen["POST uploads"]); uploads != len(seen["DELETE"]) || len(seen["POST"]) > 0 {
				t.Errorf("%s, %d bytes: %d uploads, %d aborts", name, size, uploads, len(seen["DELETE"]))
			}
		}
	}
	c := newCopies(t, 7, copyResult)
	if _, err := c.store.Copy(t.Context(), "dst", "src", store.CopyOptions{SourceETag: "another"}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("another tag: %v", err)
	}
	if seen := c.requests(); len(seen) > 0 {
		t.Errorf("another tag: %v", seen)
	}
}

// An object that was copied onto itself has another tag when the answer is lost
// and it is asked for again: that is no condition that did not hold.
func TestLostCopyOntoItself(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			describeObject(w.Header())
			w.Header().Set("Content-Length", "7")
		case calls.Add(1) == 1:
			panic(http.ErrAbortHandler)
		default:
			answer(w, http.StatusPreconditionFailed, "PreconditionFailed")
		}
	}, nil)
	_, err := s.Copy(t.Context(), "k", "k", store.CopyOptions{SourceETag: tagOfFake})
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrPrecondition) {
		t.Errorf("onto itself: %v", err)
	}
	calls.Store(0)
	if _, err = s.Copy(t.Context(), "dst", "k", store.CopyOptions{SourceETag: tagOfFake}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("onto another: %v", err)
	}
}
