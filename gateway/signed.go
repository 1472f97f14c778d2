// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/session"
	"github.com/sealgate/sealgate/rotation"
)

// This file is how a signature vouches for a caller (session/SESSIONS.md §4).

// sessionKeys is the tokens keyring as sessions use it.
type sessionKeys struct{ set *rotation.Set }

// Seal implements session.Keys.
func (k sessionKeys) Seal(aad, plain []byte) ([]byte, error) {
	return k.set.Box("tokens", "session").Seal(aad, plain)
}

// Open implements session.Keys.
func (k sessionKeys) Open(aad, sealed []byte) ([]byte, error) {
	return k.set.Box("tokens", "session").Open(aad, sealed)
}

// MAC implements session.Keys. A sealed value begins with the version of the
// keyring that sealed it.
func (k sessionKeys) MAC(sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, rotation.ErrBox
	}
	key, err := k.set.SystemVersion("tokens", binary.BigEndian.Uint32(sealed))
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key.Derive("session-secret", sha256.Size))
	m.Write(sealed)
	return m.Sum(nil), nil
}

// optionsOf says where the requests of a connection come in.
func (g *Gateway) optionsOf(c *conn) s3api.Options {
	if c.owner.sessions {
		return s3api.Options{Domain: g.config.SessionDomain, Listener: s3api.SessionKeys}
	}
	return s3api.Options{Domain: g.config.Domain}
}

// checker holds sessions against what is in force.
func (g *Gateway) checker(s *Snapshot) session.Checker {
	c := session.Checker{Source: g.config.TLS.Source, Denials: g.config.TLS.Denials}
	if s.STS != nil {
		c.Issuers = s.STS.Issuers
	}
	return c
}

// recheckSession is asked of requests that are running: it does not wait.
func (g *Gateway) recheckSession(s *session.Session, now time.Time) error {
	return g.checker(g.Current()).Recheck(s, now)
}

// runSigned is run on the listener for session keys. Whatever is wrong with a
// request, one that nobody signed is told that alone.
func (x *exchange) runSigned(wrong string) error {
	if x.snap.Policy == nil || x.snap.STS == nil {
		return s3api.ServiceUnavailable("no policy is in force yet")
	}
	if wrong != "" {
		return x.refuse(s3api.InvalidRequest(wrong))
	}
	op, fault := s3api.Parse(x.r, x.options)
	if op != nil {
		x.name(op)
	}
	if s3api.IsSTS(x.r, x.options) {
		return x.within(func() error {
			call, ok := op.(*s3api.STSCall)
			if fault != nil || !ok {
				return x.stranger(orNotServed(fault))
			}
			return x.sts(call)
		})
	}
	sig, err := s3api.ReadSignature(x.r)
	switch {
	case err != nil:
		return x.stranger(err)
	case sig == nil:
		return x.unsigned()
	}
	verified, err := x.believe(sig, func(secret []byte) (*s3api.Verified, error) { return sig.Verify(x.r, secret, x.start) })
	if err != nil {
		return err
	}
	return x.within(func() error {
		if fault != nil {
			return x.refuse(fault)
		}
		if err := x.checkPresigned(sig); err != nil {
			return x.refuse(err)
		}
		x.useSignature(verified)
		return x.carryOut()
	})
}

// orNotServed is the fault of a request, or that it is none of the served.
func orNotServed(fault error) error {
	if fault == nil {
		return s3api.NotImplemented("this call")
	}
	return fault
}

// stranger refuses a request that nobody vouched for, and ends its connection.
func (x *exchange) stranger(err error) error {
	x.closeAfter()
	return x.refuse(err)
}

// unsigned refuses a request without a signature.
func (x *exchange) unsigned() error {
	x.closeAfter()
	x.event.Event = refused
	doing := "use this listener"
	if x.op != nil {
		if act, ok := actionOf(x.op); ok {
			x.act.verb = act.verb
			doing = x.doing()
		}
	}
	return x.deny(policy.Unsigned, "", doing)
}

