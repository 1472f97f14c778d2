// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/policy"
)

const testAudience = "sealgate:00112233445566778899aabbccddeeff"

// rsaKeys are made once: each takes a while.
var rsaKeys = sync.OnceValue(func() map[int]*rsa.PrivateKey {
	all := map[int]*rsa.PrivateKey{}
	for _, bits := range []int{1024, 2048} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		all[bits] = k
	}
	return all
})

func TestJWTSVID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p256, p384, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P256())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, short := rsaKeys()[2048], rsaKeys()[1024]
	w.jwtKeys(t, map[string]crypto.PublicKey{
		"ec": p256.Public(), "ec384": p384.Public(), "rsa": long.Public(), "short": short.Public(), "ed": ed.Public(), "": other.Public(),
	})
	const sub = "spiffe://acme.ai/ns/fraud/train"
	v := Verifier{Source: w.own, Audience: testAudience, MaxLifetime: 24 * time.Hour}
	good := func(changes map[string]any) map[string]any { return claims(sub, testAudience, changes) }
	der, _ := x509.MarshalPKIXPublicKey(p256.Public())
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	now := time.Now()
	for name, tc := range map[string]struct {
		token string
		want  error // nil: taken
	}{
		"ES256":             {sign(t, jose.ES256, p256, "ec", nil, good(nil)), nil},
		"ES384":             {sign(t, jose.ES384, p384, "ec384", nil, good(nil)), nil},
		"RS256":             {sign(t, jose.RS256, long, "rsa", nil, good(nil)), nil},
		"PS512":             {sign(t, jose.PS512, long, "rsa", nil, good(nil)), nil},
		"typ JWT":           {sign(t, jose.ES256, p256, "ec", map[jose.HeaderKey]any{"typ": "JWT"}, good(nil)), nil},
		"audience as list":  {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"aud": []string{testAudience}})), nil},
		"a minute ahead":    {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"iat": now.Add(30 * time.Second).Unix()})), nil},
		"other claims":      {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"iss": "https://evil.example", "admin": true})), nil},
		"an embedded key":   {sign(t, jose.ES256, other, "ec", map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: other.Public(), KeyID: "ec"}}, good(nil)), ErrWebToken},
		"an address of one": {sign(t, jose.ES256, other, "ec", map[jose.HeaderKey]any{"jku": "https://evil.example/keys"}, good(nil)), ErrWebToken},

		"another key":               {sign(t, jose.ES256, other, "ec", nil, good(nil)), ErrWebToken},
		"no kid":                    {sign(t, jose.ES256, other, "", nil, good(nil)), ErrWebToken},
		"an unknown kid":            {sign(t, jose.ES256, p256, "EC", nil, good(nil)), ErrWebToken},
		"the key of another kid":    {sign(t, jose.ES256, p256, "rsa", nil, good(nil)), ErrWebToken},
		"HMAC with the public key":  {sign(t, jose.HS256, public, "ec", nil, good(nil)), ErrWebToken},
		"EdDSA":                     {sign(t, jose.EdDSA, ed, "ed", nil, good(nil)), ErrWebToken},
		"RSA of 1,024 bits":         {sign(t, jose.RS256, short, "short", nil, good(nil)), ErrWebToken},
		"no algorithm":              {unsigned(t, good(nil)), ErrWebToken},
		"a critical header":         {sign(t, jose.ES256, p256, "ec", map[jose.HeaderKey]any{"crit": []string{"exp"}, "exp": 1}, good(nil)), ErrWebToken},
		"an unencoded payload":      {sign(t, jose.ES256, p256, "ec", map[jose.HeaderKey]any{"crit": []string{"b64"}, "b64": true}, good(nil)), ErrWebToken},
		"typ of something else":     {sign(t, jose.ES256, p256, "ec", map[jose.HeaderKey]any{"typ": "at+jwt"}, good(nil)), ErrWebToken},
		"a letter of the claims":    {flip(sign(t, jose.ES256, p256, "ec", nil, good(nil)), 1), ErrWebToken},
		"a letter of the signature": {flip(sign(t, jose.ES256, p256, "ec", nil, good(nil)), 2), ErrWebToken},
		"no token":                  {"hello", ErrWebToken},
		"a JSON serialization":      {`{"payload":"e30","signatures":[]}`, ErrWebToken},
		"too long":                  {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"x": strings.Repeat("a", maxWebToken)})), ErrWebToken},

		"expired":                         {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"exp": now.Add(-time.Second).Unix()})), ErrWebExpired},
		"no exp":                          {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"exp": nil})), ErrClaim},
		"no iat":                          {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"iat": nil})), ErrClaim},
		"too long a life":                 {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"exp": now.Add(25 * time.Hour).Unix()})), ErrClaim},
		"from the future":                 {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"iat": now.Add(2 * time.Minute).Unix()})), ErrClaim},
		"not before the future":           {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"nbf": now.Add(2 * time.Minute).Unix()})), ErrClaim},
		"another audience":                {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"aud": "sealgate"})), ErrClaim},
		"the audience and others":         {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"aud": []string{testAudience, "vault"}})), ErrClaim},
		"the audience twice":              {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"aud": []string{testAudience, testAudience}})), ErrClaim},
		"no audience":                     {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"aud": nil})), ErrClaim},
		"an audience in a list in a list": {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"aud": []any{[]string{testAudience}}})), ErrWebToken},

		"the gateway itself":      {sign(t, jose.ES256, p256, "ec", nil, claims("spiffe://acme.ai/gateway", testAudience, nil)), ErrClaim},
		"a trust domain":          {sign(t, jose.ES256, p256, "ec", nil, claims("spiffe://acme.ai", testAudience, nil)), ErrWebToken},
		"dots in the ID":          {sign(t, jose.ES256, p256, "ec", nil, claims("spiffe://acme.ai/ns/../gateway", testAudience, nil)), ErrWebToken},
		"another trust domain":    {sign(t, jose.ES256, p256, "ec", nil, claims("spiffe://evil.example/admin", testAudience, nil)), ErrWebToken},
		"another scheme":          {sign(t, jose.ES256, p256, "ec", nil, claims("SPIFFE://acme.ai/a", testAudience, nil)), ErrWebToken},
		"no subject":              {sign(t, jose.ES256, p256, "ec", nil, claims("", testAudience, map[string]any{"sub": nil})), ErrWebToken},
		"a user of no issuer":     {sign(t, jose.ES256, p256, "ec", nil, claims("ana", testAudience, nil)), ErrWebToken},
		"a subject that is a map": {sign(t, jose.ES256, p256, "ec", nil, good(map[string]any{"sub": map[string]any{"a": sub}})), ErrWebToken},
	} {
		got, err := v.Verify(t.Context(), tc.token, now)
		switch {
		case tc.want != nil && (!errors.Is(err, tc.want) || got != WebToken{}):
			t.Errorf("%s: got %+v, %v, want %v", name, got, err, tc.want)
		case tc.want != nil && len(tc.token) > 20 && strings.Contains(err.Error(), tc.token[:20]):
			t.Errorf("%s: the error shows the token", name)
		case tc.want == nil && (err != nil || got.Credential.Identity.String() != sub || got.Credential.Kind != JWTSVID || got.Credential.Serial != "one" || got.Credential.Anchor == [32]byte{}):
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// unsigned is a token of algorithm none.
func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(`{"alg":"none","kid":"ec"}`)) + "." + e.EncodeToString(payload) + "."
}

