// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store/storetest"
	"github.com/sealgate/sealgate/rotation"
)

const testPolicy = `version: 1
trust_domain: acme.ai
identities:
  writer: spiffe://acme.ai/writer
  reader: spiffe://acme.ai/reader
  creator: spiffe://acme.ai/creator
  blind: spiffe://acme.ai/blind
  tree: spiffe://acme.ai/tree
roles:
  writer:
    who: [writer]
    can: [{do: [read, list, write, delete, tag], paths: ["data/**", "plain/**", "ghost/**"]}]
  reader:
    who: [reader]
    can: [{do: [read], paths: ["data/**"]}]
  creator:
    who: [creator]
    can: [{do: [create], paths: ["data/new/**", "plain/new/**"]}]
  blind:
    who: [blind]
    can: [{do: [write], paths: ["data/drop/**"]}]
  tree:
    who: [tree]
    can: [{do: [list], paths: ["data/a/**", "data/*/x/**", "data/top"]}]
    cannot: [{do: [list], paths: ["data/a/secret/**"]}]
`

// world is a gateway with everything around it in memory, behind real TLS.
type world struct {
	t       testing.TB
	g       *Gateway
	mem     *storetest.Mem
	store   *storetest.Faulty // of bucket data, in front of mem
	rec     *recorder
	ca      *certstest.CA
	own     *certs.Snapshot
	denials *certs.Denials
	metrics *prometheus.Registry
	keys    *rotation.Set
	ring    *envelope.KeyringKey
	log     *logBuffer
	listen  net.Listener
	stop    context.CancelFunc
	served  chan error
	ended   sync.Once

	mu      sync.Mutex // guards clients
	clients []*http.Client
}

type worldOptions struct {
	limits   Limits
	policy   string        // "" means testPolicy
	drain    time.Duration // of the shutdown
	listener net.Listener  // nil means loopback
	state    *state.DB     // nil: no multipart uploads
	abandon  time.Duration // of uploads
}

func newWorld(t testing.TB, o worldOptions) *world {
	t.Helper()
	w := &world{t: t, mem: &storetest.Mem{}, rec: newRecorder(), ca: certstest.NewCA(t, "acme.ai"), denials: certs.NewDenials(), log: &logBuffer{}}
	w.store = storetest.NewFaulty(w.mem, 1)
	w.own = w.ca.Source(t, "/gateway", certstest.Options{})
	w.keys, w.ring = testKeys()
	w.metrics = prometheus.NewRegistry()
	w.g = New(Config{
		TLS:    certs.ServerConfig{Source: w.own, Denials: w.denials},
		Limits: o.limits, Audit: w.rec, Metrics: NewMetrics(w.metrics), Log: slog.New(slog.NewTextHandler(w.log, nil)),
		State: o.state, AbandonAfter: o.abandon, Self: "spiffe://acme.ai/gateway",
	})
	w.use(o.policy)
	w.serve(o)
	return w
}

// use puts a policy in force.
func (w *world) use(text string) {
	w.t.Helper()
	if text == "" {
		text = testPolicy
	}
	p, faults := policy.Parse("policy.yaml", []byte(text))
	if p == nil {
		w.t.Fatal(faults)
	}
	w.g.Use(&Snapshot{Policy: p, Keys: w.keys, Buckets: map[string]Bucket{
		"data": {Store: w.store, Conditional: true}, "plain": {Store: &storetest.Mem{}},
	}})
}

func (w *world) serve(o worldOptions) {
	w.t.Helper()
	w.listen = o.listener
	if w.listen == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		w.listen = l
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.served = stop, make(chan error, 1)
	go func() { w.served <- w.g.Serve(ctx, w.listen, o.drain) }()
	w.t.Cleanup(w.end)
}

// end stops the gateway and demands a clean end; more than once is fine.
func (w *world) end() {
	w.ended.Do(func() {
		w.stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.clients {
			c.CloseIdleConnections()
		}
		if err := <-w.served; err != nil {
			w.t.Errorf("Serve: %v", err)
		}
	})
}

// testKeys gives one ring for everything and the system keyrings.
func testKeys() (*rotation.Set, *envelope.KeyringKey) {
	deployment := envelope.NewID()
	ring := func(scope string) rotation.Ring {
		id := envelope.NewID()
		k := envelope.NewKeyringKey(deployment, id, 1, envelope.NewKey())
		return rotation.Ring{Scope: scope, ID: id, Active: k, Opens: map[uint32]*envelope.KeyringKey{1: k}}
	}
	data := ring("data/")
	return rotation.NewSet([]rotation.Ring{data, ring("plain/"), ring("ghost/"), ring("gateway/tokens/"), ring("gateway/audit/")}), data.Active
}

// clientTLS shows the identity with a path in the gateway's trust domain.
func (w *world) clientTLS(path string, o certstest.Options) *tls.Config {
	w.t.Helper()
	return certs.ClientTLS(w.ca.Source(w.t, path, o), w.ca.ID(w.t, "/gateway"))
}

// client is an HTTP client of an identity with connections of its own.
func (w *world) client(path string) *http.Client {
	w.t.Helper()
	conf := w.clientTLS(path, certstest.Options{})
	c := &http.Client{Transport: &http.Transport{
		DisableCompression: true, ExpectContinueTimeout: 10 * time.Second,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx, conf) },
	}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clients = append(w.clients, c)
	return c
}

func (w *world) dial(ctx context.Context, conf *tls.Config) (*tls.Conn, error) {
	raw, err := w.dialRaw()
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}

func (w *world) dialRaw() (net.Conn, error) {
	if p, ok := w.listen.(*pipeListener); ok {
		return p.dial()
	}
	return net.Dial("tcp", w.listen.Addr().String())
}

// raw is a TLS connection on which a test writes its own requests.
func (w *world) raw(path string) *tls.Conn {
	w.t.Helper()
	c, err := w.dial(context.Background(), w.clientTLS(path, certstest.Options{}))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// answer is what a client got. err is not nil when the body did not come whole.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// code is the S3 code of an error body.
func (r reply) code() string {
	var e struct{ Code string }
	_ = xml.Unmarshal(r.body, &e)
	return e.Code
}

// do sends one request; headers are NAME, VALUE, ...
func (w *world) do(c *http.Client, method, target string, body []byte, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequest(method, "https://gateway"+target, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	out := reply{status: res.StatusCode, header: res.Header}
	out.body, out.err = io.ReadAll(res.Body)
	return out
}

// put stores an object or ends the test.
func (w *world) put(c *http.Client, target string, body []byte, headers ...string) reply {
	w.t.Helper()
	r := w.do(c, http.MethodPut, target, body, headers...)
	if r.err != nil || r.status != http.StatusOK {
		w.t.Fatalf("PUT %s: got %d %s %v, want 200", target, r.status, r.body, r.err)
	}
	return r
}

// want ends the test unless the reply has this status and S3 code.
func (r reply) want(t testing.TB, status int, code string) {
	t.Helper()
	if r.err != nil || r.status != status || r.code() != code {
		t.Fatalf("got %d %q %s %v, want %d %q", r.status, r.code(), r.body, r.err, status, code)
	}
}

// wantBody ends the test unless the reply is these bytes.
func (r reply) wantBody(t testing.TB, status int, body []byte) {
	t.Helper()
	if r.err != nil || r.status != status || !bytes.Equal(r.body, body) {
		t.Fatalf("got %d, %d bytes %.200s %v, want %d, %d bytes", r.status, len(r.body), r.body, r.err, status, len(body))
	}
}

// noise is n bytes that no compressor and no guess gets right.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
