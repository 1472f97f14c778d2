// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Log is an open audit log. It implements Recorder.
type Log struct {
	cfg   Config
	disk  durable
	lock  io.Closer
	key   logKey
	log   string // LOG of the receipts
	epoch uint64
	began time.Time // of this process's use; base of mono_ns

	cond   *condition
	fatal  chan error // capacity 1
	queue  *queue
	signer *signer
	sealer *sealer
	writer writer // the committer's own

	denials    denials
	handshakes handshakes
	refused    atomic.Uint64
	committing atomic.Int64 // mono_ns at which the running commit began; 0 if none runs

	mu         sync.Mutex
	unfinished []Unfinished // guarded by mu

	stopOnce  sync.Once
	draining  chan struct{} // closed by Close: the committer commits what is there and ends
	stopped   chan struct{} // closed when the committer has ended
	committer sync.WaitGroup
	others    sync.WaitGroup // keeper and sealer
}

var _ Recorder = (*Log)(nil)

// start runs the goroutines of a log that recovery has made ready.
func (l *Log) start() {
	l.committer.Go(func() {
		defer close(l.stopped)
		l.runCommitter()
	})
	l.others.Go(l.runKeeper)
	l.others.Go(l.runSealer)
}

// mono is nanoseconds since Open, unmoved by clock steps; never 0.
func (l *Log) mono() int64 { return int64(time.Since(l.began)) + 1 }

// stamp gives r the times of now. A clock far off must not make a record that
// cannot be decoded: RFC 3339 knows the years 0 to 9999.
func (l *Log) stamp(r *Record) {
	r.Time = l.cfg.Now().UTC()
	if y := r.Time.Year(); y < 0 || y > 9999 {
		r.Time = time.Time{}
	}
	r.MonoNS = l.mono()
}

// Unfinished returns the writes that were without outcome at Open and are not
// reconciled yet, oldest first.
func (l *Log) Unfinished() []Unfinished {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Unfinished(nil), l.unfinished...)
}

// State returns a snapshot.
func (l *Log) State() State {
	s := State{Log: l.log, Epoch: l.epoch, Queued: l.queue.len(), Refused: l.refused.Load()}
	l.cond.mu.Lock()
	s.Health, s.Why, s.Since = l.cond.health, l.cond.why, l.cond.since
	for _, text := range l.cond.warnings {
		if s.Warning != "" {
			s.Warning += "; "
		}
		s.Warning += text
	}
	l.cond.mu.Unlock()
	if since := l.stalled(); since > 0 && s.Health == Healthy {
		s.Health, s.Why = Closed, stalledText(since)
	}
	size, last := l.signer.state()
	s.Records, s.Signed, s.Checkpoint = size, last.size, last.at
	return s
}

// stalled returns how long the running commit takes already, if that is
// longer than anybody waits.
func (l *Log) stalled() time.Duration {
	began := l.committing.Load()
	if began == 0 {
		return 0
	}
	took := time.Duration(l.mono() - began)
	if took <= l.cfg.CommitDeadline {
		return 0
	}
	return took
}

func stalledText(d time.Duration) string {
	return fmt.Sprintf("the disk has not answered for %s", d.Round(time.Second/10))
}

// Fatal delivers the reason once when the log is poisoned. The process must
// then close its listeners and exit with code 74.
func (l *Log) Fatal() <-chan error { return l.fatal }

// poison ends all writing. What the committer holds it fails by itself.
func (l *Log) poison(err error) {
	if !l.cond.set(Poisoned, err.Error()) {
		return
	}
	failed := l.cond.check()
	l.queue.stop(failed)
	l.fatal <- failed
	signal(l.queue.wake)
}

// Registration returns what must be registered outside the log before a
// listener opens.
func (l *Log) Registration() Registration {
	return Registration{Log: l.key.uuid, Epoch: l.epoch, PublicKey: l.key.public()}
}

// Checkpoint returns the newest signed checkpoint, a C2SP signed note.
func (l *Log) Checkpoint() []byte {
	_, last := l.signer.state()
	return append([]byte(nil), last.note...)
}

// Close writes what is queued, log.close and a checkpoint, seals the segment
// and gives the directory free. Begin and Deny return ErrStopped from now on.
// When ctx ends first, the files are as after a crash, which the next Open
// mends.
func (l *Log) Close(ctx context.Context) error {
	err := ErrStopped
	l.stopOnce.Do(func() { err = l.close(ctx) })
	return err
}

// close queues log.close and stops the queue in one step, then waits for the
// goroutines: nothing may be written behind log.close.
func (l *Log) close(ctx context.Context) error {
	l.flushSummaries()
	last := l.note(Record{Phase: PhaseNote, Event: EventClose})
	last.done = make(chan error, 1)
	l.queue.finish(last)
	close(l.draining)
	done := make(chan error, 1)
	go func() { done <- l.finish(last) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("closing the audit log: %w", ctx.Err())
	}
}

// finish runs after the last record was queued.
func (l *Log) finish(last *entry) error {
	l.committer.Wait()
	l.others.Wait()
	var err error
	select {
	case err = <-last.done:
	default:
		err = ErrStopped // the queue was stopped before: the log is poisoned
	}
	if cerr := l.cond.check(); cerr != nil {
		err = cerr
	}
	if err == nil {
		err = errors.Join(l.sealLast(), l.signer.sign())
	}
	return errors.Join(err, l.lock.Close())
}
