// SPDX-License-Identifier: Apache-2.0

package authority

import "time"

// Status is what an operator may see of an authority. It holds no secret.
type Status struct {
	TrustDomain string
	Sequence    uint64 // of the bundle
	Keys        []KeyStatus
	Entries     int
	Conns       int    // open connections
	Streams     int    // calls and streams under way
	Refused     uint64 // connections and calls over the limits, since the start
}

// KeyStatus is one signing key.
type KeyStatus struct {
	Kind    string // "x509" or "jwt"
	KeyID   string
	State   string // "prepared", "active" or "retired"
	Created time.Time
	End     time.Time // nothing that it signed is valid from then on
	Next    time.Time // when its state changes next, if Serve runs
}

// Status returns how the authority is.
func (a *Authority) Status() Status {
	st := a.state.Load()
	out := Status{TrustDomain: a.cfg.TrustDomain.String(), Sequence: st.keys.sequence, Entries: len(st.entries)}
	out.Keys = append(out.Keys, schedule{ttl: a.cfg.SVIDTTL}.status("x509", st.keys.x509)...)
	out.Keys = append(out.Keys, schedule{ttl: a.cfg.JWTTTL}.status("jwt", st.keys.jwt)...)
	out.Conns, out.Streams, out.Refused = a.gate.counts()
	return out
}

// status shows public things of the keys only.
func (s schedule) status(kind string, keys []*signingKey) []KeyStatus {
	var out []KeyStatus
	signs, waits := find(keys, active), find(keys, prepared)
	for _, k := range keys {
		next := dropAt(k)
		if k.state != retired && signs != nil && waits != nil {
			next = earlier(next, s.activateAt(signs, waits))
		}
		out = append(out, KeyStatus{Kind: kind, KeyID: k.kid, State: string(k.state), Created: k.created, End: k.end, Next: next})
	}
	return out
}

func (g *gate) counts() (conns, streams int, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conns.all, g.streams.all, g.refused
}
