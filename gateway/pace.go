// SPDX-License-Identifier: Apache-2.0

package gateway

import "time"

// paceWindow is the time in which a transfer must move MinRate times it.
const paceWindow = 30 * time.Second

// pace holds a peer to a least rate. Only the time spent waiting for the peer
// counts, not the time in which the gateway or the store behind it was slow.
type pace struct {
	rate   int64 // bytes per second
	waited time.Duration
	moved  int64
}

// deadline says until when the peer may take for the next step.
func (p *pace) deadline(now time.Time) time.Time {
	return now.Add(paceWindow - p.waited)
}

// step accounts for n bytes that took from start to now.
func (p *pace) step(n int, start, now time.Time) {
	p.moved += int64(n)
	p.waited += now.Sub(start)
	if p.moved >= p.rate*int64(paceWindow/time.Second) {
		p.moved, p.waited = 0, 0
	}
}
