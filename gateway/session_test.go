// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/session"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

const sessionPolicy = testPolicy + `  ci:
    who: [ci]
    can: [{do: [read], paths: ["data/ci/**"]}]
`

// sessionWorld is a world with the listener for session keys.
type sessionWorld struct {
	*world
	sessions net.Listener
	client   *http.Client // of nobody
	key      *ecdsa.PrivateKey
	issuer   *ecdsa.PrivateKey
	sts      *STS
}

func newSessionWorld(t *testing.T, o worldOptions) *sessionWorld {
	t.Helper()
	o.policy = strings.Replace(strings.Replace(sessionPolicy, "trust_domain: acme.ai\n", "trust_domain: acme.ai\ntrust_domains: [ci.acme.ai]\n", 1),
		"identities:\n", "identities:\n  ci: spiffe://ci.acme.ai/ns/{ns}/**\n", 1)
	w := &sessionWorld{world: newWorld(t, o)}
	w.key, w.issuer = newECKey(t), newECKey(t)
	w.publishJWT(map[string]crypto.PublicKey{"k": w.key.Public()})
	w.g.config.Deployment = envelope.NewID()
	w.sts = &STS{Terms: session.Terms{Max: time.Hour}, MaxPresign: time.Hour, Issuers: w.issuers()}
	snap := w.g.Current()
	w.g.Use(&Snapshot{Policy: snap.Policy, Keys: snap.Keys, Buckets: snap.Buckets, STS: w.sts})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.sessions = l
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.g.ServeSessions(ctx, l, o.drain) }()
	w.client = w.anyone()
	t.Cleanup(func() {
		stop()
		w.client.CloseIdleConnections()
		if err := <-served; err != nil {
			t.Errorf("ServeSessions: %v", err)
		}
	})
	return w
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// publishJWT puts the keys of JWT-SVIDs into the gateway's bundle.
func (w *sessionWorld) publishJWT(keys map[string]crypto.PublicKey) {
	w.t.Helper()
	b := w.ca.Bundle()
	b.JWT = keys
	if err := w.own.Publish(certstest.WithBundles(w.ca.SVID(w.t, "/gateway", certstest.Options{}), b)); err != nil {
		w.t.Fatal(err)
	}
}

// issuers has one whose tokens name a namespace.
func (w *sessionWorld) issuers() *session.Issuers {
	w.t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.issuer.Public(), KeyID: "i"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		w.t.Fatal(err)
	}
	tmpl, err := session.ParseTemplate("spiffe://ci.acme.ai/ns/{claim.ns}/sa/{claim.sa}")
	if err != nil {
		w.t.Fatal(err)
	}
	is, err := session.NewIssuers([]session.Issuer{{URL: "https://oidc.acme.ai", Audience: "sealgate", Template: tmpl, KeysFile: file}}, nil, func(string, error) {})
	if err != nil {
		w.t.Fatal(err)
	}
	return is
}

// anyone is an HTTP client without a certificate.
func (w *sessionWorld) anyone() *http.Client {
	m, err := w.own.Current()
	if err != nil {
		w.t.Fatal(err)
	}
	conf := &tls.Config{RootCAs: m.Bundles[w.ca.TrustDomain].Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13}
	return &http.Client{Transport: &http.Transport{
		DisableCompression: true, TLSClientConfig: conf,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, w.sessions.Addr().String())
		},
	}}
}

// token is a JWT-SVID for this deployment.
func (w *sessionWorld) token(path string) string {
	return w.signToken(w.key, "k", map[string]any{"sub": "spiffe://acme.ai" + path, "aud": w.g.audience()})
}

