// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
)

// fakeBackend notes what it was asked, and when: before, the count of intents
// on record then.
type fakeBackend struct {
	mu    sync.Mutex // guards all below
	calls []string
	open  []int
	err   error
	panic bool
	rec   *recorder
	entry Entry
	query RecordQuery
	found Records
}

func (b *fakeBackend) note(call string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
	b.open = append(b.open, b.rec.unended())
	if b.panic {
		panic("with a secret")
	}
	return b.err
}

func (b *fakeBackend) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

func (b *fakeBackend) Reload(context.Context) (ReloadResult, error) {
	return ReloadResult{PolicyDigest: "d"}, b.note("Reload")
}

func (b *fakeBackend) KEKs(context.Context) ([]KEK, error) {
	return []KEK{{Name: "main"}}, b.note("KEKs")
}

func (b *fakeBackend) Keyrings(context.Context) ([]Keyring, error) { return nil, b.note("Keyrings") }

func (b *fakeBackend) RotateKEK(_ context.Context, name string) (Rotation, error) {
	return Rotation{KEK: name}, b.note("RotateKEK " + name)
}
func (b *fakeBackend) Certs(context.Context) (Certs, error)     { return Certs{}, b.note("Certs") }
func (b *fakeBackend) Entries(context.Context) ([]Entry, error) { return nil, b.note("Entries") }
func (b *fakeBackend) AddEntry(_ context.Context, e Entry) (Entry, error) {
	b.entry = e
	return e, b.note("AddEntry")
}

func (b *fakeBackend) DeleteEntry(_ context.Context, id string) error {
	return b.note("DeleteEntry " + id)
}

func (b *fakeBackend) Explain(context.Context, ExplainQuery) (Explanation, error) {
	return Explanation{}, b.note("Explain")
}

func (b *fakeBackend) Records(_ context.Context, q RecordQuery) (Records, error) {
	b.query = q
	return b.found, b.note("Records")
}

// recorder is an audit log in memory.
type recorder struct {
	mu      sync.Mutex // guards all below
	failing struct{ begin, end, deny error }
	intents []*intent
	denials []audit.Event
}

type intent struct {
	rec     *recorder
	event   audit.Event
	outcome audit.Outcome
	ends    int
}

func (r *recorder) Begin(_ context.Context, e audit.Event) (audit.Pending, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing.begin != nil {
		return nil, r.failing.begin
	}
	in := &intent{rec: r, event: e}
	r.intents = append(r.intents, in)
	return in, nil
}

func (r *recorder) Deny(_ context.Context, e audit.Event) (audit.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denials = append(r.denials, e)
	return audit.Receipt{}, r.failing.deny
}

func (r *recorder) unended() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.intents {
		if in.ends == 0 {
			n++
		}
	}
	return n
}

func (r *recorder) last(t *testing.T) intent {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.intents) == 0 {
		t.Fatal("no intent was recorded")
	}
	return *r.intents[len(r.intents)-1]
}

func (r *recorder) lastDenial(t *testing.T) audit.Event {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.denials) == 0 {
		t.Fatal("no refusal was recorded")
	}
	return r.denials[len(r.denials)-1]
}

func (in *intent) Receipt() audit.Receipt { return audit.Receipt{} }
func (in *intent) Progress(int64)         {}

// End fails when the context is spent: a caller who left must not cost the
// outcome.
func (in *intent) End(ctx context.Context, o audit.Outcome) error {
	in.rec.mu.Lock()
	defer in.rec.mu.Unlock()
	in.ends++
	in.outcome = o
	return errors.Join(in.rec.failing.end, ctx.Err())
}

// world is a control server on a unix socket.
type world struct {
	t       *testing.T
	socket  string
	backend *fakeBackend
	rec     *recorder
	log     *strings.Builder
	policy  *policy.Policy
	client  *http.Client
}

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "control") // t.TempDir's names are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, socket: filepath.Join(dir, "s"), rec: &recorder{}, log: &strings.Builder{}}
	w.backend = &fakeBackend{rec: w.rec}
	if text != "" {
		p, faults := policy.Parse("policy.yaml", []byte(text))
		if p == nil {
			t.Fatal(faults)
		}
		w.policy = p
	}
	l, err := net.Listen("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(w.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	s := New(Config{
		Backend: w.backend, Policy: func() *policy.Policy { return w.policy }, Audit: w.rec,
		TLS: certs.ServerConfig{}, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	w.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.socket)
		},
	}}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return w
}

// reply is an answer; problem is its error, if it is one.
type reply struct {
	status  int
	header  http.Header
	body    string
	problem Problem
}

func (w *world) do(method, target, body string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequest(method, "http://control"+target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, body: string(text)}
	_ = json.Unmarshal(text, &out.problem)
	return out
}

// want ends the test unless the reply is this problem, in its whole shape.
func (r reply) want(t *testing.T, c Code) {
	t.Helper()
	p := r.problem
	if r.status != statuses[c] || p.Status != r.status || p.Code != c || p.Type != "urn:sealgate:error:"+string(c) ||
		p.Title != http.StatusText(r.status) || p.Detail == "" || p.RequestID == "" || p.RequestID != r.header.Get("X-Request-Id") ||
		r.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("got %d %s, want the problem %s", r.status, r.body, c)
	}
}
