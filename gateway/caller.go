// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// caller is who makes a request: the identity that was proven, never one
// that was only claimed. The zero value is nobody.
type caller struct {
	// ID is whom policy, audit and limits mean.
	ID certs.ID
	// serial is that of the client certificate, "" without one.
	serial string
}

// byCertificate is the caller of a connection with a client certificate.
func byCertificate(p certs.Peer) caller { return caller{ID: p.ID, serial: p.Serial} }

// identify finds out who makes this request and re-checks what vouches for
// them: it may have expired or been denied since the last request.
func (x *exchange) identify() error {
	if err := x.c.guard.Recheck(x.start); err != nil {
		return x.disbelieve(err)
	}
	if x.snap.Policy == nil {
		return s3api.ServiceUnavailable("no policy is in force yet")
	}
	x.who = x.snap.principal(x.caller.ID)
	return nil
}

// disbelieve answers a caller whose certificate holds no more.
func (x *exchange) disbelieve(err error) error {
	if errors.Is(err, certs.ErrNotReady) {
		return s3api.ServiceUnavailable("the gateway has no current trust bundle; try again")
	}
	x.closeAfter()
	x.event.Event = refused
	reason := policy.UnknownTrustDomain
	switch {
	case errors.Is(err, certs.ErrExpired):
		reason = policy.SVIDExpired
	case errors.Is(err, certs.ErrDenied):
		reason = policy.IdentityDenied
	}
	return x.deny(reason, "", "use this connection")
}
