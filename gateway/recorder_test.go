// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
)

// recorder is an audit log in memory that fails when told to.
type recorder struct {
	mu       sync.Mutex // guards all below
	failing  recorderFault
	intents  []*record
	denials  []audit.Event
	tooMany  bool // refusals are only counted
	progress []int64
	onBegin  func()
}

type recorderFault struct{ begin, end, deny error }

// record is one intent with its outcome.
type record struct {
	rec *recorder
	seq uint64

	event   audit.Event
	outcome audit.Outcome
	ends    int
}

func newRecorder() *recorder { return &recorder{} }

func (r *recorder) fail(f recorderFault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = f
}

// Begin implements audit.Recorder.
func (r *recorder) Begin(ctx context.Context, e audit.Event) (audit.Pending, error) {
	r.mu.Lock()
	hook := r.onBegin
	r.mu.Unlock()
	if hook != nil {
		hook()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failing.begin; err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rec := &record{rec: r, seq: uint64(len(r.intents)), event: e}
	r.intents = append(r.intents, rec)
	return rec, nil
}

// Deny implements audit.Recorder.
func (r *recorder) Deny(_ context.Context, e audit.Event) (audit.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failing.deny; err != nil {
		return audit.Receipt{}, err
	}
	r.denials = append(r.denials, e)
	if r.tooMany {
		return audit.Receipt{}, nil
	}
	return audit.Receipt{Log: "0badcafe", Seq: 7}, nil
}

// Receipt implements audit.Pending.
func (p *record) Receipt() audit.Receipt { return audit.Receipt{Log: "0badcafe", Seq: p.seq} }

// Progress implements audit.Pending.
func (p *record) Progress(sent int64) {
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	p.rec.progress = append(p.rec.progress, sent)
}

// End implements audit.Pending.
func (p *record) End(_ context.Context, o audit.Outcome) error {
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	p.ends++
	p.outcome = o
	return p.rec.failing.end
}

// last gives the newest intent, once its outcome has come: that of a read
// follows its answer.
func (w *world) last() record {
	w.t.Helper()
	var got record
	w.eventually("an outcome of the newest intent", func() bool {
		w.rec.mu.Lock()
		defer w.rec.mu.Unlock()
		if n := len(w.rec.intents); n > 0 {
			got = *w.rec.intents[n-1]
		}
		return got.ends > 0
	})
	return got
}

// lastDenial gives the newest refusal.
func (w *world) lastDenial() audit.Event {
	w.t.Helper()
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	if len(w.rec.denials) == 0 {
		w.t.Fatal("no refusal was recorded")
	}
	return w.rec.denials[len(w.rec.denials)-1]
}

func (w *world) counts() (intents, denials int) {
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	return len(w.rec.intents), len(w.rec.denials)
}

// endedOnce demands one outcome for each intent.
func (w *world) endedOnce() {
	w.t.Helper()
	w.eventually("one outcome for each intent", func() bool {
		w.rec.mu.Lock()
		defer w.rec.mu.Unlock()
		return !slices.ContainsFunc(w.rec.intents, func(r *record) bool { return r.ends != 1 })
	})
}

// eventually waits for what happens beside the answer.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatalf("waited in vain for %s", what)
}

// pipeListener listens in memory, for tests under a clock of their own.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

var (
	_ audit.Recorder = (*recorder)(nil)
	_ net.Listener   = (*pipeListener)(nil)
)
