// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds of what the backend may send where no object is asked for, in bytes.
const (
	maxHeaderBytes = 64 << 10
	// A page of 1,000 keys of 1,024 bytes, each byte escaped as %XX, with 1 KiB
	// around each.
	maxAnswerBytes = 1000 * (3*1024 + 1024)
)

// newTransport returns the way to the backend: HTTP/1.1, since a connection
// that stalls then stalls one transfer only.
func newTransport(c Config) (http.RoundTripper, error) {
	roots, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: min(5*time.Second, c.Timeout), KeepAlive: 30 * time.Second}
	quick := &http.Transport{
		Proxy:                  nil, // never one from the environment
		DialContext:            bulkDial(dialer),
		TLSHandshakeTimeout:    5 * time.Second,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		ResponseHeaderTimeout:  c.Timeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    64,
		MaxIdleConns:           256,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
	patient := quick.Clone()
	patient.ResponseHeaderTimeout = c.LongTimeout
	return boundedTransport{quick, patient}, nil
}

// readRoots reads the authorities of a PEM file; nil are those of the system.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("CA file %s holds no certificate", path)
	}
	return pool, nil
}

// newHTTPClient returns the client of the requests that are made here.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport}
}

// boundedTransport ends every answer that is not an object after
// maxAnswerBytes, since the client library reads errors and lists to their end,
// and makes an error of every redirect before any client can follow it.
type boundedTransport struct {
	quick   http.RoundTripper
	patient http.RoundTripper // for calls whose answer is work for the backend
}

// RoundTrip implements http.RoundTripper. It adds the announcement of a body
// that comes once, after the signing: a backend that refuses, is busy, or has
// closed an idle connection says so before a byte of it is used up.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	trip, watched := r.Context().Value(tripKey{}).(*trip)
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		if r.GetBody == nil {
			r.Header.Set("Expect", "100-continue")
		}
		if watched {
			r.Body = beginning{r.Body, trip}
		}
	}
	inner := t.quick
	if watched && trip.long {
		inner = t.patient
	}
	resp, err := inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if watched {
		trip.answer(resp)
	}
	if isBody(r, resp) {
		return resp, nil
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close() // of no interest
		return nil, errRedirect
	}
	resp.Body = boundedBody{io.LimitReader(resp.Body, maxAnswerBytes), resp.Body}
	return resp, nil
}

// trip is what is to be known of one request that the client library makes and
// does not tell.
type trip struct {
	// long requests wait for the answer as long as Config.LongTimeout.
	long bool

	mu     sync.Mutex // guards all below
	begun  bool       // the transport has begun to read the body
	header http.Header
}

type tripKey struct{}

// in returns a context for the one request.
func (t *trip) in(ctx context.Context) context.Context { return context.WithValue(ctx, tripKey{}, t) }

func (t *trip) answer(resp *http.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.header = resp.Header
}

// get returns a header of the answer.
func (t *trip) get(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.header.Get(name)
}

func (t *trip) hasBegun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}

// beginning is the body of a request whose beginning is noted.
type beginning struct {
	io.ReadCloser
	trip *trip
}

// Read implements io.Reader.
func (b beginning) Read(p []byte) (int, error) {
	b.trip.mu.Lock()
	b.trip.begun = true
	b.trip.mu.Unlock()
	return b.ReadCloser.Read(p)
}

// isBody reports whether the answer is an object's body, which is bounded by
// who reads it.
func isBody(r *http.Request, resp *http.Response) bool {
	return r.Method == http.MethodGet && (r.URL.RawQuery == "" || strings.HasPrefix(r.URL.RawQuery, "versionId=")) &&
		(resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent)
}

type boundedBody struct {
	io.Reader
	io.Closer
}
