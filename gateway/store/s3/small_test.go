// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/sealgate/sealgate/gateway/store"
)

// A small body is signed by its hash, is no frames, and is not announced.
func TestSmallBody(t *testing.T) {
	t.Parallel()
	const limit = 32 << 10
	for _, size := range []int{0, 1, 5000, limit, limit + 1} {
		body := bytes.Repeat([]byte{7}, size)
		_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			describeObject(w.Header())
			got, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			sum := sha256.Sum256(got)
			mode, expect := r.Header.Get("X-Amz-Content-Sha256"), r.Header.Get("Expect")
			if small := size <= limit; small != (mode == hex.EncodeToString(sum[:])) || small != (expect == "") || small != bytes.Equal(got, body) {
				t.Errorf("%d bytes: mode %q, Expect %q, %d bytes came", size, mode, expect, len(got))
			}
		}, nil)
		if _, err := s.Put(t.Context(), "k", bytes.NewReader(body), store.PutOptions{Size: int64(size)}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// A small body is sent again, unless a second time is not the same as once: then
// it is announced as large ones are, and sent once.
func TestSmallBodyAgain(t *testing.T) {
	t.Parallel()
	busy := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, http.StatusServiceUnavailable, "SlowDown")
	}
	broken := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	for name, c := range map[string]struct {
		fail  http.HandlerFunc
		put   store.PutOptions
		calls int
	}{
		"busy":                {busy, store.PutOptions{}, 3},
		"broken":              {broken, store.PutOptions{}, 3},
		"broken, conditional": {broken, store.PutOptions{IfNoneMatch: true}, 1},
		"busy, conditional":   {busy, store.PutOptions{IfNoneMatch: true}, 1},
		"busy, with a match":  {busy, store.PutOptions{IfMatch: "00112233445566778899aabbccddeeff"}, 1},
		"busy, with a lock":   {busy, store.PutOptions{Lock: store.Lock{Hold: "ON"}}, 1},
	} {
		f, s := newFake(t, c.fail, nil)
		c.put.Size = 4
		if _, err := s.Put(t.Context(), "k", bytes.NewReader([]byte("body")), c.put); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if n := f.calls(http.MethodPut); n != c.calls {
			t.Errorf("%s: %d requests, want %d", name, n, c.calls)
		}
	}
}

// A connection that the backend closed while it was idle is no failure.
func TestSmallBodyOnClosedConnection(t *testing.T) {
	t.Parallel()
	var bodies atomic.Int64
	f, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil && string(b) == "body" {
			bodies.Add(1)
		}
		describeObject(w.Header())
	}, nil)
	for range 20 {
		if _, err := s.Put(t.Context(), "k", bytes.NewReader([]byte("body")), store.PutOptions{Size: 4}); err != nil {
			t.Fatal(err)
		}
		f.CloseClientConnections()
	}
	if n := bodies.Load(); n < 20 {
		t.Errorf("%d bodies came, 20 were sent", n)
	}
}

// The backend does not hear of a small body that is bad.
func TestSmallBodyThatIsBad(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	f, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) { describeObject(w.Header()) }, nil)
	for name, c := range map[string]struct {
		body io.Reader
		want error
	}{
		"error":        {io.MultiReader(bytes.NewReader([]byte("bo")), iotest.ErrReader(broken)), broken},
		"error at end": {io.MultiReader(bytes.NewReader([]byte("body")), iotest.ErrReader(broken)), broken},
		"short":        {bytes.NewReader([]byte("bod")), store.ErrLength},
		"long":         {bytes.NewReader([]byte("body and more")), store.ErrLength},
	} {
		if _, err := s.Put(t.Context(), "k", c.body, store.PutOptions{Size: 4}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if n := f.calls(http.MethodPut); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}
