// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"sync"
	"time"
)

// gate holds callers to the limits of AUTHORITY.md §3.5, so that one user can
// neither starve the others nor the gateway.
type gate struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex         // guards what is below
	conns   tally              // open connections
	streams tally              // calls and streams under way
	buckets map[uint32]*bucket // uids that called lately
	refused uint64             // calls and connections
}

// bucket is a token bucket: tokens were left at the time at.
type bucket struct {
	tokens float64
	at     time.Time
}

// sweepAt is how many buckets are kept before full ones are thrown away: a user
// namespace gives one person 65,536 uids.
const sweepAt = 1024

func newGate(l Limits, now func() time.Time) *gate {
	return &gate{
		limits: l, now: now, buckets: map[uint32]*bucket{},
		conns:   tally{most: l.Conns, mostEach: l.ConnsPerUID, each: map[uint32]int{}},
		streams: tally{most: l.Streams, mostEach: l.StreamsPerUID, each: map[uint32]int{}},
	}
}

// tally counts what is open, in all and for each uid.
type tally struct {
	most, mostEach int
	all            int
	each           map[uint32]int
}

// take counts one more of uid, unless it would be one too many. Gate.mu is held.
func (t *tally) take(uid uint32) bool {
	if t.all >= t.most || t.each[uid] >= t.mostEach {
		return false
	}
	t.all++
	t.each[uid]++
	return true
}

// give counts one less. A uid with nothing open is forgotten: there may be very many.
func (t *tally) give(uid uint32) {
	t.all--
	if t.each[uid]--; t.each[uid] == 0 {
		delete(t.each, uid)
	}
}

// connect takes a place for a connection; release gives it back.
func (g *gate) connect(uid uint32) (release func(), ok bool) { return g.take(&g.conns, uid) }

// begin takes a place for a call, and one token of its rate.
func (g *gate) begin(uid uint32) (release func(), ok bool) {
	if !g.spend(uid) {
		return nil, false
	}
	return g.take(&g.streams, uid)
}

// take is tally.take with what undoes it, which works once however often it is called.
func (g *gate) take(t *tally, uid uint32) (func(), bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.take(uid) {
		g.refused++
		return nil, false
	}
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		t.give(uid)
	}), true
}

// spend takes one token of uid's bucket.
func (g *gate) spend(uid uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	b := g.buckets[uid]
	if b == nil {
		if len(g.buckets) >= sweepAt {
			g.sweep(now)
		}
		b = &bucket{tokens: float64(g.limits.Burst), at: now}
		g.buckets[uid] = b
	}
	g.fill(b, now)
	if b.tokens < 1 {
		g.refused++
		return false
	}
	b.tokens--
	return true
}

// fill adds what has come in since. A clock that was set back adds nothing.
func (g *gate) fill(b *bucket, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.tokens+d.Seconds()*g.limits.RatePerUID, float64(g.limits.Burst))
	}
	b.at = now
}

// sweep forgets full buckets: a new one is the same.
func (g *gate) sweep(now time.Time) {
	for uid, b := range g.buckets {
		if g.fill(b, now); b.tokens >= float64(g.limits.Burst) {
			delete(g.buckets, uid)
		}
	}
}
