// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/policy"
)

// jwks is a key set as issuers write it.
func jwks(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func public(k *ecdsa.PrivateKey, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Public(), KeyID: kid, Use: "sig"}
}

// provider is an issuer's key address.
type provider struct {
	*httptest.Server
	ca    string
	calls atomic.Int64

	mu     sync.Mutex
	answer http.HandlerFunc // guarded by mu
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{ca: filepath.Join(t.TempDir(), "ca.pem")}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	p.StartTLS()
	t.Cleanup(p.Close)
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.ca, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provider) says(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = h
}

func (p *provider) gives(raw []byte) {
	p.says(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(raw) })
}

func (p *provider) issuer(t *testing.T) Issuer {
	t.Helper()
	return Issuer{URL: "https://oidc.acme.ai/realm", Audience: "sealgate", Template: template(t, "spiffe://ci.acme.ai/ns/{claim.ns}/sa/{claim.sa}"), Keys: p.URL + "/keys", CAFile: p.ca}
}

func template(t *testing.T, text string) Template {
	t.Helper()
	tmpl, err := ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func newIssuers(t *testing.T, list ...Issuer) *Issuers {
	t.Helper()
	is, err := NewIssuers(list, nil, func(string, error) {})
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func ciClaims(changes map[string]any) map[string]any {
	c := claims("user-7", "sealgate", map[string]any{"iss": "https://oidc.acme.ai/realm", "ns": "fraud", "sa": "train"})
	for k, v := range changes {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func TestTokensOfIssuers(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newProvider(t)
	key, enc := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	encryption := public(enc, "enc")
	encryption.Use = "enc"
	named := public(enc, "es384")
	named.Algorithm = "ES384"
	bound := jose.JSONWebKey{Key: rsaKeys()[2048].Public(), KeyID: "rs256", Algorithm: "RS256"}
	p.gives(jwks(t, public(key, "k"), bound, encryption, named, jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: "hmac"}))
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, jwks(t, public(key, "k")), 0o600); err != nil {
		t.Fatal(err)
	}
	is := newIssuers(t, p.issuer(t), Issuer{
		URL: "https://kubernetes.default.svc", Audience: "sealgate", KeysFile: file,
		Template: template(t, "spiffe://k8s.acme.ai/ns/{kubernetes.namespace}/sa/{kubernetes.serviceaccount}"),
	}, Issuer{URL: "https://bundle.example", Audience: "sealgate", KeysFile: file, Template: template(t, "spiffe://acme.ai/x/{claim.ns}")})
	v := Verifier{Source: w.own, Audience: testAudience, Issuers: is, MaxLifetime: 24 * time.Hour}
	k8s := map[string]any{"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:fraud:train"}
	for name, tc := range map[string]struct {
		token string
		id    string
		want  error
	}{
		"honest":                     {sign(t, jose.ES256, key, "k", nil, ciClaims(nil)), "spiffe://ci.acme.ai/ns/fraud/sa/train", nil},
		"access token":               {sign(t, jose.ES256, key, "k", map[jose.HeaderKey]any{"typ": "at+jwt"}, ciClaims(nil)), "spiffe://ci.acme.ai/ns/fraud/sa/train", nil},
		"kubernetes":                 {sign(t, jose.ES256, key, "k", nil, ciClaims(k8s)), "spiffe://k8s.acme.ai/ns/fraud/sa/train", nil},
		"a claim that is two":        {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"ns": "fraud/prod"})), "", ErrClaim},
		"a claim that is absent":     {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"sa": nil})), "", ErrClaim},
		"the audience of a JWT-SVID": {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"aud": testAudience})), "", ErrClaim},
		"an issuer with a slash":     {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"iss": "https://oidc.acme.ai/realm/"})), "", ErrWebToken},
		"no issuer":                  {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"iss": nil})), "", ErrWebToken},
		"no subject":                 {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"sub": nil})), "", ErrClaim},
		"it claims a SPIFFE ID":      {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"sub": "spiffe://acme.ai/admin", "aud": testAudience})), "", ErrWebToken},
		"a logout token":             {sign(t, jose.ES256, key, "k", map[jose.HeaderKey]any{"typ": "logout+jwt"}, ciClaims(nil)), "", ErrWebToken},
		"a key for encryption":       {sign(t, jose.ES256, enc, "enc", nil, ciClaims(nil)), "", ErrWebToken},
		"a key for another alg":      {sign(t, jose.ES256, enc, "es384", nil, ciClaims(nil)), "", ErrWebToken},
		"the key's algorithm":        {sign(t, jose.RS256, rsaKeys()[2048], "rs256", nil, ciClaims(nil)), "spiffe://ci.acme.ai/ns/fraud/sa/train", nil},
		"not the key's algorithm":    {sign(t, jose.PS256, rsaKeys()[2048], "rs256", nil, ciClaims(nil)), "", ErrWebToken},
		"a symmetric key":            {sign(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "hmac", nil, ciClaims(nil)), "", ErrWebToken},
		"an unknown key":             {sign(t, jose.ES256, enc, "other", nil, ciClaims(nil)), "", ErrWebToken},
		"a domain with a bundle":     {sign(t, jose.ES256, key, "k", nil, ciClaims(map[string]any{"iss": "https://bundle.example"})), "", ErrClaim},
	} {
		got, err := v.Verify(t.Context(), tc.token, time.Now())
		if !errors.Is(err, tc.want) || got.Credential.Identity.String() != tc.id {
			t.Errorf("%s: got %s, %v, want %q, %v", name, got.Credential.Identity, err, tc.id, tc.want)
		}
	}
}

