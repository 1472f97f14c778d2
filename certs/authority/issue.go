// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Kinds of [Issue].
const (
	KindX509 = "x509-svid"
	KindJWT  = "jwt-svid"
)

// Issue is one SVID that is about to leave.
type Issue struct {
	Kind    string // KindX509 or KindJWT
	ID      certs.ID
	Entries []string // the entries that grant it; none for the gateway itself
	Serial  string   // certificate serial, or the token's jti; lower-case hex
	KeyID   string   // of the key that signed: subject key id of the CA, or kid

	NotBefore, NotAfter time.Time

	SPKI     [32]byte // KindX509: SHA-256 of the SubjectPublicKeyInfo
	DNS      []string // KindX509
	Audience []string // KindJWT
	// Caller is who asked; nil for the gateway itself.
	Caller *Caller
}

// Caller is a process that asked for an SVID, as attested.
type Caller struct {
	UID, GID uint32
	PID      int    // 0 if it is not visible from here
	Unit     string // "" if unknown, or not needed to decide
	Exec     string // "" if unknown, or not needed to decide
}

// errClock means that the clock is outside of the signing key's life.
var errClock = errors.New("this machine's clock is before the start of the authority's key; set the clock")

// request is what a certificate is to say.
type request struct {
	id      certs.ID
	dns     []string
	ips     []net.IP
	entries []string
	caller  *Caller
}

// svid is one issued certificate. Its key is used for it alone.
type svid struct {
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	rotateAt time.Time
}

// issueX509 signs, lints and records one SVID. Nothing is returned before the
// record is durable.
func (a *Authority) issueX509(ctx context.Context, st *state, r request) (*svid, error) {
	ca := find(st.keys.x509, active)
	now := a.cfg.Now()
	if ca == nil || !now.Before(ca.end) {
		return nil, errors.New("the authority has no CA that is valid now")
	}
	if now.Before(ca.cert.NotBefore) {
		return nil, fmt.Errorf("%w (it starts at %s)", errClock, ca.cert.NotBefore.Format(time.RFC3339))
	}
	s, err := sign(ca, r, now, a.cfg.SVIDTTL)
	if err != nil {
		return nil, err
	}
	if err := lint(s, ca, r, now, a.cfg.SVIDTTL); err != nil {
		return nil, fmt.Errorf("checking the SVID of %s, which is not released: %w", r.id, err)
	}
	if err := a.cfg.Record(ctx, s.issue(ca, r)); err != nil {
		return nil, fmt.Errorf("recording the SVID of %s, which is not released: %w", r.id, err)
	}
	return s, nil
}

// sign makes a fresh key and its certificate.
func sign(ca *signingKey, r request, now time.Time, ttl time.Duration) (*svid, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template, err := leafTemplate(ca, r, key, now, ttl)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.private)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back a certificate: %w", err)
	}
	return &svid{cert: cert, key: key, rotateAt: halfLife(now, cert.NotAfter)}, nil
}

// leafTemplate is AUTHORITY.md §4.1 as a template. lint does not rely on it.
func leafTemplate(ca *signingKey, r request, key *ecdsa.PrivateKey, now time.Time, ttl time.Duration) (*x509.Certificate, error) {
	kid, err := keyID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	ski, err := hex.DecodeString(kid)
	if err != nil {
		return nil, fmt.Errorf("reading a key id: %w", err)
	}
	start := now.UTC().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{Organization: []string{"Sealgate"}},
		NotBefore:             later(start.Add(-backdate), ca.cert.NotBefore),
		NotAfter:              earlier(start.Add(ttl), ca.end),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		SubjectKeyId:          ski,
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: r.id.TrustDomain().String(), Path: r.id.Path()}},
		DNSNames:              r.dns,
		IPAddresses:           r.ips,
	}, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// halfLife is when to rotate: at 45 to 55 % of the life from now, so that SVIDs
// issued together are not renewed together (§5.2). It is a time of the wall clock
// alone: the monotonic one stands still while the machine is suspended, and the
// certificate's end does not.
func halfLife(now, end time.Time) time.Time {
	now = now.Round(0)
	life := end.Sub(now)
	if life <= 0 {
		return now
	}
	return now.Add(life/20*9 + randomBelow(life/10))
}

// randomBelow returns a random duration in [0, n).
func randomBelow(n time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	r, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0 // crypto/rand never fails; and no jitter is still right
	}
	return time.Duration(r.Int64())
}

// issue describes s for the record. It says nothing about the private key.
func (s *svid) issue(ca *signingKey, r request) Issue {
	return Issue{
		Kind: KindX509, ID: r.id, Entries: r.entries, Serial: certs.SerialHex(s.cert.SerialNumber), KeyID: ca.kid,
		NotBefore: s.cert.NotBefore, NotAfter: s.cert.NotAfter,
		SPKI: sha256.Sum256(s.cert.RawSubjectPublicKeyInfo), DNS: r.dns, Caller: r.caller,
	}
}
