// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sealgate/sealgate/certs"
)

// Faults of web tokens. Every error of [Verifier.Verify] wraps one of them; its
// text says what is wrong, and nothing of the token.
var (
	// ErrWebToken: it is none, or its signature is not right.
	ErrWebToken = errors.New("the web identity token is not valid here")
	// ErrWebExpired: it is over.
	ErrWebExpired = errors.New("the web identity token has expired")
	// ErrClaim: its signature is right, and what it says does not do.
	ErrClaim = errors.New("the web identity token does not give what is needed")
	// ErrIssuerKeys: the keys of its issuer cannot be had at present.
	ErrIssuerKeys = errors.New("the keys of the token's issuer cannot be had; try again")
)

const (
	maxWebToken = 16 << 10    // bytes
	maxAhead    = time.Minute // how far ahead iat and nbf may be
)

// Verifier verifies the web tokens that sessions are made from (§3).
type Verifier struct {
	// Source has the bundles with the keys of JWT-SVIDs.
	Source certs.Source
	// Audience is the one audience of a JWT-SVID.
	Audience string
	// Issuers are those of all other tokens. Nil is none.
	Issuers *Issuers
	// MaxLifetime is the longest time between iat and exp.
	MaxLifetime time.Duration
}

// WebToken is what a verified token said of itself.
type WebToken struct {
	// Credential is what a session of it is made from.
	Credential Credential
	// Subject, Audience and Provider are sub, aud and who made it: the issuer, or
	// the trust domain.
	Subject, Audience, Provider string
}

// Verify verifies a token that is used at now. What it gives was vouched for by
// a key of its issuer: whether the identity is denied is for [Checker].
func (v Verifier) Verify(ctx context.Context, token string, now time.Time) (WebToken, error) {
	t, err := parseWebToken(token)
	if err != nil {
		return WebToken{}, err
	}
	var claimed jwt.Claims
	if err := t.parsed.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return WebToken{}, fmt.Errorf("%w: its claims cannot be read", ErrWebToken)
	}
	if strings.HasPrefix(claimed.Subject, "spiffe://") {
		return v.jwtSVID(t, claimed.Subject, now)
	}
	return v.issuerToken(ctx, t, claimed.Issuer, now)
}

// webToken is a token before its signature was looked at.
type webToken struct {
	parsed   *jwt.JSONWebToken
	kid, alg string
}

// parseWebToken reads the compact form. Of the header only kid and alg count.
func parseWebToken(token string) (webToken, error) {
	if len(token) > maxWebToken {
		return webToken{}, fmt.Errorf("%w: it has over %d bytes", ErrWebToken, maxWebToken)
	}
	parsed, err := jwt.ParseSigned(token, allAlgorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return webToken{}, fmt.Errorf("%w: it is not a JWT with one signature of a kind that is taken", ErrWebToken)
	}
	h := parsed.Headers[0]
	if h.KeyID == "" {
		return webToken{}, fmt.Errorf("%w: it names no key (kid)", ErrWebToken)
	}
	if _, critical := h.ExtraHeaders["crit"]; critical {
		return webToken{}, fmt.Errorf("%w: its header has crit", ErrWebToken)
	}
	return webToken{parsed: parsed, kid: h.KeyID, alg: h.Algorithm}, nil
}

// typed says whether typ is absent or one of the words.
func (t webToken) typed(words ...string) bool {
	typ, there := t.parsed.Headers[0].ExtraHeaders[jose.HeaderType]
	text, _ := typ.(string) // a typ of another type is none of the words
	return !there || slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, text) })
}

// verified gives the claims that key signed.
func (t webToken) verified(key signingKey) (jwt.Claims, map[string]any, error) {
	var c jwt.Claims
	all := map[string]any{}
	if !slices.Contains(key.algs, jose.SignatureAlgorithm(t.alg)) {
		return c, nil, fmt.Errorf("%w: its algorithm does not go with its key", ErrWebToken)
	}
	if err := t.parsed.Claims(key.key, &c, &all); err != nil {
		return c, nil, fmt.Errorf("%w: its signature is not right", ErrWebToken)
	}
	return c, all, nil
}

