// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// headRoom is more than appendHead ever writes.
const headRoom = 128

// encode turns r into an entry of the queue.
func (l *Log) encode(r *Record) (*entry, error) {
	l.stamp(r)
	body := bodies.Get().(*[]byte)
	*body = appendBody((*body)[:0], r)
	e := &entry{body: body, phase: r.Phase, of: r.Of, change: r.AwaitOutcome, reconciled: r.Reconciled}
	if n := len(*body); n > MaxRecord-headRoom {
		e.release()
		return nil, fmt.Errorf("%w: %s of %d bytes", ErrTooLarge, r.Phase, n)
	}
	return e, nil
}

// note encodes a record that the log writes about itself; those are bounded.
func (l *Log) note(r Record) *entry {
	e, err := l.encode(&r)
	if err != nil {
		panic("audit: internal error: " + err.Error())
	}
	return e
}

// admit turns requests away while the log cannot write.
func (l *Log) admit() error {
	err := l.cond.check()
	if err == nil {
		if since := l.stalled(); since > 0 {
			err = fmt.Errorf("%w: %s", ErrClosed, stalledText(since))
		}
	}
	if err != nil {
		l.refused.Add(1)
	}
	return err
}

// commit queues r and waits until it is on stable storage.
func (l *Log) commit(ctx context.Context, r *Record) (*entry, error) {
	e, err := l.encode(r)
	if err != nil {
		return nil, err
	}
	e.done = make(chan error, 1)
	if err := l.queue.put(e); err != nil {
		return nil, err
	}
	return e, e.wait(ctx, l.cfg.CommitDeadline)
}

// Begin implements Recorder.
func (l *Log) Begin(ctx context.Context, e Event) (Pending, error) {
	if err := l.admit(); err != nil {
		return nil, err
	}
	r := Record{Phase: PhaseIntent}
	e.fill(&r)
	in, err := l.commit(ctx, &r)
	if err != nil {
		return nil, err
	}
	return &pending{log: l, receipt: Receipt{l.log, in.seq}, change: e.AwaitOutcome}, nil
}

// Deny implements Recorder.
func (l *Log) Deny(ctx context.Context, e Event) (Receipt, error) {
	if err := l.admit(); err != nil {
		return Receipt{}, err
	}
	if !l.denials.single(&e) {
		return Receipt{}, nil
	}
	r := Record{Phase: PhaseDeny}
	e.fill(&r)
	in, err := l.commit(ctx, &r)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{l.log, in.seq}, nil
}

// HandshakeFailed counts a refused TLS connection. Counts are recorded each
// second per reason and network (/24, /48 for IPv6). It never waits.
func (l *Log) HandshakeFailed(reason string, remote netip.Addr) {
	l.handshakes.add(reason, remote)
}

// flushSummaries queues what was counted since the last call. While the log
// is closed the counting goes on, so that the memory stays bounded.
func (l *Log) flushSummaries() {
	if l.cond.check() != nil {
		return
	}
	for _, r := range append(l.denials.flush(), l.handshakes.flush()...) {
		if l.queue.put(l.note(r)) != nil {
			return // stopped: nothing is taken in any more
		}
	}
}

// Reconcile records what became of u: one of the Reconciled constants except
// pending. Durable on return. After an error the record is still on its way,
// or the next Open will return u again: Reconcile must not be repeated.
func (l *Log) Reconcile(ctx context.Context, u Unfinished, result string) error {
	if !isVerdict(result) {
		return fmt.Errorf("reconciling %s: %q is no result", u.Receipt, result)
	}
	if err := l.admit(); err != nil {
		return err
	}
	if !l.settleUnfinished(u) {
		return fmt.Errorf("reconciling %s: it is not unfinished", u.Receipt)
	}
	r := Record{Phase: PhaseOutcome, Of: u.Receipt.Seq, Reconciled: result}
	if _, err := l.commit(context.WithoutCancel(ctx), &r); err != nil {
		return fmt.Errorf("reconciling %s: %w", u.Receipt, err)
	}
	return nil
}

// settleUnfinished takes u off the list; false if it is not on it.
func (l *Log) settleUnfinished(u Unfinished) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.unfinished)
	l.unfinished = slices.DeleteFunc(l.unfinished, func(o Unfinished) bool { return o.Receipt == u.Receipt })
	return len(l.unfinished) < n
}

// pending implements Pending.
type pending struct {
	log     *Log
	receipt Receipt
	change  bool

	mu    sync.Mutex // progress and outcome must not change places
	ended bool       // guarded by mu
}

// Receipt implements Pending.
func (p *pending) Receipt() Receipt { return p.receipt }

// Progress implements Pending.
func (p *pending) Progress(sent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	// A progress record that is not taken in costs a bound, not a promise.
	_ = p.log.queue.put(p.log.note(Record{Phase: PhaseProgress, Of: p.receipt.Seq, BytesSent: sent}))
}

// End implements Pending.
func (p *pending) End(ctx context.Context, o Outcome) error {
	e, err := p.end(&o)
	if err != nil || e.done == nil {
		return err
	}
	// If it fails the record stays queued and is written when the log can,
	// but the client must not be told that all is well.
	return e.wait(context.WithoutCancel(ctx), p.log.cfg.CommitDeadline)
}

func (p *pending) end(o *Outcome) (*entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, ErrEnded
	}
	r := Record{Phase: PhaseOutcome, Of: p.receipt.Seq}
	o.fill(&r)
	e, err := p.log.encode(&r)
	if err != nil {
		// What happened must be recorded; what was said about it need not be.
		r.Detail, r.Error = nil, "detail left out: too large"
		e = p.log.note(r)
	}
	if p.change {
		e.done = make(chan error, 1)
	}
	p.ended = true
	return e, p.log.queue.put(e)
}
