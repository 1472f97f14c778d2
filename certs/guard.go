// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"sync/atomic"
	"time"
)

// Guard holds what was verified of one connection's peer and says for each request
// whether it still holds. It is safe for use by many goroutines.
type Guard struct {
	conf  ServerConfig
	peer  Peer
	chain []*x509.Certificate
	seen  atomic.Pointer[seen]
}

// seen is what the peer was last checked against.
type seen struct {
	material *Material
	bundle   *Bundle
	denials  uint64 // generation
}

// NewGuard verifies the peer of a connection whose handshake is done. It verifies
// anew rather than trust the handshake: bundles and denials may have changed in
// between, and the caller's configuration may not be of [ServerTLS]. The error is a
// *[RejectError].
func NewGuard(c ServerConfig, cs tls.ConnectionState) (*Guard, error) {
	m, err := c.Source.Current()
	if err != nil {
		return nil, &RejectError{Reason: ReasonNotReady, Err: err}
	}
	generation := c.Denials.Generation() // before the check: a later change shows as a new generation
	peer, err := verifyClient(c, m, cs.PeerCertificates, time.Now())
	if err != nil {
		return nil, err
	}
	g := &Guard{conf: c, peer: peer, chain: slices.Clone(cs.PeerCertificates)}
	g.seen.Store(&seen{material: m, bundle: m.Bundles[peer.ID.TrustDomain()], denials: generation})
	return g, nil
}

// Peer returns the verified peer.
func (g *Guard) Peer() Peer { return g.peer }

// Recheck says whether the peer is still believed at now; it is called for each
// request, and for open connections in between. It returns nil, or a
// *[RejectError] such as [ErrExpired], [ErrDenied], [ErrUnknownTrustDomain] or
// [ErrNotReady]. Expiry is looked for last: whoever lets a running transfer end
// after it must still hear of a denial. While nothing has changed since the last
// call Recheck compares three words and a time, and allocates nothing.
func (g *Guard) Recheck(now time.Time) error {
	m, err := g.conf.Source.Current()
	if err != nil {
		return ErrNotReady
	}
	s := g.seen.Load()
	generation := g.conf.Denials.Generation()
	if s.material != m || s.denials != generation {
		if err := g.recheckAll(m, generation, now); err != nil {
			return err
		}
	}
	if !now.Before(g.peer.NotAfter) {
		return ErrExpired
	}
	return nil
}

// recheckAll runs when the material or the denials have changed. The signatures
// are looked at again only if the peer's own bundle holds other roots than before.
func (g *Guard) recheckAll(m *Material, generation uint64, now time.Time) error {
	if rule, denied := g.conf.Denials.Check(g.peer, now); denied {
		return &RejectError{Reason: ReasonDenied, ID: g.peer.ID, Rule: rule}
	}
	bundle := m.Bundles[g.peer.ID.TrustDomain()]
	if bundle == nil {
		return &RejectError{Reason: ReasonUnknownTrustDomain, ID: g.peer.ID}
	}
	if m.ID == g.peer.ID {
		return &RejectError{Reason: ReasonOwnID, ID: g.peer.ID}
	}
	if !bundle.sameRoots(g.seen.Load().bundle) {
		if _, err := verifyClient(g.conf, m, g.chain, g.inLife(now)); err != nil {
			return err
		}
	}
	g.seen.Store(&seen{material: m, bundle: bundle, denials: generation})
	return nil
}

// inLife is now, or the last second of the certificate if that is over: whether
// its roots are still trusted is another question than whether it has expired.
func (g *Guard) inLife(now time.Time) time.Time {
	if last := g.peer.NotAfter.Add(-time.Second); now.After(last) {
		return last
	}
	return now
}
