// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/netip"
	"sync"
)

// Bounds of what one second of refusals can put into the log, whatever a
// client does: AUDIT.md "Who can cheat".
const (
	maxIdentities = 1024
	maxNetworks   = 256
)

// denials decides which refusals get a record of their own, and counts the
// others until the next flush, one second later.
type denials struct {
	rate int

	mu sync.Mutex
	by map[string]*denial // guarded by mu; by actor
}

type denial struct {
	actor, trustDomain string

	single int // records of their own since the last flush
	count  uint64
	seen   map[string]bool
	denied []string
	size   int
}

// single reports whether e gets a record of its own; if not it is counted.
func (d *denials) single(e *Event) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.of(e)
	if n.single < d.rate {
		n.single++
		return true
	}
	n.count++
	n.note(e)
	return false
}

// of returns the counters of e's actor. Beyond maxIdentities all others
// share one, without a name.
func (d *denials) of(e *Event) *denial {
	actor, td := clip(e.Actor, maxString), clip(e.TrustDomain, maxString)
	n, ok := d.by[actor]
	if !ok && len(d.by) >= maxIdentities {
		actor, td = "", ""
		n, ok = d.by[actor]
	}
	if !ok {
		n = &denial{actor: actor, trustDomain: td, seen: make(map[string]bool)}
		d.by[actor] = n
	}
	return n
}

// note keeps up to maxDenied distinct refusals by name.
func (n *denial) note(e *Event) {
	r := Record{Bucket: e.Bucket, Key: e.Key}
	what := clip(e.Action, maxID) + " " + clip(r.Path(), maxString) + " " + clip(e.Reason, maxID)
	if n.seen[what] || len(n.denied) >= maxDenied {
		return
	}
	size := n.size + len(appendString(nil, what))
	if size > maxDeniedSize {
		return
	}
	n.seen[what], n.size = true, size
	n.denied = append(n.denied, what)
}

// flush returns the summaries of what was counted and begins a new second.
func (d *denials) flush() []Record {
	d.mu.Lock()
	by := d.by
	d.by = make(map[string]*denial)
	d.mu.Unlock()
	var out []Record
	for _, n := range by {
		if n.count > 0 {
			out = append(out, Record{
				Phase: PhaseSummary, Event: EventDenials, Actor: n.actor, TrustDomain: n.trustDomain,
				Decision: "deny", Count: n.count, Denied: n.denied,
			})
		}
	}
	return out
}

// handshakes counts refused connections, of which no identity is known.
type handshakes struct {
	mu sync.Mutex
	by map[handshake]uint64 // guarded by mu
}

type handshake struct{ reason, network string }

// add counts. When there are too many kinds they share one: first the networks,
// then the reasons, so that the memory and the records of a second are bounded.
func (h *handshakes) add(reason string, remote netip.Addr) {
	k := handshake{clip(reason, maxID), network(remote)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.by[k]; !ok && len(h.by) >= maxNetworks {
		k.network = "" // from anywhere
	}
	if _, ok := h.by[k]; !ok && len(h.by) >= 2*maxNetworks {
		k.reason = "other"
	}
	h.by[k]++
}

// network is the /24 or, of IPv6, the /48 of an address.
func network(a netip.Addr) string {
	a = a.Unmap()
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil || !p.IsValid() {
		return "" // an address that is none, such as that of a unix socket
	}
	return p.String()
}

func (h *handshakes) flush() []Record {
	h.mu.Lock()
	by := h.by
	h.by = make(map[handshake]uint64)
	h.mu.Unlock()
	var out []Record
	for k, n := range by {
		out = append(out, Record{
			Phase: PhaseSummary, Event: EventHandshake, Reason: k.reason, SrcIP: k.network, Count: n,
		})
	}
	return out
}
