// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
	"github.com/sealgate/sealgate/testenv/servers"
)

// counted is a body that counts how much of it was read. It is a seeker, which
// nothing may make use of.
type counted struct {
	bytes.Reader
	read  atomic.Int64
	seeks atomic.Int64
}

func newCounted(size int) *counted {
	c := new(counted)
	c.Reset(make([]byte, size))
	return c
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *counted) Seek(off int64, whence int) (int64, error) {
	c.seeks.Add(1)
	return c.Reader.Seek(off, whence)
}

// A write that failed after its body had begun is an error at once: it is not
// sent again, neither from its start nor from where it broke.
func TestPutIsNotSentAgain(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request){
		"503 in the middle": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, size/2)
			answer(w, http.StatusServiceUnavailable, "SlowDown")
		},
		"503 at the end": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w, http.StatusServiceUnavailable, "SlowDown")
		},
		"broken connection": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, size/2)
			panic(http.ErrAbortHandler)
		},
		"broken before the answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		},
		"success in the middle": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, size/4)
			describeObject(w.Header())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := newFake(t, fail, nil)
			body := newCounted(size)
			_, err := s.Put(t.Context(), "k", body, store.PutOptions{Size: size})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Put: %v, want ErrUnavailable", err)
			}
			if n := f.calls(http.MethodPut); n != 1 || body.seeks.Load() > 0 || body.read.Load() > size {
				t.Errorf("%d requests, %d seeks, %d bytes read of %d", n, body.seeks.Load(), body.read.Load(), size)
			}
			read := body.read.Load()
			time.Sleep(100 * time.Millisecond)
			if body.read.Load() != read {
				t.Error("the body is read after Put has returned")
			}
		})
	}
}

// A backend that is busy says so before the body, and is asked again.
func TestPutBeforeItsBodyIsTriedAgain(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			answer(w, http.StatusServiceUnavailable, "SlowDown")
			return
		}
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n == 0 {
			t.Errorf("body of the third try: %d bytes, %v", n, err)
		}
		describeObject(w.Header())
	}, nil)
	body := newCounted(1 << 20)
	if _, err := s.Put(t.Context(), "k", body, store.PutOptions{Size: 1 << 20}); err != nil {
		t.Errorf("Put: %v", err)
	}
	if body.read.Load() != 1<<20 {
		t.Errorf("%d bytes of the body were read", body.read.Load())
	}
}

// Calls without a body are tried three times, and then it is a clean failure.
func TestRetries(t *testing.T) {
	t.Parallel()
	var down atomic.Int64 // answers of 503 that are left
	f, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Add(-1) >= 0 {
			answer(w, http.StatusServiceUnavailable, "SlowDown")
			return
		}
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.RawQuery != "":
			_, _ = io.WriteString(w, "<ListBucketResult/>")
		default:
			describeObject(w.Header())
			w.Header().Set("Content-Length", "0")
		}
	}, nil)
	for name, call := range map[string]struct {
		method string
		do     func() error
	}{
		"Head":   {http.MethodHead, func() error { _, err := s.Head(t.Context(), "k"); return err }},
		"Get":    {http.MethodGet, func() error { _, err := s.Get(t.Context(), "k", store.Whole()); return err }},
		"Delete": {http.MethodDelete, func() error { return s.Delete(t.Context(), "k") }},
		"List":   {http.MethodGet, func() error { _, err := s.List(t.Context(), store.ListOptions{}); return err }},
	} {
		for fails, want := range map[int64]error{0: nil, 2: nil, 100: store.ErrUnavailable} {
			before := f.calls(call.method)
			down.Store(fails)
			if err := call.do(); !errors.Is(err, want) {
				t.Errorf("%s after %d failures: %v, want %v", name, fails, err, want)
			}
			if n := f.calls(call.method) - before; n != int(min(fails+1, 3)) {
				t.Errorf("%s after %d failures: %d requests", name, fails, n)
			}
		}
	}
}

// A backend that gives a byte now and then holds nobody for long; a client of
// the gateway that is slow itself is not taken for such a backend.
func TestStalledBackend(t *testing.T) {
	t.Parallel()
	slow := func(c *s3.Config) { c.StallTimeout = 300 * time.Millisecond }
	over := make(chan struct{})
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		describeObject(w.Header())
		if r.Method == http.MethodPut {
			<-over // and reads nothing
			return
		}
		w.Header().Set("Content-Length", "1000000")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}, slow)
	defer close(over)
	began := time.Now()
	r, err := s.Get(t.Context(), "k", store.Whole())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.ReadAll(r); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get at 50 bytes per second: %v", err)
	}
	_ = r.Close()
	_, err = s.Put(t.Context(), "k", newCounted(64<<20), store.PutOptions{Size: 64 << 20})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put to a backend that takes nothing: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("both took %v", took)
	}
}

// pausing is a client that needs longer than the stall timeout between reads.
type pausing struct{ io.Reader }

func (p pausing) Read(b []byte) (int, error) {
	time.Sleep(150 * time.Millisecond)
	return p.Reader.Read(b[:min(len(b), 4000)])
}

func TestSlowClientIsNoStall(t *testing.T) {
	t.Parallel()
	server := servers.MinIO(t)
	s, err := s3.Open(s3.Config{
		Endpoint: server.Endpoint, Bucket: server.NewBucket(t), StallTimeout: 300 * time.Millisecond,
		Read: s3.Credentials{AccessKey: server.AccessKey, SecretKey: server.SecretKey}.Static(),
	})
	if err != nil {
		t.Fatal(err)
	}
	const size = 40_000 // more than is sent from memory
	body := strings.Repeat("x", size)
	if _, err := s.Put(t.Context(), "k", pausing{strings.NewReader(body)}, store.PutOptions{Size: size}); err != nil {
		t.Errorf("Put by a slow client: %v", err)
	}
	r, err := s.Get(t.Context(), "k", store.Whole())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if b, err := io.ReadAll(pausing{r}); err != nil || string(b) != body {
		t.Errorf("Get by a slow client: %d bytes, %v", len(b), err)
	}
}

// killing kills a server after so many bytes have gone through.
type killing struct {
	io.Reader
	left int
	kill func()
}

func (k *killing) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if k.left -= n; k.left <= 0 && k.kill != nil {
		k.kill()
		k.kill = nil
	}
	return n, err
}

// A backend that is killed in the middle of a transfer leaves the old object or
// none, and no transfer that looks complete.
func TestBackendKilled(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	server := servers.NewVersitygw(t)
	s := open(t, server)
	old := strings.Repeat("old", 1000)
	if _, err := s.Put(t.Context(), "old", strings.NewReader(old), store.PutOptions{Size: 3000}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "big", newCounted(size), store.PutOptions{Size: size}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"old", "new"} {
		body := &killing{newCounted(size), size / 2, server.Kill}
		if _, err := s.Put(t.Context(), key, body, store.PutOptions{Size: size}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Put of %s while the backend is killed: %v", key, err)
		}
		server.Restart(t)
	}
	obj, err := s.Head(t.Context(), "old")
	if err != nil || obj.Size != 3000 {
		t.Errorf("the old object is %+v, %v", obj, err)
	}
	if _, err := s.Head(t.Context(), "new"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the new object: %v", err)
	}
	r, err := s.Get(t.Context(), "big", store.Whole())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, &killing{r, size / 2, server.Kill})
	if err == nil || n >= size {
		t.Errorf("Get while the backend is killed: %d bytes, %v", n, err)
	}
	_ = r.Close()
}
