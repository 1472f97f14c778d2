// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// MinShared is how many segments are worth waking another processor for. Of
// fewer, Inners has the caller do all, and one by one they cost no allocation.
const MinShared = 4

const (
	// maxWorkers bounds how many processors share the segments of one call.
	maxWorkers = 4
	// maxPause is how many calls, at most, a team makes alone after one for
	// which help did not pay.
	maxPause = 31
)

// atWork is how many goroutines of this process seal or open segments now. While
// each processor has one there is nobody to help.
var atWork atomic.Int32

// team shares the segments of one call among goroutines. They take segments
// one by one, so that a helper which starts late, because its processor is
// busy, leaves the work to the others instead of holding them up.
//
// None of them outlives the call: the memory that they work on belongs to the
// caller again when it returns.
type team struct {
	members [maxWorkers + 1]worker
	helpers [maxWorkers + 1]func() // what each helper runs, made once
	done    sync.WaitGroup

	work func(w *worker, i int) bool
	n    int64        // segments of this call
	next atomic.Int64 // the first that nobody has taken

	alone       time.Duration // what a segment takes one goroutine, 0 if not known
	rest, pause int           // calls to make alone from now on; and after help has not paid again
}

// worker is what one goroutine has to itself.
type worker struct {
	segmentAAD [9]byte
	bad        int // the segment that it failed at
}

// each calls work for 0 to n-1, in any order and several at a time, and returns
// how many there are before the first for which work returned false. A worker
// stops at its first failure; every segment before that was taken, by somebody,
// since they are taken in order.
func (t *team) each(n int, work func(w *worker, i int) bool) (good int) {
	t.work, t.n = work, int64(n)
	t.next.Store(0)
	size, began := t.size(n), time.Now()
	for i := 1; i < size; i++ {
		t.start(i)
	}
	t.run(0)
	t.done.Wait()
	t.work = nil
	t.judge(size > 1, time.Since(began)/time.Duration(n))
	good = n
	for _, w := range t.members[:size] {
		good = min(good, w.bad)
	}
	return good
}

// size is how many goroutines are to share n segments. Where it is more than
// one it is one more than processors: the scheduler leaves the goroutine that
// was started last to the processor which started it, for a while, and only
// those before it to another that is idle.
func (t *team) size(n int) int {
	if n < MinShared {
		return 1
	}
	if !t.ready() {
		t.rest = max(0, t.rest-1)
		return 1
	}
	return max(2, min(idle(), maxWorkers, n)) + 1
}

// want is how many segments the next call had best be given: many only where
// others help, since they need memory that is fetched into the caches of all.
func (t *team) want() int {
	if t.ready() {
		return 4 * MinShared
	}
	return MinShared
}

// ready reports whether the next call would ask for help.
func (t *team) ready() bool { return t.alone > 0 && t.rest == 0 && idle() >= 2 }

// idle is how many processors have no goroutine of this package, or the caller.
func idle() int { return runtime.GOMAXPROCS(0) - int(atWork.Load()) }

// judge learns from what a segment of the last call took. Help that does not save
// an eighth of the time twice in a row is not asked for again for a while, longer each
// time: then other processors have something else to do.
func (t *team) judge(shared bool, took time.Duration) {
	switch {
	case !shared && t.alone == 0:
		t.alone = took
	case !shared: // the least, since what a call is held up by is not its own; but not for ever
		t.alone = min(took, t.alone+t.alone/16)
	case 8*took <= 7*t.alone:
		t.pause = 0
	default:
		t.rest = t.pause
		t.pause = min(2*t.pause+1, maxPause)
	}
}

func (t *team) start(member int) {
	if t.helpers[member] == nil {
		t.helpers[member] = func() {
			defer t.done.Done()
			t.run(member)
		}
	}
	t.done.Add(1)
	go t.helpers[member]()
}

func (t *team) run(member int) {
	atWork.Add(1)
	defer atWork.Add(-1)
	w := &t.members[member]
	w.bad = int(t.n)
	for i := int(t.next.Add(1) - 1); i < int(t.n); i = int(t.next.Add(1) - 1) {
		if !t.work(w, i) {
			w.bad = i
			return
		}
	}
}
