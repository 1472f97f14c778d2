// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
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

// A small body is sent again after an answer that says to, never without one: it
// might become two versions. With a condition or a lock it is sent once.
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
		"broken":              {broken, store.PutOptions{}, 1},
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

// A small part is sent again also where an answer was lost, and has no checksum:
// S3 refuses those that the upload did not name.
func TestSmallPart(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "body" {
			t.Errorf("%q came, %v", body, err)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum") || name == "X-Amz-Trailer" {
				t.Errorf("%s: %s", name, r.Header.Get(name))
			}
		}
		if calls.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
		describeObject(w.Header())
	}, nil)
	if _, err := s.PutPart(t.Context(), "k", "upload", 1, strings.NewReader("body"), 4); err != nil || calls.Load() != 3 {
		t.Errorf("%d requests, %v", calls.Load(), err)
	}
}

// A large body over plain HTTP has the trailer that costs the backend least, and a
// part the only one that S3 takes where its upload names none.
func TestLargeBodiesTrailer(t *testing.T) {
	t.Parallel()
	trailers := make(chan string, 1)
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPut {
			trailers <- r.Header.Get("X-Amz-Trailer")
		}
		describeObject(w.Header())
	}, nil)
	const size = 100 << 10
	body := func() io.Reader { return bytes.NewReader(make([]byte, size)) }
	if _, err := s.Put(t.Context(), "k", body(), store.PutOptions{Size: size}); err != nil {
		t.Error(err)
	}
	if got := <-trailers; got != "x-amz-checksum-crc32c" {
		t.Errorf("an object has the trailer %q", got)
	}
	if _, err := s.PutPart(t.Context(), "k", "upload", 1, body(), size); err != nil {
		t.Error(err)
	}
	if got := <-trailers; got != "x-amz-checksum-crc64nvme" {
		t.Errorf("a part has the trailer %q", got)
	}
}

// An answer whose body does not come is an answer all the same, in time.
func TestAnswerThatHangs(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	_, s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		describeObject(w.Header())
		w.Header().Set("Content-Length", "100")
		_ = http.NewResponseController(w).Flush()
		<-over
	}, func(c *s3.Config) { c.Timeout = 300 * time.Millisecond })
	defer close(over)
	for _, size := range []int64{4, 1 << 20} {
		if _, err := s.Put(t.Context(), "k", newCounted(int(size)), store.PutOptions{Size: size}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
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

// A server that demands a checksum with every body gets one, and from then on at
// once: small and large objects and parts, over TLS, where none of the large ones
// has one otherwise.
func TestChecksumDemanded(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		has := r.Header.Get("X-Amz-Trailer") != ""
		for name := range r.Header {
			has = has || strings.HasPrefix(name, "X-Amz-Checksum-")
		}
		if !has {
			refused.Add(1)
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `<Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is required`+
				` for Put Object requests with Object Lock parameters</Message></Error>`)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		describeObject(w.Header())
	}))
	t.Cleanup(server.Close)
	for name, write := range map[string]func(*s3.Store, int) error{
		"object": func(s *s3.Store, size int) error {
			_, err := s.Put(t.Context(), "k", bytes.NewReader(make([]byte, size)), store.PutOptions{Size: int64(size)})
			return err
		},
		"part": func(s *s3.Store, size int) error {
			_, err := s.PutPart(t.Context(), "k", "upload", 1, bytes.NewReader(make([]byte, size)), int64(size))
			return err
		},
	} {
		for _, size := range []int{4, 100 << 10} {
			s := openTLS(t, server)
			refused.Store(0)
			for range 3 {
				if err := write(s, size); err != nil {
					t.Errorf("%s of %d bytes: %v", name, size, err)
				}
			}
			want := int64(1)
			if name == "object" && size == 4 { // has one anyhow
				want = 0
			}
			if refused.Load() != want {
				t.Errorf("%s of %d bytes: refused %d times, want %d", name, size, refused.Load(), want)
			}
		}
	}
}

// openTLS opens a store at a server of its own authority.
func openTLS(t *testing.T, server *httptest.Server) *s3.Store {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := s3.Open(s3.Config{
		Endpoint: server.URL, Bucket: "bucket", Read: s3.Credentials{AccessKey: "key", SecretKey: "secret"}.Static(),
		CAFile: ca, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
