// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func (w *sessionWorld) ciToken(claims map[string]any) string {
	all := map[string]any{"iss": "https://oidc.acme.ai", "sub": "u", "aud": "sealgate", "ns": "fraud", "sa": "train"}
	for k, v := range claims {
		all[k] = v
	}
	return w.signToken(w.issuer, "i", all)
}

func TestTokensOfIssuersMakeSessions(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	w.put(w.world.client("/writer"), "/data/ci/x", []byte("x"))
	c := w.credentials(w.call(w.client, w.assume(w.ciToken(nil))))
	if e := w.last().event; e.Actor != "spiffe://ci.acme.ai/ns/fraud/sa/train" || e.TrustDomain != "ci.acme.ai" || e.Detail["provider"] != "https://oidc.acme.ai" || e.Detail["subject"] != "u" {
		t.Errorf("recorded %+v", e)
	}
	w.signed(c, http.MethodGet, "/data/ci/x", nil).wantBody(t, http.StatusOK, []byte("x"))
	w.signed(c, http.MethodGet, "/data/other", nil).want(t, http.StatusForbidden, "AccessDenied")
	w.deny(certs.Rule{Kind: certs.DenyTrustDomain, TrustDomain: certs.MustParseTrustDomain("ci.acme.ai")})
	w.signed(c, http.MethodGet, "/data/ci/x", nil).want(t, http.StatusForbidden, "AccessDenied")
}