// flip changes a letter in the middle of one part.
func flip(token string, part int) string {
	parts := strings.Split(token, ".")
	b := []byte(parts[part])
	at := len(b) / 2
	b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
	parts[part] = string(b)
	return strings.Join(parts, ".")
}

// A key of one trust domain says nothing in another, not even for the same path.
func TestKeysOfTrustDomainsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours, theirs := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	partner := certstest.NewCA(t, "partner.example").Bundle()
	partner.JWT = map[string]crypto.PublicKey{"k": theirs.Public()}
	bundle := w.ca.Bundle()
	bundle.JWT = map[string]crypto.PublicKey{"k": ours.Public()}
	if err := w.own.Publish(certstest.WithBundles(w.ca.SVID(t, "/gateway", certstest.Options{}), bundle, partner)); err != nil {
		t.Fatal(err)
	}
	v := Verifier{Source: w.own, Audience: testAudience, MaxLifetime: time.Hour}
	try := func(key any, sub string) error {
		_, err := v.Verify(t.Context(), sign(t, jose.ES256, key, "k", nil, claims(sub, testAudience, nil)), time.Now())
		return err
	}
	if err := errors.Join(try(ours, "spiffe://acme.ai/a"), try(theirs, "spiffe://partner.example/a")); err != nil {
		t.Errorf("honest tokens: %v", err)
	}
	if err := try(theirs, "spiffe://acme.ai/a"); !errors.Is(err, ErrWebToken) {
		t.Errorf("a partner speaks for us: %v", err)
	}
	if err := try(ours, "spiffe://partner.example/a"); !errors.Is(err, ErrWebToken) {
		t.Errorf("we speak for a partner: %v", err)
	}
}

