// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// DefaultMaxLifetime is the longest validity of a client certificate where
	// [ServerConfig.MaxLifetime] is zero.
	DefaultMaxLifetime = 24 * time.Hour

	// maxChain bounds the certificates that a peer may show: leaf and 3
	// intermediates. It is checked before any signature is.
	maxChain = 4
)

// ServerConfig is how a server checks its clients.
type ServerConfig struct {
	// Source yields the server's own certificate and the bundles. Required.
	Source Source
	// MaxLifetime is the longest NotAfter - NotBefore of a client certificate that
	// is accepted. There are no revocation lists, so it also bounds how long a
	// stolen one is of use to somebody unnoticed. 0 is DefaultMaxLifetime.
	MaxLifetime time.Duration
	// Denials are checked for each handshake and request. Nil denies nobody.
	Denials *Denials
	// Rejected, if not nil, is called for each refused handshake, from the
	// handshake's goroutine. It must not block.
	Rejected func(reason Reason, remote net.Addr)
}

// Verify decides whether a client is believed: chain is what it showed, leaf
// first. It is called for each handshake, and by [Guard] whenever the bundles have
// changed. The error is a *[RejectError].
func Verify(c ServerConfig, chain []*x509.Certificate, now time.Time) (Peer, error) {
	m, err := c.Source.Current()
	if err != nil {
		return Peer{}, &RejectError{Reason: ReasonNotReady, Err: err}
	}
	return verifyClient(c, m, chain, now)
}

// verifyClient is Verify within one snapshot.
func verifyClient(c ServerConfig, m *Material, chain []*x509.Certificate, now time.Time) (Peer, error) {
	v := verifier{bundles: m.Bundles, usage: x509.ExtKeyUsageClientAuth, maxLifetime: c.MaxLifetime}
	if v.maxLifetime <= 0 {
		v.maxLifetime = DefaultMaxLifetime
	}
	peer, err := v.verify(chain, now)
	if err != nil {
		return Peer{}, err
	}
	if peer.ID == m.ID {
		return Peer{}, &RejectError{Reason: ReasonOwnID, ID: peer.ID}
	}
	if rule, denied := c.Denials.Check(peer, now); denied {
		return Peer{}, &RejectError{Reason: ReasonDenied, ID: peer.ID, Rule: rule}
	}
	return peer, nil
}

// verifier is one end's demands on the other end's certificate.
type verifier struct {
	bundles     map[TrustDomain]*Bundle
	usage       x509.ExtKeyUsage // what the peer's extended key usage must allow, if it has one
	maxLifetime time.Duration    // 0: no cap
}

// verify believes a chain or gives the reason why not. The cheap checks come
// first; the signatures are only looked at when everything else is in order.
func (v verifier) verify(chain []*x509.Certificate, now time.Time) (Peer, error) {
	if len(chain) == 0 {
		return Peer{}, &RejectError{Reason: ReasonNoCertificate}
	}
	if len(chain) > maxChain {
		return Peer{}, &RejectError{Reason: ReasonChainTooLong, Err: fmt.Errorf("%d certificates, at most %d are allowed", len(chain), maxChain)}
	}
	id, reject := leafID(chain[0])
	if reject != nil {
		return Peer{}, reject
	}
	if reject := v.checkShape(chain, now); reject != nil {
		reject.ID = id
		return Peer{}, reject
	}
	verified, reject := v.checkTrust(id.TrustDomain(), chain, now)
	if reject != nil {
		reject.ID = id
		return Peer{}, reject
	}
	return newPeer(id, verified), nil
}

// LeafID returns the one workload ID that a leaf names. It is a claim: nothing
// else of the certificate is looked at. The error is a *[RejectError].
func LeafID(leaf *x509.Certificate) (ID, error) {
	id, reject := leafID(leaf)
	if reject != nil {
		return ID{}, reject
	}
	return id, nil
}

// leafID returns the one workload ID of a leaf (X509-SVID §2, §5.2).
func leafID(leaf *x509.Certificate) (ID, *RejectError) {
	uris, err := uriSANs(leaf)
	switch {
	case err != nil:
		return ID{}, &RejectError{Reason: ReasonBadID, Err: err}
	case len(uris) == 0:
		return ID{}, &RejectError{Reason: ReasonNoID}
	case len(uris) > 1:
		return ID{}, &RejectError{Reason: ReasonManyIDs, Err: fmt.Errorf("%d of them", len(uris))}
	}
	id, err := ParseID(uris[0])
	if err != nil {
		return ID{}, &RejectError{Reason: ReasonBadID, Err: err}
	}
	if id.Path() == "" {
		return ID{}, &RejectError{Reason: ReasonRootID, ID: id}
	}
	return id, nil
}

// checkTrust verifies the signatures against the bundle of td alone and returns
// the chain from the leaf to the root, of at least two.
func (v verifier) checkTrust(td TrustDomain, chain []*x509.Certificate, now time.Time) ([]*x509.Certificate, *RejectError) {
	bundle := v.bundles[td]
	if bundle == nil {
		return nil, &RejectError{Reason: ReasonUnknownTrustDomain}
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	verified, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         bundle.Pool(),
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{v.usage},
	})
	if err != nil {
		return nil, &RejectError{Reason: ReasonUntrusted, Err: err}
	}
	if len(verified[0]) < 2 {
		// A leaf that is itself in the pool: Bundle.Pool keeps such out.
		return nil, &RejectError{Reason: ReasonUntrusted, Err: errors.New("the leaf is its own issuer")}
	}
	return verified[0], nil
}
