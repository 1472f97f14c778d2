// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
)

// wordless are the calls that S3 answers with no body, and the status of their
// success.
var wordless = map[string]struct {
	status int
	again  bool // it is made again after an answer that leaves open what was done
	tag    bool // the answer names the tag of what was written
	call   func(context.Context, *s3.Store, s3.Buckets) error
}{
	"delete": {204, true, false, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error { return s.Delete(ctx, "k") }},
	"delete a version": {204, true, false, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		_, err := s.DeleteVersion(ctx, "k", "v1")
		return err
	}},
	"abort": {204, true, false, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		return s.AbortMultipart(ctx, "k", "upload")
	}},
	"remove tags": {204, true, false, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error { return s.SetTags(ctx, "k", "", nil) }},
	"set tags": {200, true, false, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		return s.SetTags(ctx, "k", "", []store.Tag{{Key: "a", Value: "b"}})
	}},
	"retain": {200, true, false, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		return s.Retain(ctx, "k", "", store.Retention{Mode: store.Governance, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)})
	}},
	"put": {200, false, true, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		_, err := s.Put(ctx, "k", strings.NewReader("body"), store.PutOptions{Size: 4})
		return err
	}},
	"put with a condition": {200, false, true, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		_, err := s.Put(ctx, "k", strings.NewReader("body"), store.PutOptions{Size: 4, IfNoneMatch: true})
		return err
	}},
	"part": {200, true, true, func(ctx context.Context, s *s3.Store, _ s3.Buckets) error {
		_, err := s.PutPart(ctx, "k", "upload", 1, strings.NewReader("body"), 4)
		return err
	}},
	"make a bucket": {200, false, false, func(ctx context.Context, _ *s3.Store, b s3.Buckets) error {
		return b.MakeBucket(ctx, "bucket", store.BucketOptions{ObjectLock: true})
	}},
	"remove a bucket": {204, false, false, func(ctx context.Context, _ *s3.Store, b s3.Buckets) error { return b.RemoveBucket(ctx, "bucket") }},
}

// wordlessFake answers every change so, and each HEAD with "not there".
func wordlessFake(t *testing.T, tag bool, change http.HandlerFunc) (*fake, *s3.Store, s3.Buckets) {
	t.Helper()
	f, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if tag {
			describeObject(w.Header())
		}
		change(w, r)
	}, nil)
	b, err := s3.OpenBuckets(s3.Config{Endpoint: f.URL, Read: s3.Credentials{AccessKey: "key", SecretKey: "secret"}.Static()})
	if err != nil {
		t.Fatal(err)
	}
	return f, s, b
}

// S3, and what speaks like it, may find out late and send an error behind a 200.
// What is answered with no body is believed with no body alone: no error that
// comes so is a success, nor any other page, nor what breaks off.
func TestSuccessWithAnErrorInIt(t *testing.T) {
	t.Parallel()
	failure := func(code string) string { return `<?xml version="1.0"?><Error><Code>` + code + `</Code></Error>` }
	for name, op := range wordless {
		for answer, body := range map[string]string{
			"an error": failure("InternalError"), "no such key": failure("NoSuchKey"), "no such upload": failure("NoSuchUpload"),
			"no such bucket": failure("NoSuchBucket"), "a page": "<html>ok</html>", "a blank": " ", "long": strings.Repeat("<a>", 1<<20),
		} {
			t.Run(name+"/"+answer, func(t *testing.T) {
				t.Parallel()
				f, s, b := wordlessFake(t, op.tag, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
				if err := op.call(t.Context(), s, b); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("got %v, want %v", err, store.ErrUnavailable)
				}
				if n := f.calls(http.MethodPut) + f.calls(http.MethodDelete); op.again != (n == 3) || n == 0 {
					t.Errorf("%d requests, to be made again: %t", n, op.again)
				}
			})
		}
	}
}

// The same calls succeed when the answer has no body, with its length or without.
func TestSuccessWithoutABody(t *testing.T) {
	t.Parallel()
	for name, op := range wordless {
		for _, flush := range []bool{false, true} {
			_, s, b := wordlessFake(t, op.tag, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(op.status)
				if flush { // before anything is known of the length
					_ = http.NewResponseController(w).Flush()
				}
			})
			if err := op.call(t.Context(), s, b); err != nil {
				t.Errorf("%s, no length given: %t: %v", name, flush, err)
			}
		}
	}
}

// A body that is promised and does not come is none that is empty, where no tag of
// what was written vouches for the success; S3 answers no deletion with 200,
// though some servers do when tags are removed; and nobody waits for ever for the end of an answer.
func TestSuccessThatIsNotOne(t *testing.T) {
	t.Parallel()
	for name, op := range wordless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Whatever is said to have a tag: only objects and parts do.
			_, s, b := wordlessFake(t, true, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100") })
			if err := op.call(t.Context(), s, b); op.tag != (err == nil) || err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("cut off: %v", err)
			}
			if op.status == http.StatusOK {
				return
			}
			_, s, b = wordlessFake(t, op.tag, func(http.ResponseWriter, *http.Request) {})
			if err := op.call(t.Context(), s, b); (name == "remove tags") != (err == nil) || err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("200: %v", err)
			}
		})
	}
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(c *s3.Config) { c.Timeout = 300 * time.Millisecond })
	if err := s.Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("an answer without an end: %v", err)
	}
}

// A bucket is gone when S3 says so, and not when something in between says that it
// knows no such page.
func TestBucketThatIsNotFound(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{
		`<Error><Code>NoSuchBucket</Code></Error>`:  store.ErrNotFound,
		`<Error><Code>NoSuchKey</Code></Error>`:     store.ErrUnavailable,
		`<Error><Code>SomethingElse</Code></Error>`: store.ErrUnavailable,
		`<html>default backend - 404</html>`:        store.ErrUnavailable,
		"404 page not found\n":                      store.ErrUnavailable,
		"":                                          store.ErrUnavailable,
	} {
		_, _, b := wordlessFake(t, false, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		})
		if err := b.RemoveBucket(t.Context(), "bucket"); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
}