// §4 for sessions of JWT-SVIDs.
func TestCheckOfTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		do   func(t *testing.T, w *world, c Credential)
		want error
	}{
		"nothing happened": {nil, nil},
		"identity":         {ruled(func(c Credential) certs.Rule { return certs.Rule{Kind: certs.DenyID, ID: c.Identity} }), certs.ErrDenied},
		"the signing key":  {ruled(func(c Credential) certs.Rule { return certs.Rule{Kind: certs.DenySPKI, SPKI: c.Anchor} }), certs.ErrDenied},
		"the one token": {ruled(func(Credential) certs.Rule {
			return certs.Rule{Kind: certs.DenySerial, Serial: "one", IssuerSKI: "k"}
		}), certs.ErrDenied},
		"issued before": {ruled(func(c Credential) certs.Rule {
			return certs.Rule{Kind: certs.DenyIssuedBefore, ID: c.Identity, Before: c.NotBefore.Add(time.Second)}
		}), certs.ErrDenied},
		"the key is gone": {func(t *testing.T, w *world, _ Credential) {
			t.Helper()
			w.jwtKeys(t, nil)
		}, certs.ErrUnknownTrustDomain},
		"another key of the same name": {func(t *testing.T, w *world, _ Credential) {
			t.Helper()
			w.jwtKeys(t, map[string]crypto.PublicKey{"k": ecKey(t, elliptic.P256()).Public()})
		}, certs.ErrUnknownTrustDomain},
		"another key joins": {func(t *testing.T, w *world, _ Credential) {
			t.Helper()
			m, err := w.own.Current()
			if err != nil {
				t.Fatal(err)
			}
			w.jwtKeys(t, map[string]crypto.PublicKey{"k": m.Bundles[w.ca.TrustDomain].JWT["k"], "next": ecKey(t, elliptic.P256()).Public()})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := ecKey(t, elliptic.P256())
			w.jwtKeys(t, map[string]crypto.PublicKey{"k": key.Public()})
			v := Verifier{Source: w.own, Audience: testAudience, MaxLifetime: time.Hour}
			web, err := v.Verify(t.Context(), sign(t, jose.ES256, key, "k", nil, claims("spiffe://acme.ai/a", testAudience, nil)), now)
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(web.Credential, policy.Narrowing{}, 0, testTerms, now)
			if err != nil {
				t.Fatal(err)
			}
			if tc.do != nil {
				tc.do(t, w, web.Credential)
			}
			c, err := Seal(w.keys, w.deployment, s)
			if err != nil {
				t.Fatal(err)
			}
			opened, _, err := Open(w.keys, w.deployment, c.AccessKey, c.Token)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.checker(nil).Check(context.Background(), opened, now); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func ruled(rule func(Credential) certs.Rule) func(*testing.T, *world, Credential) {
	return func(t *testing.T, w *world, c Credential) {
		t.Helper()
		if err := w.denials.Deny(rule(c)); err != nil {
			t.Fatal(err)
		}
	}
}
