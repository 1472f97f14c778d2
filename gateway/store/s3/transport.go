// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
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
	return boundedTransport{&http.Transport{
		Proxy:                  nil, // never one from the environment
		DialContext:            dialer.DialContext,
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
	}}, nil
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
type boundedTransport struct{ inner http.RoundTripper }

// RoundTrip implements http.RoundTripper. It adds the announcement of a body
// after the signing: a backend that refuses, is busy, or has closed an idle
// connection says so before a byte of a body is used up.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Header.Set("Expect", "100-continue")
	}
	resp, err := t.inner.RoundTrip(r)
	if err != nil || isBody(r, resp) {
		return resp, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close() // of no interest
		return nil, errRedirect
	}
	resp.Body = boundedBody{io.LimitReader(resp.Body, maxAnswerBytes), resp.Body}
	return resp, nil
}

// isBody reports whether the answer is an object's body, which is bounded by
// who reads it.
func isBody(r *http.Request, resp *http.Response) bool {
	return r.Method == http.MethodGet && r.URL.RawQuery == "" &&
		(resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent)
}

type boundedBody struct {
	io.Reader
	io.Closer
}
