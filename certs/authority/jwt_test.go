// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sealgate/sealgate/certs"
)

// TestTokenIsAsSpecified: AUTHORITY.md §6.
func TestTokenIsAsSpecified(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	st := a.state.Load()
	token, err := a.issueJWT(t.Context(), st, request{id: testID(t, "/job/a")}, []string{"aud"})
	if err != nil {
		t.Fatal(err)
	}
	part := func(i int) map[string]any {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]any{}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	header, claims := part(0), part(1)
	if header["alg"] != "ES256" || header["typ"] != "JWT" || header["kid"] != st.keys.jwt[0].kid || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	if claims["sub"] != "spiffe://test.local/job/a" || fmt.Sprint(claims["aud"]) != "[aud]" && claims["aud"] != "aud" ||
		claims["exp"].(float64)-claims["iat"].(float64) != 300 || len(claims["jti"].(string)) != 32 || len(claims) != 5 {
		t.Errorf("claims %v", claims)
	}
}

// forge makes a token with whatever key, header and claims.
func forge(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, header map[jose.HeaderKey]any, claims map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{ExtraHeaders: header}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestTokensAreValidated: AUTHORITY.md §3.4; each row breaks one rule.
func TestTokensAreValidated(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	st, now := a.state.Load(), time.Now()
	key := st.keys.jwt[0]
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.public)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(change ...any) map[string]any {
		c := map[string]any{"sub": "spiffe://test.local/job/a", "aud": []string{"aud"}, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix()}
		for i := 0; i < len(change); i += 2 {
			if change[i+1] == nil {
				delete(c, change[i].(string))
			} else {
				c[change[i].(string)] = change[i+1]
			}
		}
		return c
	}
	signed := func(c map[string]any) string { return forge(t, jose.ES256, key.private, key.kid, nil, c) }
	plain := base64.RawURLEncoding.EncodeToString
	for _, tc := range []struct{ name, token, want string }{
		{"good", signed(claims()), ""},
		{"several audiences", signed(claims("aud", []string{"x", "aud"})), ""},
		{"another key under our kid", forge(t, jose.ES256, other, key.kid, nil, claims()), "signature"},
		{"unknown kid", forge(t, jose.ES256, key.private, "none", nil, claims()), "kid"},
		{"no kid", forge(t, jose.ES256, key.private, "", nil, claims()), "kid"},
		{"HMAC with the public key", forge(t, jose.HS256, spki, key.kid, nil, claims()), "not a JWT signed with ES256"},
		{"alg none", plain([]byte(`{"alg":"none","kid":"`+key.kid+`"}`)) + "." + plain([]byte(`{"sub":"spiffe://test.local/job/a"}`)) + ".", "not a JWT signed with ES256"},
		{"another typ", forge(t, jose.ES256, key.private, key.kid, map[jose.HeaderKey]any{"typ": "wit+jwt"}, claims()), "typ"},
		{"expired", signed(claims("exp", now.Unix()-1)), "expired"},
		{"no exp", signed(claims("exp", nil)), "expired"},
		{"another audience", signed(claims("aud", []string{"other"})), "another audience"},
		{"no audience", signed(claims("aud", nil)), "another audience"},
		{"no sub", signed(claims("sub", nil)), "its sub"},
		{"another domain", signed(claims("sub", "spiffe://evil/job/a")), "not a workload of test.local"},
		{"the domain itself", signed(claims("sub", "spiffe://test.local")), "not a workload of test.local"},
		{"an ID with dots", signed(claims("sub", "spiffe://test.local/../a")), "its sub"},
		{"issued in the future", signed(claims("iat", now.Add(2*time.Minute).Unix())), "from the future"},
		{"not valid yet", signed(claims("nbf", now.Add(time.Minute).Unix())), "from the future"},
		{"not a token", "x.y", "not a JWT"},
		{"huge", strings.Repeat("x", maxToken+1), "bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			id, _, err := st.validateJWT(tc.token, "aud", now, testDomain)
			if tc.want == "" && (err != nil || id.Path() != "/job/a") || tc.want != "" && (!wantText(err, tc.want) || id != certs.ID{}) {
				t.Errorf("want %q, got %v, %v", tc.want, id, err)
			}
		})
	}
}

// TestAudiences: AUTHORITY.md §3.4.
func TestAudiences(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string][]string{
		"none": {}, "empty": {""}, "long": {strings.Repeat("a", maxAudience+1)}, "many": strings.Split(strings.Repeat("a", maxAudiences+1), ""),
	} {
		if checkAudience(bad) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := checkAudience(strings.Split(strings.Repeat("a", maxAudiences), "")); err != nil {
		t.Error(err)
	}
}

// FuzzToken: no token panics, and none but ours is anybody's.
func FuzzToken(f *testing.F) {
	cfg := testConfig(f)
	a := mustOpen(f, cfg)
	st := a.state.Load()
	good, err := a.issueJWT(f.Context(), st, request{id: certs.MustParseID("spiffe://test.local/x")}, []string{"aud"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		id, _, err := st.validateJWT(token, "aud", time.Now(), testDomain)
		if err == nil && id.Path() != "/x" {
			t.Fatalf("%q is of %s", token, id)
		}
	})
}
