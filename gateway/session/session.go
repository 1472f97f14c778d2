// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
)

// Kind says what a session was made from.
type Kind uint8

// The kinds of credentials (§1).
const (
	Certificate Kind = iota + 1 // an X.509-SVID
	JWTSVID                     // a JWT-SVID
	IssuerToken                 // a token of a configured issuer
)

// String is the kind as records spell it.
func (k Kind) String() string {
	return [...]string{"", "x509-svid", "jwt-svid", "issuer-token"}[min(k, 3)]
}

// Credential is what vouched for an identity when a session was made: all that
// denials and bundles are compared with later.
type Credential struct {
	// Kind selects what the fields below mean (§1).
	Kind Kind
	// Identity is whom it speaks of.
	Identity certs.ID
	// NotBefore and NotAfter bound the credential: of a JWT iat and exp.
	NotBefore, NotAfter time.Time
	// Key is the SHA-256 of the certificate's SubjectPublicKeyInfo; zero for a JWT.
	Key [sha256.Size]byte
	// Anchor is likewise that of the root of its chain, or of the key that signed
	// the JWT.
	Anchor [sha256.Size]byte
	// Serial is that of the certificate, or the jti.
	Serial string
	// Issuer is the key identifier of the certificate's issuer, or the kid.
	Issuer string
	// Provider is the iss of an issuer's token; "" for SVIDs.
	Provider string
}

// FromPeer is the credential of a verified client certificate.
func FromPeer(p certs.Peer) Credential {
	return Credential{
		Kind: Certificate, Identity: p.ID, NotBefore: p.NotBefore, NotAfter: p.NotAfter,
		Key: p.SPKI, Anchor: p.Root, Serial: p.Serial, Issuer: p.IssuerSKI,
	}
}

// peer is the credential as denials look at it (§4).
func (c Credential) peer() certs.Peer {
	p := certs.Peer{
		ID: c.Identity, Serial: c.Serial, SPKI: c.Key, IssuerSKI: c.Issuer, Root: c.Anchor,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}
	if c.Kind != Certificate {
		p.SPKI = c.Anchor // a denial of the key that signed it hits what it signed
	}
	return p
}

// Session is what a token says.
type Session struct {
	Credential
	// ID is random.
	ID [16]byte
	// Issued and Expires bound the session.
	Issued, Expires time.Time
	// Narrowing makes it less than its identity.
	Narrowing policy.Narrowing
}

// AccessPrefix begins each access key of a session.
const AccessPrefix = "SGSA"

// AccessKey names the session. It is no secret.
func (s *Session) AccessKey() string {
	sum := sha256.Sum256(append(appendLP(nil, "SG1/session-access-key"), s.ID[:]...))
	return AccessPrefix + base32.StdEncoding.EncodeToString(sum[:])[:16]
}

// Terms are what the configuration allows.
type Terms struct {
	// Max is the longest session, and what one lasts where nothing is asked for.
	Max time.Duration
	// Bind ends the session of a web token with the token.
	Bind bool
}

// ErrDuration tells that a session was asked for that is longer than allowed.
var ErrDuration = errors.New("longer than a session may be")

// errOver tells that nothing would be left of a session: its credential ends
// within the second.
var errOver = fmt.Errorf("making a session: %w", ErrExpired)

// New makes a session of a credential that was verified just now. asked 0 is
// as long as allowed. The error wraps
// [ErrDuration], [ErrExpired] or [ErrPolicy].
func New(c Credential, n policy.Narrowing, asked time.Duration, t Terms, now time.Time) (*Session, error) {
	switch {
	case n.Scopes != nil && len(n.Scopes) == 0:
		return nil, fmt.Errorf("%w: it allows nothing", ErrPolicy) // a token could not say so: none are all
	case asked > t.Max:
		return nil, fmt.Errorf("%s: %w: %s", asked, ErrDuration, t.Max)
	case asked == 0:
		asked = t.Max
	}
	s := &Session{Credential: c, Issued: second(now), Expires: second(now.Add(asked)), Narrowing: n}
	if end := second(c.NotAfter); (c.Kind == Certificate || t.Bind) && s.Expires.After(end) {
		s.Expires = end // §2: however soon that is
	}
	if !now.Before(s.Expires) {
		return nil, errOver
	}
	_, _ = rand.Read(s.ID[:]) // it never fails
	return s, nil
}

// second is t as a token holds it.
func second(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }
