// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// queueLimit is how many records may wait for a commit before intents and
// refusals fail at once.
const queueLimit = 4096

// entry is one encoded record on its way to the committer.
type entry struct {
	body  *[]byte // from bodies; everything behind the head
	phase Phase
	of    uint64
	// change is Event.AwaitOutcome of an intent, reconciled that of an outcome.
	change     bool
	reconciled string

	// done receives the result once, if somebody waits. seq is valid then.
	done  chan error
	seq   uint64
	state atomic.Int32
}

// States of an entry. The waiter and the committer race for it; whoever loses
// must live with what the winner did.
const (
	entryQueued    = iota // in the queue
	entryTaken            // in a batch
	entrySettled          // its result is on the way to the waiter
	entryWithdrawn        // the waiter left before it was taken: it must not be written
	entryAbandoned        // the waiter left after: it may be written
)

// dropped reports whether e may be left out for good: nobody has disclosed
// or refused anything on its account.
func (e *entry) dropped() bool { return e.phase == PhaseIntent || e.phase == PhaseDeny }

// bodies are the buffers of encoded records.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

func (e *entry) release() {
	if e.body != nil && cap(*e.body) <= MaxRecord {
		bodies.Put(e.body)
	}
	e.body = nil
}

// queue holds what waits for the committer.
type queue struct {
	mu      sync.Mutex
	entries []*entry // guarded by mu
	err     error    // guarded by mu; set once nothing is taken in any more

	wake chan struct{} // somebody waits
	lazy chan struct{} // something is there that nobody waits for
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), lazy: make(chan struct{}, 1)}
}

// put adds e. Only records that may be dropped count against the limit: a
// record of something that did happen is always taken in, and there is at
// most one for each intent that was.
func (q *queue) put(e *entry) error {
	q.mu.Lock()
	switch {
	case q.err != nil:
		q.mu.Unlock()
		return q.err
	case len(q.entries) >= queueLimit && e.dropped():
		q.mu.Unlock()
		return ErrBusy
	}
	q.entries = append(q.entries, e)
	q.mu.Unlock()
	if e.done != nil {
		signal(q.wake)
	} else {
		signal(q.lazy)
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take returns all entries, oldest first.
func (q *queue) take() []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.entries
	q.entries = nil
	return out
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// stop makes every further put fail with err.
func (q *queue) stop(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
}

// wait returns the result of e, or leaves it when the deadline passes or ctx
// ends. The last look matters: a result that came first is the truth.
func (e *entry) wait(ctx context.Context, deadline time.Duration) error {
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	var why error
	select {
	case err := <-e.done:
		return err
	case <-timer.C:
		why = ErrDeadline
	case <-ctx.Done():
		why = ctx.Err()
	}
	if e.state.CompareAndSwap(entryQueued, entryWithdrawn) || e.state.CompareAndSwap(entryTaken, entryAbandoned) {
		return why
	}
	return <-e.done
}

// claim moves e into a batch, unless its waiter has left and it may be
// dropped.
func (e *entry) claim() bool {
	return e.state.CompareAndSwap(entryQueued, entryTaken) || !e.dropped()
}

// settle delivers err. False: the waiter has left.
func (e *entry) settle(err error) bool {
	if e.done == nil {
		return true
	}
	if !e.state.CompareAndSwap(entryTaken, entrySettled) && !e.state.CompareAndSwap(entryQueued, entrySettled) {
		return false
	}
	e.done <- err
	return true
}

// finish adds the last record and stops the queue in one step, so that
// nothing can come behind it.
func (q *queue) finish(last *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.entries = append(q.entries, last)
		q.err = ErrStopped
	}
}
