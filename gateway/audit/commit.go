// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// linger is how long records that nobody waits for may lie in the queue.
const linger = 50 * time.Millisecond

// batchLimit is how many records one batch may hold.
const batchLimit = 4096

// writer is the state of the committer: one goroutine, so no lock.
type writer struct {
	seg     *segment
	next    uint64 // number of the next record
	ledger  ledger
	backlog []*entry // taken from the queue, oldest first
	batch   []*entry
	buf     []byte
	leaves  []tlog.Hash
	lost    bool      // closed because the segment is not at its path
	refused uint64    // Log.refused when it closed
	retry   time.Time // when a new segment may be tried again
}

// runCommitter commits whatever has queued up while the last commit ran. No
// timer delays a record that somebody waits for: AUDIT.md "What is durable".
func (l *Log) runCommitter() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var lazy <-chan time.Time
	for {
		select {
		case <-l.queue.wake:
		case <-l.queue.lazy:
			if lazy == nil {
				lazy = time.After(linger)
			}
			continue
		case <-lazy:
		case <-tick.C:
			l.tend()
		case <-l.draining:
			l.tend()
			l.commitAll()
			return
		}
		lazy = nil
		l.commitAll()
	}
}

// commitAll commits the backlog and the queue in as many batches as it takes.
func (l *Log) commitAll() {
	w := &l.writer
	w.backlog = append(w.backlog, l.queue.take()...)
	for len(w.backlog) > 0 {
		if err := l.cond.check(); err != nil {
			l.turnAway(err)
			return
		}
		l.assemble()
		if len(w.batch) == 0 {
			continue
		}
		if err := l.write(); err != nil {
			l.failed(err)
			continue
		}
		l.committed()
	}
}

// assemble moves the next batch from the backlog to w.batch and encodes it.
func (l *Log) assemble() {
	w := &l.writer
	w.batch = w.batch[:0]
	size, n := 0, 0
	for _, e := range w.backlog {
		size += len(*e.body) + headRoom
		if len(w.batch) == batchLimit || size > maxBatch {
			break
		}
		n++
		if e.claim() {
			w.batch = append(w.batch, e)
		} else {
			e.release()
		}
	}
	w.backlog = w.backlog[n:]
	w.buf, w.leaves = w.buf[:0], w.leaves[:0]
	for i, e := range w.batch {
		batch := 0
		if i == 0 {
			batch = len(w.batch)
		}
		from := len(w.buf)
		w.buf = appendHead(w.buf, l.log, w.next+uint64(i), batch)
		w.buf = append(w.buf, *e.body...)
		w.leaves = append(w.leaves, tlog.RecordHash(w.buf[from:]))
		w.buf = append(w.buf, '\n')
	}
}

// write makes the assembled batch durable. After an error nothing of it
// counts.
func (l *Log) write() error {
	began := time.Now()
	l.committing.Store(l.mono())
	defer l.committing.Store(0)
	err := l.makeRoom(int64(len(l.writer.buf)))
	if err == nil {
		err = l.disk.append(l.writer.seg, l.writer.buf)
	}
	l.cfg.Observe(Commit{
		Records: len(l.writer.batch), Bytes: len(l.writer.buf), Took: time.Since(began), Err: err,
	})
	return err
}

// makeRoom begins a new segment when it is time and reserves space for n
// bytes. A new segment that finds no space is put off as long as the old one
// has some.
func (l *Log) makeRoom(n int64) error {
	w := &l.writer
	if err := l.rotateIfDue(); err != nil {
		return err
	}
	if w.seg.off+n <= w.seg.reserved {
		return nil
	}
	return l.disk.reserve(w.seg, w.seg.off+n)
}

// rotateIfDue makes the new segment before it gives up the old one: without
// space for it the reserved part of the old one is used up first.
func (l *Log) rotateIfDue() error {
	w := &l.writer
	full := w.seg.off >= l.cfg.SegmentSize
	old := w.seg.off > 0 && time.Since(w.seg.begun) >= l.cfg.SegmentAge
	if !full && !old || time.Now().Before(w.retry) {
		return nil
	}
	next, err := l.disk.beginSegment(w.next, min(l.cfg.Reserve, reserveStep), time.Now())
	switch {
	case err == nil:
		l.sealer.hand(sealing{seg: w.seg, next: w.next, ledger: w.ledger.clone()})
		w.seg = next
		l.cond.warn("segment", "")
		return nil
	case transient(err):
		w.retry = time.Now().Add(time.Second)
		l.cond.warn("segment", "no space for the next audit segment: "+err.Error())
		return nil
	}
	return err
}

