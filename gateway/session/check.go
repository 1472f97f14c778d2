// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// ErrExpired tells that a session is over.
var ErrExpired = errors.New("the session has expired")

// Checker holds sessions against what is in force now (§4).
type Checker struct {
	// Source has the bundles.
	Source certs.Source
	// Denials are checked for each request. Nil denies nobody.
	Denials *certs.Denials
	// Issuers are those whose tokens make sessions. Nil is none.
	Issuers *Issuers
}

// Check says whether a session may be used at now. It returns nil,
// [certs.ErrDenied], [certs.ErrUnknownTrustDomain], [certs.ErrNotReady] or, looked
// for last, [ErrExpired]. An issuer's keys are fetched if they are older than
// the session and lack its key: another replica may know newer ones.
func (c Checker) Check(ctx context.Context, s *Session, now time.Time) error {
	if s.Kind == IssuerToken {
		c.Issuers.catchUp(ctx, s)
	}
	return c.Recheck(s, now)
}

// Recheck is Check with what is there: it never waits. It is for requests that
// are running.
func (c Checker) Recheck(s *Session, now time.Time) error {
	m, err := c.Source.Current()
	if err != nil {
		return certs.ErrNotReady
	}
	if _, denied := c.Denials.Check(s.peer(), now); denied {
		return certs.ErrDenied
	}
	if s.Identity == m.ID || !c.vouched(s, m) {
		return certs.ErrUnknownTrustDomain
	}
	if !now.Before(s.Expires) {
		return ErrExpired
	}
	return nil
}

// vouched says whether what vouched for the credential still does.
func (c Checker) vouched(s *Session, m *certs.Material) bool {
	if s.Kind == IssuerToken {
		return c.Issuers.vouch(s)
	}
	bundle := m.Bundles[s.Identity.TrustDomain()]
	if bundle == nil {
		return false
	}
	if s.Kind == Certificate {
		return bundle.HasRoot(s.Anchor)
	}
	key, ok := bundle.JWT[s.Issuer]
	return ok && keyHash(key) == s.Anchor
}
