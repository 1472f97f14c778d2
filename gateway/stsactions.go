// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/session"
)

// stsAction gives the rows of the token service: the row of a call is chosen
// by the action that stands in its body.
func stsAction(s3api.Op) (action, bool) { return action{}, false }

// stsRow is what the token service has in place of an action row.
type stsRow struct {
	event  string
	change bool
	serve  func(*exchange, *s3api.STSRequest) error
}

var stsRows = map[string]stsRow{
	s3api.AssumeRoleWithWebIdentity: {"session.mint", true, (*exchange).assumeByToken},
	s3api.AssumeRoleWithCertificate: {"session.mint", true, (*exchange).assumeByCertificate},
	s3api.GetCallerIdentity:         {"session.identity", false, (*exchange).callerIdentity},
}

// sts serves a call of the token service (S3.md, "STS").
func (x *exchange) sts(call *s3api.STSCall) error {
	q, err := call.Read(x.body)
	if err != nil {
		return x.stranger(err)
	}
	row, ok := stsRows[q.Action]
	if !ok {
		return x.stranger(s3api.NewSTSError("InvalidAction", ""))
	}
	x.event.Action, x.event.Event, x.event.AwaitOutcome = q.Action, row.event, row.change
	x.act = action{event: row.event, change: row.change}
	if err = row.serve(x, q); err != nil && !x.noted {
		return x.refuse(err)
	}
	return err
}

// sessionsOff is what who asks for a session is told where there are none.
func sessionsOff() error {
	return s3api.NewSTSError("AccessDenied", "session keys are off; listeners.s3_session_keys.enabled: true in the gateway's configuration turns them on")
}

// assumeByCertificate makes a session for the peer of this connection.
func (x *exchange) assumeByCertificate(q *s3api.STSRequest) error {
	switch {
	case x.c.guard == nil:
		return x.stranger(s3api.NewSTSError("AccessDenied", "AssumeRoleWithCertificate wants a client certificate: call it on the mTLS listener"))
	case x.snap.STS == nil:
		return sessionsOff()
	}
	if err := x.notBySession(); err != nil {
		return err
	}
	return x.mint(q, session.WebToken{Credential: session.FromPeer(x.c.guard.Peer())})
}

// notBySession refuses a mint that is signed with a session key: no session
// makes another.
func (x *exchange) notBySession() error {
	sig, err := s3api.ReadSignature(x.r)
	switch {
	case err != nil:
		return x.stranger(err)
	case sig != nil && strings.HasPrefix(sig.AccessKey, session.AccessPrefix):
		return x.stranger(s3api.NewSTSError("AccessDenied", "a session makes no other session: send this call without its signature"))
	}
	return nil
}

// assumeByToken makes a session for whom a web token speaks of.
func (x *exchange) assumeByToken(q *s3api.STSRequest) error {
	if !x.c.owner.sessions {
		return s3api.NewSTSError("AccessDenied", "AssumeRoleWithWebIdentity is served on the listener for session keys (listeners.s3_session_keys)")
	}
	if err := x.notBySession(); err != nil {
		return err
	}
	v := session.Verifier{Source: x.g.config.TLS.Source, Audience: x.g.audience(), Issuers: x.snap.STS.Issuers, MaxLifetime: x.g.maxTokenLife()}
	web, err := v.Verify(x.r.Context(), string(q.WebIdentityToken), x.start)
	if err != nil {
		return x.stranger(webTokenError(err))
	}
	x.caller = caller{ID: web.Credential.Identity}
	x.event.Actor, x.event.ActorType, x.event.TrustDomain = x.caller.ID.String(), x.caller.kind(), x.caller.ID.TrustDomain().String()
	// Connections of nobody are few: who has shown a token is not among them.
	x.c.owner.authenticated(x.c, x.caller.ID)
	return x.within(func() error { return x.mint(q, web) })
}

// webTokenErrors maps what is wrong with a token to the words of AWS.
var webTokenErrors = []struct {
	is   error
	code string
}{
	{session.ErrWebExpired, "ExpiredTokenException"},
	{session.ErrClaim, "IDPRejectedClaim"},
	{session.ErrIssuerKeys, "IDPCommunicationError"},
	{session.ErrWebToken, "InvalidIdentityToken"},
}

func webTokenError(err error) error {
	for _, row := range webTokenErrors {
		if errors.Is(err, row.is) {
			return s3api.NewSTSError(row.code, err.Error())
		}
	}
	return err
}