// believe verifies a signature with a session key, and the session against
// all that is in force. From then on the caller is the session's identity;
// where a certificate said who asks, it must be the same.
func (x *exchange) believe(sig *s3api.Signed, verify func(secret []byte) (*s3api.Verified, error)) (*s3api.Verified, error) {
	if err := x.needKeys(); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(sig.AccessKey, session.AccessPrefix) || sig.Token == "" {
		return nil, x.stranger(s3api.InvalidAccessKeyID(sig))
	}
	s, secret, err := session.Open(sessionKeys{x.snap.Keys}, x.g.config.Deployment, sig.AccessKey, string(sig.Token))
	if err != nil {
		return nil, x.stranger(s3api.AuthError(x.r, "InvalidToken", ""))
	}
	x.claimed, x.event.Session = s.Identity.String(), s.AccessKey()
	verified, err := verify(secret)
	if err != nil {
		return nil, x.mismatch(err)
	}
	if x.caller.ID.IsZero() {
		x.caller = bySession(s)
		x.c.owner.authenticated(x.c, s.Identity)
		x.event.Actor, x.event.ActorType, x.event.CertSerial = x.caller.ID.String(), x.caller.kind(), x.caller.serial
		x.event.TrustDomain = x.caller.ID.TrustDomain().String()
	}
	if x.caller.ID != s.Identity {
		x.event.Event, x.event.Detail = refused, map[string]string{"claimed": x.claimed}
		return nil, x.deny(policy.SignatureMismatch, "", "use a session of another identity")
	}
	x.claimed, x.caller.session = "", s
	if err := x.g.checker(x.snap).Check(x.r.Context(), s, x.start); err != nil {
		return nil, x.disbelieve(err, "use this session")
	}
	x.c.running.Store(s)
	x.who = x.snap.narrowed(s.Identity, s.Narrowing)
	return verified, nil
}

// needKeys answers 503 where the keyring of sessions is not open.
func (x *exchange) needKeys() error {
	if x.snap.Keys == nil || x.snap.Keys.System("tokens") == nil {
		return s3api.ServiceUnavailable("the keys are not available; try again")
	}
	return nil
}

// mismatch refuses a signature that is not right.
func (x *exchange) mismatch(err error) error {
	if e := asS3(err); e != nil && e.Code == "SignatureDoesNotMatch" {
		x.g.config.Metrics.decisions.WithLabelValues("deny", string(policy.SignatureMismatch)).Inc()
		x.event.Reason = string(policy.SignatureMismatch)
		x.w.Header().Set("X-Sealgate-Reason", string(policy.SignatureMismatch))
	}
	return x.stranger(err)
}

// alsoSigned looks at the signature of a client that showed a certificate. A
// key of ours must then be right and of the same identity, and narrows what
// the certificate may do; any other is none of our concern.
func (x *exchange) alsoSigned() error {
	sig, err := s3api.ReadSignature(x.r)
	switch {
	case err != nil:
		return x.refuse(err)
	case sig == nil || x.snap.STS == nil || !strings.HasPrefix(sig.AccessKey, session.AccessPrefix):
		return nil
	}
	verified, err := x.believe(sig, func(secret []byte) (*s3api.Verified, error) { return sig.Verify(x.r, secret, x.start) })
	if err != nil {
		return err
	}
	x.useSignature(verified)
	return nil
}

// useSignature has the chunks of a signed upload verified.
func (x *exchange) useSignature(v *s3api.Verified) {
	switch op := x.op.(type) {
	case *s3api.PutObject:
		op.UseSignature(v)
	case *s3api.UploadPart:
		op.UseSignature(v)
	}
}

// checkPresigned holds a presigned request to SESSIONS.md §6.
func (x *exchange) checkPresigned(sig *s3api.Signed) error {
	if !sig.Presigned {
		return nil
	}
	if most := x.snap.STS.MaxPresign; sig.Expires > most {
		return s3api.AccessDenied(fmt.Sprintf("a presigned request holds for at most %s here, this one for %s", most, sig.Expires))
	}
	switch op := x.op.(type) {
	case *s3api.GetObject, *s3api.HeadObject, *s3api.UploadPart:
		return nil
	case *s3api.PutObject:
		if op.IfNoneMatch && !sig.Covers("if-none-match") {
			return s3api.AccessDenied("if-none-match must be among the signed headers of this presigned request")
		}
		return nil
	}
	return s3api.AccessDenied("a presigned request is for GetObject, HeadObject, PutObject or UploadPart")
}

// STS says how sessions are made. It is part of a [Snapshot].
type STS struct {
	// Terms bound sessions.
	Terms session.Terms
	// MaxPresign is the longest that a presigned request may hold.
	MaxPresign time.Duration
	// Issuers are those whose tokens make sessions. Nil is none.
	Issuers *session.Issuers
}

// audience is what a JWT-SVID for this deployment must name.
func (g *Gateway) audience() string { return "sealgate:" + g.config.Deployment.String() }

// maxTokenLife bounds web tokens as it does certificates.
func (g *Gateway) maxTokenLife() time.Duration {
	if g.config.TLS.MaxLifetime > 0 {
		return g.config.TLS.MaxLifetime
	}
	return certs.DefaultMaxLifetime
}