// jwtSVID verifies a token of a trust domain with a bundle.
func (v Verifier) jwtSVID(t webToken, subject string, now time.Time) (WebToken, error) {
	id, err := certs.ParseID(subject)
	if err != nil || id.Path() == "" {
		return WebToken{}, fmt.Errorf("%w: its sub is not the SPIFFE ID of a workload", ErrWebToken)
	}
	m, err := v.Source.Current()
	if err != nil {
		return WebToken{}, fmt.Errorf("%w: the gateway has no bundles", ErrIssuerKeys)
	}
	bundle := m.Bundles[id.TrustDomain()]
	if bundle == nil || len(bundle.JWT) == 0 {
		return WebToken{}, fmt.Errorf("%w: no keys of trust domain %s are known", ErrWebToken, id.TrustDomain())
	}
	public, ok := bundle.JWT[t.kid]
	if !ok {
		return WebToken{}, fmt.Errorf("%w: its kid is not in the bundle of trust domain %s", ErrWebToken, id.TrustDomain())
	}
	key, err := newSigningKey(public, "")
	if err != nil || !t.typed("JWT", "JOSE") {
		return WebToken{}, fmt.Errorf("%w: its key or its typ is not that of a JWT-SVID", ErrWebToken)
	}
	c, _, err := t.verified(key)
	if err != nil {
		return WebToken{}, err
	}
	if err := v.checkClaims(c, v.Audience, now); err != nil {
		return WebToken{}, err
	}
	if id == m.ID {
		return WebToken{}, fmt.Errorf("%w: the gateway's own identity is never a client", ErrClaim)
	}
	out := webTokenOf(c, key, t.kid, id.TrustDomain().ID().String())
	out.Credential.Kind, out.Credential.Identity = JWTSVID, id
	return out, nil
}

// issuerToken verifies a token of a configured issuer.
func (v Verifier) issuerToken(ctx context.Context, t webToken, iss string, now time.Time) (WebToken, error) {
	issuer := v.Issuers.named(iss)
	if issuer == nil {
		return WebToken{}, fmt.Errorf("%w: its issuer is not one of sts.issuers, and its sub is no SPIFFE ID", ErrWebToken)
	}
	key, err := issuer.keys.find(ctx, t.kid)
	if err != nil {
		return WebToken{}, err
	}
	if !t.typed("JWT", "JOSE", "at+jwt", "application/at+jwt") {
		return WebToken{}, fmt.Errorf("%w: its typ is not that of an identity", ErrWebToken)
	}
	c, all, err := t.verified(key)
	if err != nil {
		return WebToken{}, err
	}
	if err := v.checkClaims(c, issuer.Audience, now); err != nil {
		return WebToken{}, err
	}
	id, ok := issuer.Template.ID(all)
	if !ok || c.Issuer != iss {
		return WebToken{}, fmt.Errorf("%w: a claim that the issuer's template uses is absent, or cannot be a segment of a SPIFFE ID", ErrClaim)
	}
	if m, err := v.Source.Current(); err != nil || m.Bundles[id.TrustDomain()] != nil {
		// One domain, one authority: a bundle and an issuer must never speak for
		// the same names.
		return WebToken{}, fmt.Errorf("%w: trust domain %s has a bundle of its own", ErrClaim, id.TrustDomain())
	}
	out := webTokenOf(c, key, t.kid, iss)
	out.Credential.Kind, out.Credential.Identity, out.Credential.Provider = IssuerToken, id, iss
	return out, nil
}

// webTokenOf is what both kinds have in common.
func webTokenOf(c jwt.Claims, key signingKey, kid, provider string) WebToken {
	return WebToken{
		Credential: Credential{
			NotBefore: c.IssuedAt.Time(), NotAfter: c.Expiry.Time(), Anchor: key.hash, Serial: c.ID, Issuer: kid,
		},
		Subject: c.Subject, Audience: c.Audience[0], Provider: provider,
	}
}

// checkClaims is called after the signature was verified.
func (v Verifier) checkClaims(c jwt.Claims, audience string, now time.Time) error {
	switch {
	case c.Subject == "" || c.Expiry == nil || c.IssuedAt == nil:
		return fmt.Errorf("%w: sub, exp and iat are needed", ErrClaim)
	case len(c.Audience) != 1 || c.Audience[0] != audience:
		return fmt.Errorf("%w: it must have one audience, %s", ErrClaim, audience)
	case !now.Before(c.Expiry.Time()):
		return ErrWebExpired
	case c.IssuedAt.Time().After(now.Add(maxAhead)), c.NotBefore != nil && c.NotBefore.Time().After(now.Add(maxAhead)):
		return fmt.Errorf("%w: it begins in the future", ErrClaim)
	case c.Expiry.Time().Sub(c.IssuedAt.Time()) > v.MaxLifetime:
		return fmt.Errorf("%w: it is valid for longer than %s", ErrClaim, v.MaxLifetime)
	}
	return nil
}