func (w *sessionWorld) signToken(key *ecdsa.PrivateKey, kid string, claims map[string]any) string {
	w.t.Helper()
	now := time.Now()
	claims["iat"], claims["exp"] = now.Unix(), now.Add(5*time.Minute).Unix()
	payload, err := json.Marshal(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// call sends a call of the token service.
func (w *sessionWorld) call(c *http.Client, form url.Values, edit ...func(*http.Request)) reply {
	w.t.Helper()
	form.Set("Version", "2011-06-15")
	r, err := http.NewRequest(http.MethodPost, "https://gateway/", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(r)
	}
	return w.send(c, r)
}

func (w *sessionWorld) send(c *http.Client, r *http.Request) reply {
	w.t.Helper()
	res, err := c.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	out := reply{status: res.StatusCode, header: res.Header}
	out.body, out.err = io.ReadAll(res.Body)
	return out
}

// stsCode is the code of an error of the token service.
func (r reply) stsCode() string {
	var e struct {
		Code string `xml:"Error>Code"`
	}
	_ = xml.Unmarshal(r.body, &e)
	return e.Code
}

// credentials are what an AssumeRole call answered.
func (w *sessionWorld) credentials(r reply) s3api.Credentials {
	w.t.Helper()
	type credentials struct {
		AccessKeyID  string `xml:"AccessKeyId"`
		Secret       string `xml:"SecretAccessKey"`
		SessionToken string
	}
	var a struct {
		Token credentials `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
		Cert  credentials `xml:"AssumeRoleWithCertificateResult>Credentials"`
	}
	if err := xml.Unmarshal(r.body, &a); err != nil || r.status != http.StatusOK {
		w.t.Fatalf("got %d %s %v, want credentials", r.status, r.body, r.err)
	}
	c := a.Token
	if c.AccessKeyID == "" {
		c = a.Cert
	}
	return s3api.Credentials{AccessKey: c.AccessKeyID, Secret: s3api.Secret(c.Secret), Token: s3api.Secret(c.SessionToken)}
}

// byToken has a session of a JWT-SVID; more are form fields NAME, VALUE, ...
func (w *sessionWorld) byToken(path string, more ...string) s3api.Credentials {
	w.t.Helper()
	return w.credentials(w.call(w.client, w.assume(w.token(path), more...)))
}

func (w *sessionWorld) assume(token string, more ...string) url.Values {
	form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "WebIdentityToken": {token}, "RoleArn": {"arn:sealgate:iam:::role/*"}, "RoleSessionName": {"test"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// byCertificate has a session of a client certificate.
func (w *sessionWorld) byCertificate(path string, more ...string) s3api.Credentials {
	w.t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithCertificate"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return w.credentials(w.call(w.world.client(path), form))
}

// signed sends a request that c signs.
func (w *sessionWorld) signed(c s3api.Credentials, method, target string, body []byte, headers ...string) reply {
	w.t.Helper()
	return w.send(w.client, w.request(c, method, target, body, headers...))
}

func (w *sessionWorld) request(c s3api.Credentials, method, target string, body []byte, headers ...string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequest(method, "https://gateway"+target, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	sum := sha256.Sum256(body)
	if err := s3api.SignHeader(r, c, "us-east-1", hex.EncodeToString(sum[:]), time.Now()); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// presigned gives the target of a presigned request.
func (w *sessionWorld) presigned(c s3api.Credentials, method, target string, expires time.Duration, headers ...string) string {
	w.t.Helper()
	u, err := url.Parse("https://gateway" + target)
	if err != nil {
		w.t.Fatal(err)
	}
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	out, err := s3api.Presign(method, u, h, c, "us-east-1", time.Now(), expires)
	if err != nil {
		w.t.Fatal(err)
	}
	return out.RequestURI()
}

// noSecretSaid fails if a credential is in the log of the process or on the
// record.
func (w *sessionWorld) noSecretSaid(c s3api.Credentials) {
	w.t.Helper()
	w.rec.mu.Lock()
	records := fmt.Sprintf("%+v", w.rec.denials)
	for _, r := range w.rec.intents {
		records += fmt.Sprintf("%+v %+v", r.event, r.outcome)
	}
	w.rec.mu.Unlock()
	for what, text := range map[string]string{"log": w.log.String(), "record": records} {
		if strings.Contains(text, string(c.Secret)) || strings.Contains(text, string(c.Token)) {
			w.t.Errorf("the %s holds a secret", what)
		}
	}
}

func TestSessionsOfBothKinds(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	for name, mintOne := range map[string]func(string, ...string) s3api.Credentials{"token": w.byToken, "certificate": w.byCertificate} {
		c := mintOne("/writer")
		mint := w.last()
		if mint.event.Event != "session.mint" || mint.event.Actor != "spiffe://acme.ai/writer" || mint.event.Session != c.AccessKey || !mint.event.AwaitOutcome || mint.outcome.Status != http.StatusOK {
			t.Errorf("%s: recorded %+v %+v", name, mint.event, mint.outcome)
		}
		body := noise(3, 100_000)
		w.signed(c, http.MethodPut, "/data/"+name, body).want(t, http.StatusOK, "")
		w.signed(c, http.MethodGet, "/data/"+name, nil).wantBody(t, http.StatusOK, body)
		if e := w.last().event; e.Actor != "spiffe://acme.ai/writer" || e.Session != c.AccessKey || e.Event != "artifact.read" || e.Role != "writer" {
			t.Errorf("%s: recorded %+v", name, e)
		}
		r := w.signed(c, http.MethodGet, "/data/.sealgate/x", nil)
		r.want(t, http.StatusForbidden, "AccessDenied")
		w.signed(c, http.MethodGet, "/elsewhere/x", nil).want(t, http.StatusForbidden, "AccessDenied")
		w.noSecretSaid(c)
	}
}

func TestUnsignedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	for _, target := range []string{"/", "/data", "/data/k", "/data/.sealgate/k", "/data/k?acl", "/data/..", "/?Action=x"} {
		r := w.do(w.client, http.MethodGet, target, nil)
		if r.status != http.StatusForbidden || r.code() != "AccessDenied" || r.header.Get("X-Sealgate-Reason") != "unsigned" {
			t.Errorf("%s: got %d %s", target, r.status, r.body)
		}
		if e := w.lastDenial(); e.Reason != "unsigned" || e.Actor != "" || e.ActorType != "" {
			t.Errorf("%s: recorded %+v", target, e)
		}
	}
	if n := w.store.Calls(storetest.Any); n != 0 {
		t.Errorf("the store was called %d times", n)
	}
}

func TestWhatIsNotASignedRequest(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	c, other := w.byToken("/writer"), w.byToken("/reader")
	w.signed(c, http.MethodPut, "/data/k", []byte("x")).want(t, http.StatusOK, "")
	calls := w.store.Calls(storetest.Any)
	swap := c
	swap.Token = other.Token
	mixed := c
	mixed.AccessKey, mixed.Token = other.AccessKey, other.Token
	bare := c
	bare.Token = ""
	aws := c
	aws.AccessKey = "AKIAIOSFODNN7EXAMPLE"
	guess := c
	guess.Secret = "guess"
	bit := c
	bit.Token = c.Token[:40] + map[bool]s3api.Secret{true: "B", false: "A"}[c.Token[40] == 'A'] + c.Token[41:]
	for name, tc := range map[string]struct {
		c            s3api.Credentials
		edit         func(*http.Request)
		status       int
		code, reason string
	}{
		"token of another session":   {swap, nil, http.StatusBadRequest, "InvalidToken", ""},
		"secret of another session":  {mixed, nil, http.StatusForbidden, "SignatureDoesNotMatch", "signature_mismatch"},
		"no token":                   {bare, nil, http.StatusForbidden, "InvalidAccessKeyId", ""},
		"an access key of AWS":       {aws, nil, http.StatusForbidden, "InvalidAccessKeyId", ""},
		"a guess":                    {guess, nil, http.StatusForbidden, "SignatureDoesNotMatch", "signature_mismatch"},
		"a bit of the token":         {bit, nil, http.StatusBadRequest, "InvalidToken", ""},
		"another method":             {c, func(r *http.Request) { r.Method = http.MethodPut }, http.StatusForbidden, "SignatureDoesNotMatch", "signature_mismatch"},
		"another key":                {c, func(r *http.Request) { r.URL.Path = "/data/other" }, http.StatusForbidden, "SignatureDoesNotMatch", "signature_mismatch"},
		"another host":               {c, func(r *http.Request) { r.Host = "other" }, http.StatusForbidden, "SignatureDoesNotMatch", "signature_mismatch"},
		"a query behind":             {c, func(r *http.Request) { r.URL.RawQuery = "versionId=null" }, http.StatusForbidden, "SignatureDoesNotMatch", "signature_mismatch"},
		"a header that has to be":    {c, func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "b") }, http.StatusForbidden, "AccessDenied", ""},
		"signed 20 minutes ago":      {c, resign(c, -20*time.Minute), http.StatusForbidden, "RequestTimeTooSkewed", ""},
		"signed 20 minutes from now": {c, resign(c, 20*time.Minute), http.StatusForbidden, "RequestTimeTooSkewed", ""},
		"signature version 2":        {c, func(r *http.Request) { r.Header.Set("Authorization", "AWS "+c.AccessKey+":x") }, http.StatusBadRequest, "InvalidRequest", ""},
	} {
		r := w.request(tc.c, http.MethodGet, "/data/k", nil)
		if tc.edit != nil {
			tc.edit(r)
		}
		got := w.send(w.client, r)
		if got.status != tc.status || got.code() != tc.code || got.header.Get("X-Sealgate-Reason") != tc.reason {
			t.Errorf("%s: got %d %s %q %v, want %d %s", name, got.status, got.body, got.header.Get("X-Sealgate-Reason"), got.err, tc.status, tc.code)
		}
		if e := w.lastDenial(); e.Event != refused || e.Actor != "" || e.Reason != tc.reason || e.Detail["s3_error"] != tc.code {
			t.Errorf("%s: recorded %+v", name, e)
		}
	}
	if n := w.store.Calls(storetest.Any) - calls; n != 0 {
		t.Errorf("the store was called %d times", n)
	}
	w.noSecretSaid(c)
}

// resign signs for another time.
func resign(c s3api.Credentials, by time.Duration) func(*http.Request) {
	return func(r *http.Request) {
		sum := sha256.Sum256(nil)
		_ = s3api.SignHeader(r, c, "us-east-1", hex.EncodeToString(sum[:]), time.Now().Add(by))
	}
}

// Whatever ends an identity ends its sessions at the next request.
func TestSessionsEndAtOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		byToken      bool
		do           func(w *sessionWorld)
		code, reason string
	}{
		"denial": {false, func(w *sessionWorld) {
			w.deny(certs.Rule{Kind: certs.DenyID, ID: w.ca.ID(w.t, "/writer")})
		}, "AccessDenied", "identity_denied"},
		"denial of a token's": {true, func(w *sessionWorld) {
			w.deny(certs.Rule{Kind: certs.DenyID, ID: w.ca.ID(w.t, "/writer")})
		}, "AccessDenied", "identity_denied"},
		"issued before": {false, func(w *sessionWorld) {
			w.deny(certs.Rule{Kind: certs.DenyIssuedBefore, ID: w.ca.ID(w.t, "/writer"), Before: time.Now()})
		}, "AccessDenied", "identity_denied"},
		"the root is gone": {false, func(w *sessionWorld) {
			if err := w.own.Publish(certstest.NewCA(w.t, "acme.ai").SVID(w.t, "/gateway", certstest.Options{})); err != nil {
				w.t.Fatal(err)
			}
		}, "AccessDenied", "unknown_trust_domain"},
		"the signing key is gone": {true, func(w *sessionWorld) { w.publishJWT(nil) }, "AccessDenied", "unknown_trust_domain"},
		"the policy": {true, func(w *sessionWorld) {
			w.use(strings.ReplaceAll(testPolicy, "spiffe://acme.ai/writer", "spiffe://acme.ai/nobody"))
			snap := w.g.Current()
			snap.STS = w.sts
		}, "AccessDenied", "no_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSessionWorld(t, worldOptions{})
			var c s3api.Credentials
			if tc.byToken {
				c = w.byToken("/writer")
			} else {
				c = w.byCertificate("/writer")
			}
			w.signed(c, http.MethodPut, "/data/k", []byte("x")).want(t, http.StatusOK, "")
			presigned := w.presigned(c, http.MethodGet, "/data/k", time.Hour)
			w.do(w.client, http.MethodGet, presigned, nil).wantBody(t, http.StatusOK, []byte("x"))
			client := w.client
			tc.do(w)
			w.client = w.anyone() // the gateway may show another certificate now
			defer w.client.CloseIdleConnections()
			for _, r := range []reply{w.send(client, w.request(c, http.MethodGet, "/data/k", nil)), w.do(w.client, http.MethodGet, presigned, nil)} {
				if r.status != http.StatusForbidden || r.code() != tc.code || r.header.Get("X-Sealgate-Reason") != tc.reason {
					t.Errorf("got %d %s %q %v", r.status, r.body, r.header.Get("X-Sealgate-Reason"), r.err)
				}
				if e := w.lastDenial(); e.Reason != tc.reason || e.Session != c.AccessKey || e.Actor != "spiffe://acme.ai/writer" {
					t.Errorf("recorded %+v", e)
				}
			}
		})
	}
}

func (w *sessionWorld) deny(r certs.Rule) {
	w.t.Helper()
	if err := w.denials.Deny(r); err != nil {
		w.t.Fatal(err)
	}
}

// A stream that runs on a session is cut when its identity is denied.
func TestDenialCutsStreamsOfSessions(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	c := w.byToken("/writer")
	w.signed(c, http.MethodPut, "/data/k", noise(1, 8<<20)).want(t, http.StatusOK, "")
	w.store.Add(storetest.Rule{Op: storetest.Get, Body: storetest.Drip(65568, 50*time.Millisecond)})
	res, err := w.client.Do(w.request(c, http.MethodGet, "/data/k", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 65536)); err != nil {
		t.Fatal(err)
	}
	w.deny(certs.Rule{Kind: certs.DenyID, ID: w.ca.ID(t, "/writer")})
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil || n >= 8<<20-65536 {
		t.Errorf("the stream went on to its end: %d bytes, %v", n, err)
	}
	w.eventually("the outcome", func() bool { return w.last().outcome.Abort != "" })
	if rec := w.last(); rec.outcome.Abort != audit.AbortRevoked || rec.event.Session != c.AccessKey {
		t.Errorf("outcome %+v", rec.outcome)
	}
}

// narrowNothing is a session that is all that its identity is.
var narrowNothing policy.Narrowing

// peerOf is a verified certificate.
func (w *sessionWorld) peerOf(path string) certs.Peer {
	w.t.Helper()
	p, err := certs.Verify(certs.ServerConfig{Source: w.own}, w.ca.SVID(w.t, path, certstest.Options{}).Chain, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func TestExpiryOfSessions(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	s, err := session.New(session.FromPeer(w.peerOf("/writer")), narrowNothing, 0, session.Terms{Max: 2 * time.Second}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := session.Seal(sessionKeys{w.keys}, w.g.config.Deployment, s)
	if err != nil {
		t.Fatal(err)
	}
	c := s3api.Credentials{AccessKey: sealed.AccessKey, Secret: s3api.Secret(sealed.Secret), Token: s3api.Secret(sealed.Token)}
	presigned := w.presigned(c, http.MethodGet, "/data/k", time.Hour)
	w.eventually("the end of the session", func() bool { return !time.Now().Before(s.Expires) })
	for _, r := range []reply{w.signed(c, http.MethodGet, "/data/k", nil), w.do(w.client, http.MethodGet, presigned, nil)} {
		r.want(t, http.StatusBadRequest, "ExpiredToken")
		if r.header.Get("X-Sealgate-Reason") != "session_expired" {
			t.Errorf("reason %q", r.header.Get("X-Sealgate-Reason"))
		}
		if e := w.lastDenial(); e.Reason != "session_expired" || e.Session != c.AccessKey {
			t.Errorf("recorded %+v", e)
		}
	}
	if r := w.signed(c, http.MethodHead, "/data/k", nil); r.status != http.StatusForbidden {
		t.Errorf("HEAD: got %d; a 400 makes some clients call themselves for ever", r.status)
	}
}

// Whoever shows a token is somebody from then on: their connections count as
// their own, and not among those of nobody.
func TestConnectionsOfTokens(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{limits: Limits{PerIdentity: 2}})
	assume := func() reply {
		c := w.anyone()
		t.Cleanup(c.CloseIdleConnections)
		return w.call(c, w.assume(w.token("/writer")))
	}
	for range 2 {
		w.credentials(assume())
	}
	if r := assume(); r.stsCode() != "Throttling" {
		t.Fatalf("a third connection: got %d %s", r.status, r.stsCode())
	}
	if e := w.lastDenial(); e.Actor != "spiffe://acme.ai/writer" || e.Detail["s3_error"] != "SlowDown" {
		t.Errorf("the refusal is recorded as %+v", e)
	}
}

// Sessions of ever new policies are forgotten, not who needs no session.
func TestNarrowedSessionsTakeNobodysPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	snap := w.g.Current()
	id := w.ca.ID(t, "/writer")
	whole := snap.principal(id)
	for i := range maxNarrowed + 10 {
		snap.narrowed(id, narrowedTo(t, strconv.Itoa(i)))
	}
	if n := len(snap.principals.narrowed); n > maxNarrowed || n == 0 {
		t.Errorf("%d narrowed sessions are remembered", n)
	}
	if snap.principal(id) != whole {
		t.Error("they took the place of an identity")
	}
	one := narrowedTo(t, "x")
	first := snap.narrowed(id, one)
	if snap.narrowed(id, one) != first {
		t.Error("a session is compiled for each request")
	}
}

func narrowedTo(t *testing.T, key string) policy.Narrowing {
	t.Helper()
	sc, err := policy.NewScope(nil, "data", key, false)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Narrowing{Scopes: []policy.Scope{sc}}
}
