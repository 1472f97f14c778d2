// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
)

func TestTokenHoldsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.session(t, "/ns/fraud/train")
	c, err := Seal(w.keys, w.deployment, s)
	if err != nil {
		t.Fatal(err)
	}
	got, secret, err := Open(w.keys, w.deployment, c.AccessKey, c.Token)
	if err != nil || string(secret) != c.Secret {
		t.Fatalf("opened with %v; the secret is the same: %v", err, string(secret) == c.Secret)
	}
	if !bytes.Equal(got.encode(), s.encode()) || got.Credential != s.Credential || got.Narrowing.Role != "training" {
		t.Errorf("got %+v, want %+v", got, s)
	}
	if fmt.Sprint(got.Narrowing.Scopes) != "[read:models/fraud/**]" {
		t.Errorf("scopes %v", got.Narrowing.Scopes)
	}
	if len(c.AccessKey) != 20 || !strings.HasPrefix(c.AccessKey, AccessPrefix) {
		t.Errorf("access key %s", c.AccessKey)
	}
	again, err := Seal(w.keys, w.deployment, s)
	if err != nil || again.Token == c.Token || again.Secret == c.Secret {
		t.Errorf("sealed twice to the same token or secret, %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c); strings.Contains(text, c.Secret) || strings.Contains(text, c.Token) {
		t.Errorf("printed: %s", text)
	}
}

// What is not a token of this deployment, whole and as it was written, is
// nothing.
func TestTokenOpensOnlyAsItWasSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.session(t, "/ns/fraud/train")
	c, err := Seal(w.keys, w.deployment, s)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, k Keys, d envelope.ID, access, token string) {
		t.Helper()
		if got, secret, err := Open(k, d, access, token); !errors.Is(err, ErrToken) || got != nil || secret != nil {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	sealed, _ := encoding.DecodeString(c.Token)
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		refused(fmt.Sprintf("bit of byte %d", i), w.keys, w.deployment, c.AccessKey, encoding.EncodeToString(bad))
		refused(fmt.Sprintf("cut at %d", i), w.keys, w.deployment, c.AccessKey, encoding.EncodeToString(sealed[:i]))
	}
	other := w.session(t, "/ns/fraud/train")
	refused("another access key", w.keys, w.deployment, other.AccessKey(), c.Token)
	refused("no access key", w.keys, w.deployment, "", c.Token)
	refused("an access key in lower case", w.keys, w.deployment, strings.ToLower(c.AccessKey), c.Token)
	refused("another deployment", w.keys, envelope.NewID(), c.AccessKey, c.Token)
	refused("other keys", newTestKeys(), w.deployment, c.AccessKey, c.Token)
	refused("empty", w.keys, w.deployment, c.AccessKey, "")
	refused("padding", w.keys, w.deployment, c.AccessKey, c.Token+"=")
	refused("a line feed", w.keys, w.deployment, c.AccessKey, c.Token[:9]+"\n"+c.Token[9:])
	refused("other letters", w.keys, w.deployment, c.AccessKey, strings.NewReplacer("-", "+", "_", "/").Replace(c.Token)+"A")
	refused("too long", w.keys, w.deployment, c.AccessKey, strings.Repeat("A", maxToken+1))
	// Sealed by the right key, under the name of something else.
	page, _ := w.keys.Seal([]byte("page"), s.encode())
	refused("sealed for another purpose", w.keys, w.deployment, c.AccessKey, encoding.EncodeToString(page))
	for what, plain := range map[string][]byte{
		"nothing": {}, "another version": append([]byte{2}, s.encode()[1:]...), "something behind": append(s.encode(), 0),
		"an unknown kind": kindOf(s, 9), "the identity of a domain": identityOf(s, "spiffe://acme.ai"),
		"no identity": identityOf(s, ""), "a scope that is none": scopesOf(s, "all:models/**"), "scopes cut short": s.encode()[:len(s.encode())-1],
	} {
		b, _ := w.keys.Seal(aad(w.deployment), plain)
		refused(what, w.keys, w.deployment, c.AccessKey, encoding.EncodeToString(b))
	}
}

func kindOf(s *Session, k Kind) []byte {
	c := *s
	c.Kind = k
	return c.encode()
}

func identityOf(s *Session, id string) []byte {
	c := *s
	if c.Identity = (certs.ID{}); id != "" {
		c.Identity = certs.MustParseID(id)
	}
	return c.encode()
}

func scopesOf(s *Session, text string) []byte {
	c := *s
	c.Narrowing.Scopes = nil
	b := c.encode()
	return appendLP(binary.BigEndian.AppendUint16(b[:len(b)-2], 1), text)
}

func TestTokenIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.session(t, "/a")
	s.Narrowing.Scopes = nil
	for range 200 {
		scope, err := policy.NewScope(nil, "models", strings.Repeat("a", 1024), false)
		if err != nil {
			t.Fatal(err)
		}
		s.Narrowing.Scopes = append(s.Narrowing.Scopes, scope)
	}
	if _, err := Seal(w.keys, w.deployment, s); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func FuzzDecode(f *testing.F) {
	id := certs.MustParseID("spiffe://acme.ai/a")
	s := Session{Credential: Credential{Kind: JWTSVID, Identity: id, Issuer: "kid"}}
	f.Add(s.encode())
	s.Kind, s.Provider, s.Narrowing.Role = IssuerToken, "https://oidc.acme.ai", "training"
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := decode(b); ok && !bytes.Equal(s.encode(), b) {
			t.Errorf("%x reads as %+v, which is written otherwise", b, s)
		}
	})
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Date(2027, 3, 2, 12, 0, 0, 5e8, time.UTC)
	cert := func(left time.Duration) Credential {
		return Credential{Kind: Certificate, Identity: w.ca.ID(t, "/a"), NotAfter: now.Add(left)}
	}
	jwt := func(left time.Duration) Credential {
		return Credential{Kind: JWTSVID, Identity: w.ca.ID(t, "/a"), NotAfter: now.Add(left)}
	}
	for name, tc := range map[string]struct {
		c     Credential
		asked time.Duration
		terms Terms
		want  time.Duration // 0: refused
	}{
		"nothing asked":                    {cert(10 * time.Hour), 0, Terms{Max: time.Hour}, time.Hour},
		"less asked":                       {cert(10 * time.Hour), 15 * time.Minute, Terms{Max: time.Hour}, 15 * time.Minute},
		"more asked":                       {cert(10 * time.Hour), 61 * time.Minute, Terms{Max: time.Hour}, 0},
		"never outlives a certificate":     {cert(7 * time.Minute), time.Hour, Terms{Max: time.Hour}, 7 * time.Minute},
		"a certificate of the last second": {cert(100 * time.Millisecond), 0, Terms{Max: time.Hour}, 0},
		"a certificate that is over":       {cert(-time.Second), 0, Terms{Max: time.Hour}, 0},
		"outlives a token":                 {jwt(5 * time.Minute), 0, Terms{Max: time.Hour}, time.Hour},
		"bound to the token":               {jwt(5 * time.Minute), 0, Terms{Max: time.Hour, Bind: true}, 5 * time.Minute},
	} {
		s, err := New(tc.c, policy.Narrowing{}, tc.asked, tc.terms, now)
		switch {
		case tc.want == 0 && !errors.Is(err, ErrDuration) && !errors.Is(err, ErrExpired):
			t.Errorf("%s: got %v", name, err)
		case tc.want > 0 && (err != nil || s.Expires.Sub(second(now)) != tc.want):
			t.Errorf("%s: got %v, %v, want %v", name, s, err, tc.want)
		}
	}
	if _, err := New(cert(time.Hour), policy.Narrowing{Scopes: []policy.Scope{}}, 0, testTerms, now); !errors.Is(err, ErrPolicy) {
		t.Errorf("a session that allows nothing would be written as one that allows all: %v", err)
	}
}

// §4: everything that ends a certificate ends what was made from it.
func TestCheckOfCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		do   func(t *testing.T, w *world, p certs.Peer)
		at   time.Duration
		want error
	}{
		"nothing happened": {nil, 0, nil},
		"before its end":   {nil, 58 * time.Minute, nil},
		"at its end":       {nil, time.Hour, ErrExpired},
		"identity":         {deny(func(p certs.Peer) certs.Rule { return certs.Rule{Kind: certs.DenyID, ID: p.ID} }), 0, certs.ErrDenied},
		"prefix": {deny(func(certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyPrefix, ID: certs.MustParseID("spiffe://acme.ai/ns/fraud")}
		}), 0, certs.ErrDenied},
		"trust domain": {deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyTrustDomain, TrustDomain: p.ID.TrustDomain()}
		}), 0, certs.ErrDenied},
		"serial": {deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenySerial, Serial: p.Serial, IssuerSKI: p.IssuerSKI}
		}), 0, certs.ErrDenied},
		"key": {deny(func(p certs.Peer) certs.Rule { return certs.Rule{Kind: certs.DenySPKI, SPKI: p.SPKI} }), 0, certs.ErrDenied},
		"issued before": {deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyIssuedBefore, ID: p.ID, Before: p.NotBefore.Add(time.Second)}
		}), 0, certs.ErrDenied},
		"issued before, of the mint": {deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyIssuedBefore, ID: p.ID, Before: p.NotBefore}
		}), 0, nil},
		"a denial of somebody else": {deny(func(certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyID, ID: certs.MustParseID("spiffe://acme.ai/ns/fraud/train2")}
		}), 0, nil},
		"told of the denial after the end": {deny(func(p certs.Peer) certs.Rule { return certs.Rule{Kind: certs.DenyID, ID: p.ID} }), 2 * time.Hour, certs.ErrDenied},
		"the root is gone": {func(t *testing.T, w *world, _ certs.Peer) {
			t.Helper()
			next := certstest.NewCA(t, "acme.ai")
			if err := w.own.Publish(next.SVID(t, "/gateway", certstest.Options{})); err != nil {
				t.Fatal(err)
			}
		}, 0, certs.ErrUnknownTrustDomain},
		"another root joins": {func(t *testing.T, w *world, _ certs.Peer) {
			t.Helper()
			b := w.ca.Bundle()
			b.X509 = append(b.X509, certstest.NewCA(t, "acme.ai").Root)
			if err := w.own.Publish(certstest.WithBundles(w.ca.SVID(t, "/gateway", certstest.Options{}), b)); err != nil {
				t.Fatal(err)
			}
		}, 0, nil},
		"no bundles at all": {func(_ *testing.T, w *world, _ certs.Peer) { w.own.Withdraw(errors.New("x")) }, 0, certs.ErrNotReady},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.peer(t, "/ns/fraud/train", certstest.Options{NotAfter: now.Add(2 * time.Hour)})
			s, err := New(FromPeer(p), policy.Narrowing{}, 0, testTerms, now)
			if err != nil {
				t.Fatal(err)
			}
			if tc.do != nil {
				tc.do(t, w, p)
			}
			if err := w.checker(nil).Check(t.Context(), s, now.Add(tc.at)); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func deny(rule func(certs.Peer) certs.Rule) func(*testing.T, *world, certs.Peer) {
	return func(t *testing.T, w *world, p certs.Peer) {
		t.Helper()
		if err := w.denials.Deny(rule(p)); err != nil {
			t.Fatal(err)
		}
	}
}
