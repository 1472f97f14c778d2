// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"runtime"
	"sync/atomic"
)

// minLot is how many segments are worth a goroutine of their own.
const minLot = 4

// lots is how many are in work in this process, streams how many are written that
// might have some.
var lots, streams atomic.Int32

// spare reports whether there are processors that nobody else needs: as many
// streams keep as many of them at work by themselves, at less cost.
func spare() bool {
	procs := int32(runtime.GOMAXPROCS(0))
	return procs > 1 && streams.Load() < procs && lots.Load() < 2*procs
}

// lot has the next up to so many pieces made by a goroutine of their own, so that
// one stream uses several processors. It returns nil where that cannot be.
func (p *pump) lot(pieces int) (b *batch) {
	if len(p.out) > 0 || p.err != nil || !spare() {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			b = &batch{panicked: v}
		}
	}()
	from, work := p.st.lot(pieces, p.stopped)
	if work == nil {
		return nil
	}
	b = &batch{buf: getBuffer(int64(pieces * p.unit)), made: make(chan struct{})}
	lots.Add(1)
	go b.make(from, work)
	return b
}

// make makes the pieces of a lot.
func (b *batch) make(from *buffer, work func([]byte) ([]byte, error)) {
	defer close(b.made)
	defer lots.Add(-1)
	defer from.put()
	defer func() { b.panicked = recover() }() // to go on where the stream is written
	b.out, b.err = work(b.buf.b[:0])
}