// mint makes a session of a credential that was verified just now, if there
// is anything left that it may do.
func (x *exchange) mint(q *s3api.STSRequest, web session.WebToken) error {
	if err := x.needKeys(); err != nil {
		return err
	}
	n, err := session.Narrow(q.RoleARN, q.Policy)
	if err != nil {
		return x.refuse(narrowError(err))
	}
	s, err := session.New(web.Credential, n, q.Duration, x.snap.STS.Terms, x.start)
	if err != nil {
		return x.refuse(lifetimeError(err))
	}
	if err := x.g.checker(x.snap).Check(x.r.Context(), s, x.start); err != nil {
		return x.disbelieve(err, "have a session")
	}
	x.who = x.snap.narrowed(s.Identity, s.Narrowing)
	d := onAnything(x.who, x)
	x.event.Rule, x.event.Role, x.event.PolicyDigest = d.Rule(), d.Role(), x.snap.Policy.Digest()
	if !d.Allowed() {
		return x.deny(d.Reason(), d.Rule(), "have a session of role "+session.RoleARN(n.Role))
	}
	x.event.Session, x.event.Detail = s.AccessKey(), mintDetail(s, web)
	return x.hand(q, s, web)
}

// hand gives a session to its caller, once it is on the record.
func (x *exchange) hand(q *s3api.STSRequest, s *session.Session, web session.WebToken) error {
	if err := x.begin(); err != nil {
		return err
	}
	c, err := session.Seal(sessionKeys{x.snap.Keys}, x.g.config.Deployment, s)
	switch {
	case errors.Is(err, session.ErrTooLarge):
		return s3api.NewSTSError("PackedPolicyTooLarge", "")
	case err != nil:
		return err
	}
	x.outcome.Status = http.StatusOK
	if err := x.end(); err != nil { // nothing leaves that is not on the record
		return x.unrecorded(err)
	}
	name := q.SessionName
	if name == "" {
		name = "session"
	}
	s3api.WriteSession(x.w, q.Action, s3api.Session{
		Credentials: s3api.Credentials{AccessKey: c.AccessKey, Secret: s3api.Secret(c.Secret), Token: s3api.Secret(c.Token)}, Expires: c.Expires,
		ARN: assumedARN(s, name), ID: c.AccessKey + ":" + name,
		Subject: web.Subject, Audience: web.Audience, Provider: web.Provider,
	}, x.id)
	return nil
}

// assumedARN names a session as AWS does.
func assumedARN(s *session.Session, name string) string {
	role := s.Narrowing.Role
	if role == "" {
		role = "*"
	}
	return "arn:sealgate:sts:::assumed-role/" + role + "/" + name
}

// mintDetail is what the record of a session holds besides its name.
func mintDetail(s *session.Session, web session.WebToken) map[string]string {
	d := map[string]string{
		"kind": s.Kind.String(), "expires": s.Expires.Format(time.RFC3339), "session_role": session.RoleARN(s.Narrowing.Role),
		"credential_serial": s.Serial, "credential_issuer": s.Issuer,
	}
	if web.Provider != "" {
		d["provider"], d["subject"] = web.Provider, web.Subject
	}
	if s.Narrowing.Scopes != nil {
		d["scopes"] = strings.Trim(fmt.Sprint(s.Narrowing.Scopes), "[]")
	}
	return d
}

func narrowError(err error) error {
	if errors.Is(err, session.ErrPolicy) {
		return s3api.NewSTSError("MalformedPolicyDocument", err.Error())
	}
	return s3api.NewSTSError("ValidationError", err.Error())
}

func lifetimeError(err error) error {
	switch {
	case errors.Is(err, session.ErrExpired):
		return s3api.NewSTSError("ExpiredTokenException", "the credential that the session would be made from is over")
	case errors.Is(err, session.ErrPolicy):
		return narrowError(err)
	}
	return s3api.NewSTSError("ValidationError", "DurationSeconds: "+err.Error())
}

// callerIdentity says who asks.
func (x *exchange) callerIdentity(q *s3api.STSRequest) error {
	if err := x.signedCall(q); err != nil {
		return err
	}
	d := x.who.DecideSelf()
	x.event.PolicyDigest = x.snap.Policy.Digest()
	if !d.Allowed() {
		return x.deny(d.Reason(), "", "ask who it is")
	}
	if err := x.begin(); err != nil {
		return err
	}
	arn := "arn:sealgate:iam:::identity/" + strings.TrimPrefix(x.caller.ID.String(), "spiffe://")
	if s := x.caller.session; s != nil {
		arn = assumedARN(s, s.AccessKey())
	}
	s3api.WriteCallerIdentity(x.w, s3api.CallerIdentity{ARN: arn, UserID: x.caller.ID.String(), Account: x.g.config.Deployment.String()}, x.id)
	return nil
}

// signedCall finds out who makes a call that may be signed: on the listener
// for session keys it must be.
func (x *exchange) signedCall(q *s3api.STSRequest) error {
	sig, err := s3api.ReadSignature(x.r)
	ours := sig != nil && strings.HasPrefix(sig.AccessKey, session.AccessPrefix)
	switch {
	case err != nil:
		return x.stranger(err)
	case sig == nil && x.caller.ID.IsZero():
		x.closeAfter()
		return x.deny(policy.Unsigned, "", "ask who it is")
	case !x.caller.ID.IsZero() && (x.snap.STS == nil || !ours):
		return nil // the certificate says who asks
	}
	_, err = x.believe(sig, func(secret []byte) (*s3api.Verified, error) { return sig.VerifyForm(x.r, q, secret, x.start) })
	return err
}
