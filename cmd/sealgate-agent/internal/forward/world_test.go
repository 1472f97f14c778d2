// SPDX-License-Identifier: Apache-2.0

package forward_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/xml"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/forward"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// world is a forwarder in front of a fake gateway: what these tests look at
// are faults that a real one does not make on demand.
type world struct {
	ca      *certstest.CA
	source  *certs.Snapshot // of the agent
	keys    s3api.Credentials
	addr    string // of the forwarder: HOST:PORT, or the path of a socket
	unix    bool
	gateway *fake

	mu      sync.Mutex
	refused []forward.Refusal
}

// fake is a gateway that answers as a test says.
type fake struct {
	endpoint string
	seen     atomic.Int64
	conns    sync.Map // net.Conn -> serial of the client's certificate

	mu     sync.Mutex
	handle http.HandlerFunc
}

type options struct {
	config   func(*forward.Config)
	handler  http.HandlerFunc
	unix     bool
	identity string // of the fake; default /gateway
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	if o.identity == "" {
		o.identity = "/gateway"
	}
	if o.handler == nil {
		o.handler = func(http.ResponseWriter, *http.Request) {}
	}
	w := &world{ca: certstest.NewCA(t, "acme.ai"), keys: forward.NewKeys(), unix: o.unix}
	w.source = w.ca.Source(t, "/job", certstest.Options{})
	w.gateway = &fake{handle: o.handler}
	w.gateway.start(t, certs.ServerConfig{Source: w.ca.Source(t, o.identity, certstest.Options{})}, "127.0.0.1:0")
	network, address := "tcp", "127.0.0.1:0"
	if o.unix {
		network, address = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address) //nolint:noctx // does not wait
	if err != nil {
		t.Fatal(err)
	}
	c := forward.Config{
		Source: w.source, Gateway: w.gateway.endpoint, Keys: w.keys, Connections: 1024, Log: slog.New(slog.DiscardHandler),
		Refused: func(r forward.Refusal) { w.mu.Lock(); defer w.mu.Unlock(); w.refused = append(w.refused, r) },
	}
	if o.config != nil {
		o.config(&c)
	}
	f, err := forward.New(c, l)
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, l, 0) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

func (g *fake) start(t *testing.T, c certs.ServerConfig, addr string) {
	t.Helper()
	raw, err := net.Listen("tcp", addr) //nolint:noctx // does not wait
	if err != nil {
		t.Fatal(err)
	}
	g.endpoint = "https://" + raw.Addr().String()
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.seen.Add(1)
			g.mu.Lock()
			h := g.handle
			g.mu.Unlock()
			h(w, r)
		}),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), ReadHeaderTimeout: time.Minute,
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				g.conns.Delete(c)
				return
			}
			g.conns.Store(c, s)
		},
	}
	go func() { _ = s.Serve(tls.NewListener(raw, certs.ServerTLS(c))) }() // until Close
	t.Cleanup(func() { _ = s.Close() })
}

// answer changes what the fake does.
func (g *fake) answer(h http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handle = h
}

func (w *world) refusals() []forward.Refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]forward.Refusal(nil), w.refused...)
}

// reason is that of the one refusal.
func (w *world) reason(t *testing.T) string {
	t.Helper()
	all := w.refusals()
	if len(all) != 1 {
		t.Fatalf("%d refusals, want 1: %+v", len(all), all)
	}
	return all[0].Reason
}

func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	network := "tcp"
	if w.unix {
		network = "unix"
	}
	c, err := net.Dial(network, w.addr) //nolint:noctx // on this machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// signed makes a request with a right signature. target is sent as it stands.
func (w *world) signed(t *testing.T, method, target string, body io.Reader, size int64, h http.Header) *http.Request {
	t.Helper()
	return w.signedFor(t, w.addr, method, target, body, size, h)
}

func (w *world) signedFor(t *testing.T, host, method, target string, body io.Reader, size int64, h http.Header) *http.Request {
	t.Helper()
	if w.unix {
		host = "localhost"
	}
	u, err := url.Parse("http://" + host + target)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: method, URL: u, Host: host, Header: h.Clone(), ContentLength: size, Body: http.NoBody}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if body != nil && size != 0 {
		r.Body = io.NopCloser(body)
	}
	if err := s3api.SignHeader(r, w.keys, "us-east-1", "UNSIGNED-PAYLOAD", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r.WithContext(t.Context())
}

// client is a stock HTTP client of the forwarder.
func (w *world) client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Minute}
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		network := "tcp"
		if w.unix {
			network = "unix"
		}
		return (&net.Dialer{}).DialContext(ctx, network, w.addr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// do sends a signed request and reads the answer whole.
func (w *world) do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := w.client(t).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the answer: %v", r.Method, r.URL, err)
	}
	return resp, string(b)
}

// raw sends bytes as they stand and reads one answer.
func (w *world) raw(t *testing.T, method, text string) (*http.Response, string) {
	t.Helper()
	c := w.dial(t)
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp, string(b)
}

// head writes the head of a signed request, to be changed and sent raw.
func (w *world) head(t *testing.T, method, target string, extra ...string) string {
	t.Helper()
	h := http.Header{}
	for _, e := range extra {
		name, value, _ := strings.Cut(e, ": ")
		h.Add(name, value)
	}
	r := w.signed(t, method, target, nil, 0, h)
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	_ = r.Header.Write(&b) // a Builder does not fail
	return b.String() + "\r\n"
}

// codeOf reads the code of an S3 error.
func codeOf(t *testing.T, body string) string {
	t.Helper()
	var e struct{ Code, Message, RequestId string }
	if err := xml.Unmarshal([]byte(body), &e); err != nil || e.Message == "" || e.RequestId == "" {
		t.Fatalf("%q is no S3 error: %v", body, err)
	}
	return e.Code
}
