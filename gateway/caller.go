// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/session"
)

// caller is who makes a request: the identity that was proven, never one
// that was only claimed. The zero value is nobody.
type caller struct {
	// ID is whom policy, audit and limits mean.
	ID certs.ID
	// serial is that of the client certificate, "" without one.
	serial string
	// session is what the request was signed with, nil without. It is of the
	// same identity as the certificate, where both are there.
	session *session.Session
}

// byCertificate is the caller of a connection with a client certificate.
func byCertificate(p certs.Peer) caller { return caller{ID: p.ID, serial: p.Serial} }

// bySession is the caller of a request whose signature was right.
func bySession(s *session.Session) caller {
	c := caller{ID: s.Identity, session: s}
	if s.Kind == session.Certificate {
		c.serial = s.Serial
	}
	return c
}

// kind is the type of an actor, for the record; nobody has none.
func (c caller) kind() string {
	if c.ID.IsZero() {
		return ""
	}
	return "service"
}

// String names the caller to itself.
func (c caller) String() string {
	if c.ID.IsZero() {
		return "an unsigned request"
	}
	return c.ID.String()
}

// identify re-checks the certificate of the connection: it may have expired
// or been denied since the last request.
func (x *exchange) identify() error {
	if err := x.c.guard.Recheck(x.start); err != nil {
		return x.disbelieve(err, "use this connection")
	}
	if x.snap.Policy == nil {
		return s3api.ServiceUnavailable("no policy is in force yet")
	}
	x.who = x.snap.principal(x.caller.ID)
	return nil
}

// disbelieve answers a caller whose certificate or session holds no more.
func (x *exchange) disbelieve(err error, doing string) error {
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
	case errors.Is(err, session.ErrExpired):
		reason = policy.SessionExpired
	}
	answer := x.deny(reason, "", doing)
	if e := asS3(answer); reason == policy.SessionExpired && e.Code == "AccessDenied" {
		return s3api.AuthError(x.r, "ExpiredToken", "") // what SDKs look for
	}
	return answer
}