// A hostile answer takes nothing from the keys that were had, and gives none.
func TestKeySetsOfHostileAddresses(t *testing.T) {
	t.Parallel()
	w, p, elsewhere := newWorld(t), newProvider(t), newProvider(t)
	key, evil := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	elsewhere.gives(jwks(t, public(evil, "evil")))
	p.gives(jwks(t, public(key, "k")))
	is := newIssuers(t, p.issuer(t))
	v := Verifier{Source: w.own, Audience: testAudience, Issuers: is, MaxLifetime: time.Hour}
	honest := func() string { return sign(t, jose.ES256, key, "k", nil, ciClaims(nil)) }
	forged := sign(t, jose.ES256, evil, "evil", nil, ciClaims(nil))
	if _, err := v.Verify(t.Context(), honest(), time.Now()); err != nil {
		t.Fatal(err)
	}
	set := is.all[0].keys
	for name, answer := range map[string]http.HandlerFunc{
		"not found": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(jwks(t, public(evil, "evil")))
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(jwks(t, public(evil, "evil")))
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(jwks(t, public(evil, "evil")))
			_, _ = w.Write(bytes.Repeat([]byte(" "), maxKeySet)) // JSON all the same
		},
		"no set":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"jwks": []}`)) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			_, _ = w.Write(jwks(t, public(evil, "evil")))
		},
		"one kid twice": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(jwks(t, public(key, "k"), public(evil, "evil"), public(evil, "k")))
		},
	} {
		p.says(answer)
		set.refresh(t.Context())
		if set.err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := v.Verify(t.Context(), honest(), time.Now()); err != nil {
			t.Errorf("%s: the last good keys are gone: %v", name, err)
		}
		if _, err := v.Verify(t.Context(), forged, time.Now()); !errors.Is(err, ErrWebToken) {
			t.Errorf("%s: a forged token: %v", name, err)
		}
	}
	if n := elsewhere.calls.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
	p.gives([]byte(`{"keys": []}`)) // the issuer has revoked everything, and says so well
	set.refresh(t.Context())
	if _, err := v.Verify(t.Context(), honest(), time.Now()); !errors.Is(err, ErrWebToken) {
		t.Errorf("an empty set: %v", err)
	}
}

func TestKeySetsWantTheConfiguredRoots(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newProvider(t)
	key := ecKey(t, elliptic.P256())
	p.gives(jwks(t, public(key, "k")))
	strange := p.issuer(t)
	strange.CAFile = filepath.Join(t.TempDir(), "other.pem")
	other := certstest.NewCA(t, "other.example").Root
	if err := os.WriteFile(strange.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	v := Verifier{Source: w.own, Issuers: newIssuers(t, strange), MaxLifetime: time.Hour}
	if _, err := v.Verify(t.Context(), sign(t, jose.ES256, key, "k", nil, ciClaims(nil)), time.Now()); !errors.Is(err, ErrIssuerKeys) {
		t.Errorf("got %v, want ErrIssuerKeys", err)
	}
	if n := p.calls.Load(); n != 0 {
		t.Errorf("it was asked %d times over a connection that nobody vouched for", n)
	}
	roots, err := os.ReadFile(p.ca)
	if err == nil {
		err = os.WriteFile(strange.CAFile, roots, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	v.Issuers.named(strange.URL).keys.refresh(t.Context())
	if _, err := v.Verify(t.Context(), sign(t, jose.ES256, key, "k", nil, ciClaims(nil)), time.Now()); err != nil {
		t.Errorf("roots that were renewed in their file: %v", err)
	}
	empty := p.issuer(t)
	empty.CAFile = filepath.Join(t.TempDir(), "empty.pem")
	if _, err := NewIssuers([]Issuer{empty}, nil, nil); err == nil {
		t.Error("roots that are not there were taken for the system's")
	}
	if err := os.WriteFile(empty.CAFile, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewIssuers([]Issuer{empty}, nil, nil); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("roots that are none: %v", err)
	}
}

// fake is a key set whose fetches a test answers.
func fake(answer func() ([]byte, error)) (*keySet, *atomic.Int64) {
	var calls atomic.Int64
	return &keySet{fetch: func(context.Context) ([]byte, error) {
		calls.Add(1)
		return answer()
	}}, &calls
}

func TestAgesOfKeySets(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	raw := jwks(t, public(key, "k"))
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		set, calls := fake(func() ([]byte, error) {
			if down.Load() {
				return nil, errors.New("down")
			}
			return raw, nil
		})
		if _, err := set.find(t.Context(), "k"); err != nil || calls.Load() != 1 {
			t.Fatalf("%v after %d fetches", err, calls.Load())
		}
		// Tokens with made-up kids must not make us a flood on the issuer.
		for range 100 {
			if _, err := set.find(t.Context(), "x"); !errors.Is(err, ErrWebToken) {
				t.Fatal(err)
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d fetches at once", n)
		}
		time.Sleep(refreshLeast)
		_, _ = set.find(t.Context(), "x")
		if n := calls.Load(); n != 2 {
			t.Errorf("%d fetches, want another one after %s", n, refreshLeast)
		}
		down.Store(true)
		time.Sleep(keysHold - time.Minute)
		if _, err := set.find(t.Context(), "k"); err != nil {
			t.Errorf("the last good keys, within a day: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := set.find(t.Context(), "k"); !errors.Is(err, ErrIssuerKeys) {
			t.Errorf("after a day: %v, want ErrIssuerKeys", err)
		}
		down.Store(false)
		time.Sleep(refreshLeast)
		if _, err := set.find(t.Context(), "k"); err != nil {
			t.Errorf("back again: %v", err)
		}
	})
}

func TestKeySetsAreKeptFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		set, calls := fake(func() ([]byte, error) {
			if fail.Load() {
				return nil, errors.New("down")
			}
			return []byte(`{"keys": []}`), nil
		})
		is := &Issuers{all: []*issuer{{keys: set}}}
		var good, bad int
		is.report = func(_ string, err error) {
			if err == nil {
				good++
			} else {
				bad++
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { is.Run(ctx); close(ended) }()
		time.Sleep(time.Hour)
		if n := calls.Load(); n < 10 || n > 13 {
			t.Errorf("%d fetches in an hour", n)
		}
		fail.Store(true)
		before := calls.Load()
		time.Sleep(10 * time.Minute)
		if n := calls.Load() - before; n < 20 {
			t.Errorf("%d tries in 10 minutes of an outage", n)
		}
		stop()
		<-ended
		if good < 10 || bad < 20 {
			t.Errorf("reported %d good and %d bad", good, bad)
		}
	})
}

// §4 for sessions of issuers' tokens.
func TestCheckOfIssuers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, next := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	var raw atomic.Pointer[[]byte]
	use := func(keys ...jose.JSONWebKey) { b := jwks(t, keys...); raw.Store(&b) }
	use(public(key, "k"))
	set, calls := fake(func() ([]byte, error) { return *raw.Load(), nil })
	conf := Issuer{URL: "https://oidc.acme.ai/realm", Audience: "sealgate", Template: template(t, "spiffe://ci.acme.ai/{claim.ns}/{claim.sa}")}
	is := &Issuers{all: []*issuer{{Issuer: conf, keys: set}}}
	v := Verifier{Source: w.own, Issuers: is, MaxLifetime: time.Hour}
	mint := func(k *ecdsa.PrivateKey, kid string) *Session {
		web, err := v.Verify(t.Context(), sign(t, jose.ES256, k, kid, nil, ciClaims(nil)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(web.Credential, policy.Narrowing{}, 0, testTerms, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(c Checker, s *Session, want error) {
		t.Helper()
		if err := c.Check(t.Context(), s, time.Now()); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	s := mint(key, "k")
	check(w.checker(is), s, nil)
	check(w.checker(nil), s, certs.ErrUnknownTrustDomain) // the issuer was taken out of the configuration
	moved := conf
	moved.Template = template(t, "spiffe://other.acme.ai/{claim.ns}/{claim.sa}")
	check(w.checker(&Issuers{all: []*issuer{{Issuer: moved, keys: set}}}), s, certs.ErrUnknownTrustDomain)
	if err := w.denials.Deny(certs.Rule{Kind: certs.DenyTrustDomain, TrustDomain: s.Identity.TrustDomain()}); err != nil {
		t.Fatal(err)
	}
	check(w.checker(is), s, certs.ErrDenied)
	if err := w.denials.Replace(nil); err != nil {
		t.Fatal(err)
	}

	// Another replica, whose keys are older than the session.
	old, fetches := fake(func() ([]byte, error) { return *raw.Load(), nil })
	old.keys, old.got, old.tried = map[string]signingKey{}, s.Issued.Add(-time.Hour), s.Issued.Add(-time.Hour)
	replica := w.checker(&Issuers{all: []*issuer{{Issuer: conf, keys: old}}})
	if err := replica.Recheck(s, time.Now()); !errors.Is(err, certs.ErrUnknownTrustDomain) || fetches.Load() != 0 {
		t.Errorf("a recheck waits for nobody: %v, %d fetches", err, fetches.Load())
	}
	check(replica, s, nil)
	if fetches.Load() != 1 {
		t.Errorf("%d fetches, want 1", fetches.Load())
	}

	// The key is withdrawn. What is newer than the session is not fetched again.
	use(public(next, "k"))
	set.refresh(t.Context())
	before := calls.Load()
	for range 10 {
		check(w.checker(is), s, certs.ErrUnknownTrustDomain)
	}
	if calls.Load() != before {
		t.Errorf("%d fetches for a session whose key is gone", calls.Load()-before)
	}
}

func TestIssuersKeepTheirKeysOverAReload(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.gives(jwks(t, public(ecKey(t, elliptic.P256()), "k")))
	first := newIssuers(t, p.issuer(t))
	first.all[0].keys.refresh(t.Context())
	changed := p.issuer(t)
	changed.Audience = "other"
	second, err := NewIssuers([]Issuer{changed}, first, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := second.all[0].keys.held("k"); !ok || second.all[0].Audience != "other" {
		t.Error("the keys of an unchanged address were dropped")
	}
	changed.Keys += "/elsewhere"
	third, err := NewIssuers([]Issuer{changed}, second, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := third.all[0].keys.held("k"); ok {
		t.Error("the keys of another address were kept")
	}
}