// committed tells the waiters first: everything else can be done again from
// the file.
func (l *Log) committed() {
	w := &l.writer
	for i, e := range w.batch {
		e.seq = w.next + uint64(i)
		told := e.settle(nil)
		w.ledger.account(e)
		if !told && e.phase == PhaseIntent {
			l.withdrawn(e.seq)
		}
		e.release()
	}
	w.next += uint64(len(w.batch))
	l.signer.grow(w.leaves)
	l.topUp()
}

// withdrawn settles an intent whose request gave up while it was written. If
// the queue is stopped the next start recovers it.
func (l *Log) withdrawn(seq uint64) {
	_ = l.queue.put(l.note(Record{Phase: PhaseOutcome, Of: seq, Abort: AbortWithdrawn}))
}

// account keeps the ledger that goes into the skip index. It is what
// history.account does, without the checks.
func (g *ledger) account(e *entry) {
	switch {
	case e.phase == PhaseIntent:
		g.open[e.seq] = e.change
	case e.phase != PhaseOutcome:
	case isVerdict(e.reconciled):
		delete(g.unsettled, e.of)
	default:
		delete(g.open, e.of)
		if e.reconciled == ReconciledPending {
			g.unsettled[e.of] = true
		}
	}
}

func (g *ledger) clone() ledger {
	return ledger{epoch: g.epoch, closed: g.closed, open: maps.Clone(g.open), unsettled: maps.Clone(g.unsettled)}
}

// topUp keeps space reserved ahead, a step at a time. Without space it only
// warns: there is still what is reserved.
func (l *Log) topUp() {
	w := &l.writer
	step := min(reserveStep, l.cfg.Reserve/2)
	if w.seg.reserved-w.seg.off > l.cfg.Reserve-step {
		return
	}
	err := l.disk.reserve(w.seg, min(w.seg.reserved+reserveStep, w.seg.off+l.cfg.Reserve))
	switch {
	case err == nil:
		l.cond.warn("space", "")
	case transient(err):
		l.cond.warn("space", fmt.Sprintf("no space on %s; %d reserved bytes are left", l.cfg.Dir, w.seg.reserved-w.seg.off))
	default:
		l.poison(err)
	}
}

// failed gives the batch back: nobody was told that it is safe, and nothing
// of it is left in the file.
func (l *Log) failed(err error) {
	w := &l.writer
	lost := isLost(err)
	if !transient(err) {
		l.poison(fmt.Errorf("writing %s: %w", segmentName(w.seg.first), err))
	} else if cerr := l.disk.cut(w.seg); cerr != nil {
		l.poison(errors.Join(err, cerr))
	} else {
		w.lost, w.refused = lost, l.refused.Load()
		l.cond.set(Closed, l.closedText(err))
	}
	w.backlog = append(append([]*entry(nil), w.batch...), w.backlog...)
}

// closedText says what is wrong, what it means, and what ends it.
func (l *Log) closedText(err error) string {
	if isLost(err) {
		return fmt.Sprintf("%s; put it back (it is still open: /proc/PID/fd), or restart; it opens again by itself", err)
	}
	free, _ := l.disk.free() // 0 says enough if it cannot be told
	return fmt.Sprintf("no space left on %s (%d B free); nothing is served until %dMiB are free; it opens again by itself",
		l.cfg.Dir, free, l.cfg.ReopenFree>>20)
}

func isLost(err error) bool {
	_, ok := errors.AsType[*lostError](err)
	return ok
}

// turnAway fails everybody who waits. Records of what did happen are kept for
// when the log opens again; intents and refusals did not happen.
func (l *Log) turnAway(err error) {
	w := &l.writer
	kept := w.backlog[:0]
	for _, e := range w.backlog {
		e.settle(err)
		if e.dropped() {
			l.refused.Add(1)
			e.release()
		} else {
			kept = append(kept, e)
		}
	}
	w.backlog = kept
}

// tend runs each second: it opens a closed log again if it can, and begins a
// new segment when the old one is old.
func (l *Log) tend() {
	err := l.cond.check()
	if errors.Is(err, ErrPoisoned) {
		return // the files must not be touched any more
	}
	if err != nil {
		l.reopen()
		return
	}
	if err := l.rotateIfDue(); err != nil {
		l.poison(err)
	}
}

// reopen ends CLOSED when its cause is gone.
func (l *Log) reopen() {
	w := &l.writer
	if w.seg.f.intact() != nil {
		return
	}
	if !w.lost {
		if free, err := l.disk.free(); err != nil || free < l.cfg.ReopenFree {
			return
		}
	}
	if err := l.disk.reserve(w.seg, w.seg.off+min(l.cfg.Reserve, reserveStep)); err != nil {
		if !transient(err) {
			l.poison(err)
		}
		return
	}
	if !l.cond.set(Healthy, "") {
		return
	}
	w.lost = false
	note := Record{Phase: PhaseNote, Event: EventReopen, Count: l.refused.Load() - w.refused}
	_ = l.queue.put(l.note(note)) // not taken in only when Close has begun
}