// Every way in which a session is not made, with its record.
func TestSessionsThatAreNotMade(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	c := w.byToken("/writer")
	mtls := w.world.client("/writer")
	byCert := func(more ...string) url.Values {
		f := url.Values{"Action": {"AssumeRoleWithCertificate"}}
		for i := 0; i+1 < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	sign := func(r *http.Request) { w.signCall(c, r, "") }
	denied := certs.Rule{Kind: certs.DenyID, ID: w.ca.ID(t, "/blind")}
	w.deny(denied)
	before := w.minted()
	for name, tc := range map[string]struct {
		client *http.Client
		form   url.Values
		edit   func(*http.Request)
		code   string
		actor  string
		reason string
	}{
		"no certificate":            {w.client, byCert(), nil, "AccessDenied", "", ""},
		"a token on the wrong side": {mtls, w.assume(w.token("/writer")), nil, "AccessDenied", "spiffe://acme.ai/writer", ""},
		"by a session":              {mtls, byCert(), sign, "AccessDenied", "spiffe://acme.ai/writer", ""},
		"a token by a session":      {w.client, w.assume(w.token("/writer")), sign, "AccessDenied", "", ""},
		"another audience":          {w.client, w.assume(w.signToken(w.key, "k", map[string]any{"sub": "spiffe://acme.ai/writer", "aud": "sealgate"})), nil, "IDPRejectedClaim", "", ""},
		"an unknown key":            {w.client, w.assume(w.signToken(newECKey(t), "k", map[string]any{"sub": "spiffe://acme.ai/writer", "aud": w.g.audience()})), nil, "InvalidIdentityToken", "", ""},
		"the issuer speaks for us":  {w.client, w.assume(w.signToken(w.issuer, "i", map[string]any{"sub": "spiffe://acme.ai/writer", "aud": w.g.audience(), "iss": "https://oidc.acme.ai"})), nil, "InvalidIdentityToken", "", ""},
		"a claim with a slash":      {w.client, w.assume(w.ciToken(map[string]any{"ns": "fraud/../x"})), nil, "IDPRejectedClaim", "", ""},
		"no token":                  {w.client, w.assume("hello"), nil, "InvalidIdentityToken", "", ""},
		"a denied identity":         {w.client, w.assume(w.token("/blind")), nil, "AccessDenied", "spiffe://acme.ai/blind", "identity_denied"},
		"nobody's identity":         {w.client, w.assume(w.token("/nobody")), nil, "AccessDenied", "spiffe://acme.ai/nobody", "no_grant"},
		"a role of somebody else":   {mtls, byCert("RoleArn", "arn:sealgate:iam:::role/reader"), nil, "AccessDenied", "spiffe://acme.ai/writer", "no_grant"},
		"no role's name":            {mtls, byCert("RoleArn", "arn:aws:iam::1:role/writer"), nil, "ValidationError", "spiffe://acme.ai/writer", ""},
		"nothing left":              {mtls, byCert("Policy", `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::elsewhere/*"}}`), nil, "AccessDenied", "spiffe://acme.ai/writer", "no_grant"},
		"a policy that is none":     {mtls, byCert("Policy", `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`), nil, "MalformedPolicyDocument", "spiffe://acme.ai/writer", ""},
		"too long":                  {mtls, byCert("DurationSeconds", "7200"), nil, "ValidationError", "spiffe://acme.ai/writer", ""},
		"too short":                 {mtls, byCert("DurationSeconds", "60"), nil, "ValidationError", "spiffe://acme.ai/writer", ""},
		"an action of AWS":          {mtls, url.Values{"Action": {"AssumeRole"}}, nil, "InvalidAction", "spiffe://acme.ai/writer", ""},
		"who am I, said nobody":     {w.client, url.Values{"Action": {"GetCallerIdentity"}}, nil, "AccessDenied", "", "unsigned"},
	} {
		var edit []func(*http.Request)
		if tc.edit != nil {
			edit = append(edit, tc.edit)
		}
		r := w.call(tc.client, tc.form, edit...)
		if r.stsCode() != tc.code || r.status/100 != 4 {
			t.Errorf("%s: got %d %s %v, want %s", name, r.status, r.body, r.err, tc.code)
		}
		if e := w.lastDenial(); e.Actor != tc.actor || e.Reason != tc.reason || e.Decision != "deny" {
			t.Errorf("%s: recorded %+v", name, e)
		}
		if token := tc.form.Get("WebIdentityToken"); len(token) > 10 && (strings.Contains(w.log.String(), token) || strings.Contains(string(r.body), token)) {
			t.Errorf("%s: the token was said", name)
		}
	}
	if got := w.minted(); got != before {
		t.Errorf("%d sessions were made", got-before)
	}
}

// minted counts the intents of sessions.
func (w *sessionWorld) minted() (n int) {
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	for _, r := range w.rec.intents {
		if r.event.Event == "session.mint" {
			n++
		}
	}
	return n
}

func TestSessionKeysOff(t *testing.T) {
	t.Parallel()
	w := &sessionWorld{world: newWorld(t, worldOptions{})}
	r := w.call(w.world.client("/writer"), url.Values{"Action": {"AssumeRoleWithCertificate"}})
	if r.stsCode() != "AccessDenied" || !bytes.Contains(r.body, []byte("listeners.s3_session_keys.enabled")) {
		t.Errorf("got %d %s", r.status, r.body)
	}
	if r := w.call(w.world.client("/writer"), url.Values{"Action": {"GetCallerIdentity"}}); r.status != http.StatusOK {
		t.Errorf("GetCallerIdentity: got %d %s", r.status, r.body)
	}
}

// Credentials leave only behind their record.
func TestMintIsOnTheRecordFirst(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	form := url.Values{"Action": {"AssumeRoleWithCertificate"}}
	for _, fault := range []recorderFault{{begin: errors.New("full")}, {end: errors.New("full")}} {
		w.rec.fail(fault)
		r := w.call(w.world.client("/writer"), form)
		if r.stsCode() != "ServiceUnavailable" || bytes.Contains(r.body, []byte("SecretAccessKey")) {
			t.Errorf("got %d %s", r.status, r.body)
		}
	}
	w.rec.fail(recorderFault{})
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	c := w.byToken("/writer", "RoleArn", "arn:sealgate:iam:::role/writer")
	form := url.Values{"Action": {"GetCallerIdentity"}}
	read := func(r reply) (a struct {
		ARN     string `xml:"GetCallerIdentityResult>Arn"`
		UserID  string `xml:"GetCallerIdentityResult>UserId"`
		Account string `xml:"GetCallerIdentityResult>Account"`
	},
	) {
		t.Helper()
		if err := xml.Unmarshal(r.body, &a); err != nil || r.status != http.StatusOK {
			t.Fatalf("got %d %s", r.status, r.body)
		}
		return a
	}
	got := read(w.call(w.world.client("/nobody"), form))
	if got.UserID != "spiffe://acme.ai/nobody" || got.Account != w.g.config.Deployment.String() || got.ARN != "arn:sealgate:iam:::identity/acme.ai/nobody" {
		t.Errorf("certificate: %+v", got)
	}
	if e := w.last().event; e.Event != "session.identity" || e.Actor != "spiffe://acme.ai/nobody" {
		t.Errorf("recorded %+v", e)
	}
	got = read(w.callSTS(c, form))
	if got.UserID != "spiffe://acme.ai/writer" || got.ARN != "arn:sealgate:sts:::assumed-role/writer/"+c.AccessKey {
		t.Errorf("session: %+v", got)
	}
	bad := c
	bad.Secret = "guess"
	if r := w.callSTS(bad, form); r.stsCode() != "SignatureDoesNotMatch" {
		t.Errorf("a guess: got %d %s", r.status, r.body)
	}
}

func (w *sessionWorld) callSTS(c s3api.Credentials, form url.Values) reply {
	w.t.Helper()
	form.Set("Version", "2011-06-15")
	return w.call(w.client, form, func(r *http.Request) { w.signCall(c, r, form.Encode()) })
}

// signCall signs a call as AWS's own clients do.
func (w *sessionWorld) signCall(c s3api.Credentials, r *http.Request, body string) {
	w.t.Helper()
	who := aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: string(c.Secret), SessionToken: string(c.Token)}
	if err := v4.NewSigner().SignHTTP(w.t.Context(), who, r, sha256Hex(body), "sts", "us-east-1", time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

// A key of ours next to a certificate must be of the same identity; any other
// is ignored, as it always was.
func TestSignaturesNextToCertificates(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	w.put(w.world.client("/writer"), "/data/a", []byte("a"))
	whole, other := w.byToken("/writer"), w.byToken("/reader")
	narrow := w.byToken("/writer", "Policy", `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/b/*"}}`)
	guess := whole
	guess.Secret = "guess"
	bare := whole
	bare.Token = ""
	forged := whole
	forged.Token = whole.Token[:60] + "AAAA" + whole.Token[64:]
	for name, tc := range map[string]struct {
		c      s3api.Credentials
		status int
		reason string
	}{
		"the same identity":    {whole, http.StatusOK, ""},
		"a key of AWS":         {s3api.Credentials{AccessKey: "AKIAIOSFODNN7EXAMPLE", Secret: "x"}, http.StatusOK, ""},
		"a key of the agent":   {s3api.Credentials{AccessKey: "SGAG", Secret: "x", Token: "y"}, http.StatusOK, ""},
		"another identity":     {other, http.StatusForbidden, "signature_mismatch"},
		"a narrowed session":   {narrow, http.StatusForbidden, "no_grant"},
		"a wrong secret":       {guess, http.StatusForbidden, "signature_mismatch"},
		"no token":             {bare, http.StatusForbidden, ""},
		"a token that is none": {forged, http.StatusBadRequest, ""},
	} {
		r := w.send(w.world.client("/writer"), w.request(tc.c, http.MethodGet, "/data/a", nil))
		if r.status != tc.status || r.header.Get("X-Sealgate-Reason") != tc.reason {
			t.Errorf("%s: got %d %s %q %v", name, r.status, r.body, r.header.Get("X-Sealgate-Reason"), r.err)
		}
		if tc.status != http.StatusOK {
			if e := w.lastDenial(); e.Actor != "spiffe://acme.ai/writer" || e.Reason != tc.reason {
				t.Errorf("%s: recorded %+v", name, e)
			}
		}
	}
}

func TestNarrowedSessions(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	writer := w.world.client("/writer")
	for _, k := range []string{"a/x", "a/y", "b/x"} {
		w.put(writer, "/data/"+k, []byte(k))
	}
	c := w.byToken("/writer", "Policy", `{"Statement":{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":"arn:aws:s3:::data/a/*"}}`)
	w.signed(c, http.MethodGet, "/data/a/x", nil).wantBody(t, http.StatusOK, []byte("a/x"))
	for _, r := range []reply{
		w.signed(c, http.MethodGet, "/data/b/x", nil), w.signed(c, http.MethodPut, "/data/a/x", []byte("z")),
		w.signed(c, http.MethodDelete, "/data/a/x", nil), w.signed(c, http.MethodGet, "/plain/a", nil),
	} {
		r.want(t, http.StatusForbidden, "AccessDenied")
	}
	list := w.signed(c, http.MethodGet, "/data?list-type=2", nil)
	if list.status != http.StatusOK || bytes.Count(list.body, []byte("<Key>")) != 2 || bytes.Contains(list.body, []byte("b/x")) {
		t.Errorf("listing: %d %s", list.status, list.body)
	}
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	w.put(w.world.client("/writer"), "/data/k", []byte("x"))
	c, creator := w.byToken("/writer"), w.byToken("/creator")
	calls := w.store.Calls(storetest.Any)
	unsigned := func(c s3api.Credentials, method, target string, headers ...string) reply {
		return w.do(w.client, method, w.presigned(c, method, target, time.Minute), []byte("y"), headers...)
	}
	get := func(target string) reply {
		return w.do(w.client, http.MethodGet, w.presigned(c, http.MethodGet, target, time.Minute), nil)
	}
	for name, r := range map[string]reply{
		"a listing":      get("/data?list-type=2"),
		"list of bucket": get("/"),
		"tags":           get("/data/k?tagging"),
		"attributes":     get("/data/k?attributes"),
		"a deletion":     w.do(w.client, http.MethodDelete, w.presigned(c, http.MethodDelete, "/data/k", time.Minute), nil),
		"a copy": w.do(w.client, http.MethodPut, w.presigned(c, http.MethodPut, "/data/copy", time.Minute, "X-Amz-Copy-Source", "data/k"), nil,
			"X-Amz-Copy-Source", "data/k"),
		"too long":                     w.do(w.client, http.MethodGet, w.presigned(c, http.MethodGet, "/data/k", 2*time.Hour), nil),
		"a condition nobody signed":    unsigned(creator, http.MethodPut, "/data/new/k", "If-None-Match", "*"),
		"to overwrite, by a creator":   unsigned(creator, http.MethodPut, "/data/new/k"),
		"a header nobody signed":       unsigned(c, http.MethodPut, "/data/k", "X-Amz-Meta-A", "b"),
		"another key":                  w.do(w.client, http.MethodGet, strings.Replace(w.presigned(c, http.MethodGet, "/data/k", time.Minute), "/data/k", "/data/j", 1), nil),
		"another method":               w.do(w.client, http.MethodHead, w.presigned(c, http.MethodGet, "/data/k", time.Minute), nil),
		"expired":                      w.do(w.client, http.MethodGet, w.oldPresigned(c, "/data/k"), nil),
		"a longer time than was given": w.do(w.client, http.MethodGet, strings.Replace(w.presigned(c, http.MethodGet, "/data/k", time.Minute), "X-Amz-Expires=60", "X-Amz-Expires=61", 1), nil),
	} {
		if r.status != http.StatusForbidden {
			t.Errorf("%s: got %d %s %v, want 403", name, r.status, r.body, r.err)
		}
	}
	if n := w.store.Calls(storetest.Any) - calls; n != 0 {
		t.Errorf("the store was called %d times", n)
	}
	w.rec.mu.Lock()
	denials := len(w.rec.denials)
	w.rec.mu.Unlock()
	if denials < 14 {
		t.Errorf("%d refusals are on the record, want 14", denials)
	}
	target := w.presigned(creator, http.MethodPut, "/data/new/k", time.Minute, "If-None-Match", "*")
	w.do(w.client, http.MethodPut, target, []byte("y"), "If-None-Match", "*").want(t, http.StatusOK, "")
	w.do(w.client, http.MethodPut, target, []byte("z"), "If-None-Match", "*").want(t, http.StatusPreconditionFailed, "PreconditionFailed")
	// The mTLS listener takes none: there the certificate says who asks.
	if r := w.do(w.world.client("/writer"), http.MethodGet, w.presigned(c, http.MethodGet, "/data/k", time.Minute), nil); r.status != http.StatusBadRequest {
		t.Errorf("on the mTLS listener: got %d %s", r.status, r.body)
	}
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func dialTo(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// oldPresigned was good for a second, a minute ago.
func (w *sessionWorld) oldPresigned(c s3api.Credentials, target string) string {
	w.t.Helper()
	u, err := url.Parse("https://gateway" + target)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := s3api.Presign(http.MethodGet, u, nil, c, "us-east-1", time.Now().Add(-time.Minute), time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	return out.RequestURI()
}

// A session never outlives the certificate it was made from.
func TestSessionsOfShortCertificates(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	conf := w.clientTLS("/writer", certstest.Options{NotAfter: time.Now().Add(5 * time.Minute)})
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DialContext: dialTo(w.listen.Addr().String())}}
	defer c.CloseIdleConnections()
	r := w.call(c, url.Values{"Action": {"AssumeRoleWithCertificate"}, "DurationSeconds": {"3600"}})
	var a struct {
		Expiration time.Time `xml:"AssumeRoleWithCertificateResult>Credentials>Expiration"`
	}
	if err := xml.Unmarshal(r.body, &a); err != nil || r.status != http.StatusOK {
		t.Fatalf("got %d %s %v", r.status, r.body, r.err)
	}
	if left := time.Until(a.Expiration); left > 5*time.Minute || left < 4*time.Minute {
		t.Errorf("it lasts %s, of a certificate that lasts 5m", left)
	}
}
