// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store/s3"
)

// fake is a backend that answers as a test wants, and counts the requests.
type fake struct {
	*httptest.Server

	mu    sync.Mutex // guards count
	count map[string]int
}

// newFake starts a fake and returns it with a store in front of it.
func newFake(t *testing.T, h http.HandlerFunc, change func(*s3.Config)) (*fake, *s3.Store) {
	t.Helper()
	f := &fake{count: make(map[string]int)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.count[r.Method]++
		f.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	c := s3.Config{
		Endpoint: f.URL, Bucket: "bucket", Read: s3.Credentials{AccessKey: "key", SecretKey: "secret"}.Static(),
		Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&c)
	}
	s, err := s3.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return f, s
}

func (f *fake) calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[method]
}

// describeObject sets the headers that any answer about an object has.
func describeObject(h http.Header) {
	h.Set("ETag", `"00112233445566778899aabbccddeeff"`)
	h.Set("Last-Modified", "Wed, 21 Oct 2026 07:28:00 GMT")
	h.Set("X-Amz-Meta-Sg1", "meta")
}

// answer writes an S3 error.
func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>m</Message></Error>"))
}
