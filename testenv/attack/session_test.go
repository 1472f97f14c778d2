// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/xml"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/testenv/gate"
)

// thief is somebody on the listener for session keys who holds no certificate.
type thief struct {
	t        *testing.T
	g        *gate.Gate
	endpoint string
	client   *http.Client
}

func newThief(t *testing.T, o gate.Options) *thief {
	t.Helper()
	o.Config = map[string]string{
		"listeners": `{s3_mtls: {address: "127.0.0.1:0"}, s3_session_keys: {enabled: true, address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`,
		"sts":       "{max_presign: 10m}",
	}
	g := gate.Start(t, o)
	m := regexp.MustCompile(`sessions (https://localhost:\d+)`).FindStringSubmatch(g.Banner)
	if m == nil {
		t.Fatalf("no listener for session keys: %s", g.Banner)
	}
	tr := &http.Transport{TLSClientConfig: g.TLS(t, nil), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &thief{t: t, g: g, endpoint: m[1], client: &http.Client{Transport: tr}}
}

// session has keys by the certificate of a path.
func (th *thief) session(who string, more ...string) s3api.Credentials {
	th.t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithCertificate"}, "Version": {"2011-06-15"}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	a := th.g.Do(th.t, client(th.t, th.g, who), http.MethodPost, "/", strings.NewReader(form.Encode()), int64(len(form.Encode())),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	var got struct {
		AccessKeyID     string `xml:"AssumeRoleWithCertificateResult>Credentials>AccessKeyId"`
		SecretAccessKey string `xml:"AssumeRoleWithCertificateResult>Credentials>SecretAccessKey"`
		SessionToken    string `xml:"AssumeRoleWithCertificateResult>Credentials>SessionToken"`
	}
	if err := xml.Unmarshal(a.Body, &got); err != nil || a.Status != http.StatusOK {
		th.t.Fatalf("session of %s: got %d %s", who, a.Status, a.Body)
	}
	return s3api.Credentials{AccessKey: got.AccessKeyID, Secret: s3api.Secret(got.SecretAccessKey), Token: s3api.Secret(got.SessionToken)}
}

// signed is a request by c that was signed at a time from now.
func (th *thief) signed(c s3api.Credentials, method, target string, body []byte, from time.Duration) *http.Request {
	th.t.Helper()
	r, err := http.NewRequest(method, th.endpoint+target, bytes.NewReader(body))
	if err != nil {
		th.t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if err := s3api.SignHeader(r, c, "us-east-1", hex.EncodeToString(sum[:]), time.Now().Add(from)); err != nil {
		th.t.Fatal(err)
	}
	return r
}

// presigned is a request by URL alone.
func (th *thief) presigned(c s3api.Credentials, method, target string, expires time.Duration) *http.Request {
	th.t.Helper()
	u, err := url.Parse(th.endpoint + target)
	if err != nil {
		th.t.Fatal(err)
	}
	signed, err := s3api.Presign(method, u, nil, c, "us-east-1", time.Now(), expires)
	if err != nil {
		th.t.Fatal(err)
	}
	r, err := http.NewRequest(method, signed.String(), nil)
	if err != nil {
		th.t.Fatal(err)
	}
	return r
}

// send gives status, code, reason and request id of the answer.
func (th *thief) send(c *http.Client, r *http.Request) (status int, code, reason, id string) {
	th.t.Helper()
	res, err := c.Do(r)
	if err != nil {
		th.t.Fatal(err)
	}
	defer res.Body.Close()
	var e struct{ Code string }
	_ = xml.NewDecoder(res.Body).Decode(&e) // an answer that is no error has none
	return res.StatusCode, e.Code, res.Header.Get("X-Sealgate-Reason"), res.Header.Get("X-Amz-Request-Id")
}

// recorded is the record of a request, which must be there by now.
func (th *thief) recorded(id string) audit.Record {
	th.t.Helper()
	found := th.g.Records(th.t, audit.SearchQuery{RequestID: id})
	if len(found) == 0 {
		th.t.Fatalf("request %s is not on the record", id)
	}
	return found[0]
}

// Each attempt to use a session that is not one's own, or more than it is:
// what is answered, and what the record says.
func TestStolenAndForgedSessions(t *testing.T) {
	t.Parallel()
	th := newThief(t, gate.Options{Policy: policyText})
	put(t, th.g, "/writer/sessions", "/models/secret", []byte(text))
	put(t, th.g, "/writer/sessions", "/datasets/open/x", []byte(text))
	writer, reader := th.session("/writer/sessions"), th.session("/reader/sessions")
	narrow := th.session("/writer/sessions", "Policy", `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::datasets/open/*"}}`)
	guess, swap, bare, cut := writer, writer, writer, writer
	guess.Secret = "wJalrXUtnFEMI"
	swap.Token = reader.Token
	bare.Token = ""
	cut.Token = writer.Token[:len(writer.Token)-4]
	edit := func(r *http.Request, f func(*http.Request)) *http.Request { f(r); return r }
	get := func(c s3api.Credentials) *http.Request { return th.signed(c, http.MethodGet, "/models/secret", nil, 0) }
	bareRequest := func(method, target string) *http.Request {
		r, err := http.NewRequest(method, th.endpoint+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	other := http.DefaultTransport.(*http.Transport).Clone()
	other.TLSClientConfig = th.g.TLS(t, th.g.CA.SVID(t, "/reader/sessions", certstest.Options{}))
	other.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.Replace(strings.TrimPrefix(th.g.Endpoint, "https://"), "localhost", "127.0.0.1", 1))
	}
	t.Cleanup(other.CloseIdleConnections)
	for name, tc := range map[string]struct {
		r            *http.Request
		client       *http.Client
		status       int
		code, reason string
		actor        string // path; "" is nobody
	}{
		"unsigned read":              {bareRequest(http.MethodGet, "/models/secret"), nil, 403, "AccessDenied", "unsigned", ""},
		"unsigned list":              {bareRequest(http.MethodGet, "/models?list-type=2"), nil, 403, "AccessDenied", "unsigned", ""},
		"unsigned removal":           {bareRequest(http.MethodDelete, "/models/secret"), nil, 403, "AccessDenied", "unsigned", ""},
		"an identity in a header":    {edit(bareRequest(http.MethodGet, "/models/secret"), func(r *http.Request) { r.Header.Set("X-Sealgate-Actor", id("/writer/sessions")) }), nil, 403, "AccessDenied", "unsigned", ""},
		"the token and a guess":      {get(guess), nil, 403, "SignatureDoesNotMatch", "signature_mismatch", ""},
		"the token of another":       {get(swap), nil, 400, "InvalidToken", "", ""},
		"without the token":          {get(bare), nil, 403, "InvalidAccessKeyId", "", ""},
		"half a token":               {get(cut), nil, 400, "InvalidToken", "", ""},
		"a replay after 16 minutes":  {th.signed(writer, http.MethodGet, "/models/secret", nil, -16*time.Minute), nil, 403, "RequestTimeTooSkewed", "", ""},
		"a replay on another key":    {edit(th.signed(writer, http.MethodGet, "/datasets/open/x", nil, 0), func(r *http.Request) { r.URL.Path = "/models/secret" }), nil, 403, "SignatureDoesNotMatch", "signature_mismatch", ""},
		"a replay as a removal":      {edit(get(writer), func(r *http.Request) { r.Method = http.MethodDelete }), nil, 403, "SignatureDoesNotMatch", "signature_mismatch", ""},
		"a replay on another host":   {edit(get(writer), func(r *http.Request) { r.Host = "models" }), nil, 403, "SignatureDoesNotMatch", "signature_mismatch", ""},
		"another body":               {edit(th.signed(writer, http.MethodPut, "/models/secret", []byte(text), 0), func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }), nil, 400, "XAmzContentSHA256Mismatch", "", "/writer/sessions"},
		"metadata put in on the way": {edit(th.signed(writer, http.MethodPut, "/models/secret", nil, 0), func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "b") }), nil, 403, "AccessDenied", "", ""},
		"more than the identity may": {th.signed(reader, http.MethodGet, "/models/secret", nil, 0), nil, 403, "AccessDenied", "no_grant", "/reader/sessions"},
		"more than the session may":  {get(narrow), nil, 403, "AccessDenied", "no_grant", "/writer/sessions"},
		"next to a certificate":      {edit(get(writer), func(*http.Request) {}), &http.Client{Transport: other}, 403, "AccessDenied", "signature_mismatch", "/reader/sessions"},

		"a presigned list":             {th.presigned(writer, http.MethodGet, "/models?list-type=2", time.Minute), nil, 403, "AccessDenied", "", "/writer/sessions"},
		"a presigned removal":          {th.presigned(writer, http.MethodDelete, "/models/secret", time.Minute), nil, 403, "AccessDenied", "", "/writer/sessions"},
		"presigned for too long":       {th.presigned(writer, http.MethodGet, "/models/secret", time.Hour), nil, 403, "AccessDenied", "", "/writer/sessions"},
		"presigned for something less": {edit(th.presigned(writer, http.MethodGet, "/datasets/open/x", time.Minute), func(r *http.Request) { r.URL.Path = "/models/secret" }), nil, 403, "SignatureDoesNotMatch", "signature_mismatch", ""},
		"presigned with more behind":   {edit(th.presigned(writer, http.MethodGet, "/models/secret", time.Minute), func(r *http.Request) { r.URL.RawQuery += "&versionId=null" }), nil, 403, "SignatureDoesNotMatch", "signature_mismatch", ""},
		"presigned by version 2":       {bareRequest(http.MethodGet, "/models/secret?AWSAccessKeyId="+writer.AccessKey+"&Signature=x&Expires=9999999999"), nil, 400, "InvalidRequest", "", ""},
	} {
		c := tc.client
		if c == nil {
			c = th.client
		}
		status, code, reason, request := th.send(c, tc.r)
		if status != tc.status || code != tc.code || reason != tc.reason {
			t.Errorf("%s: got %d %s %q, want %d %s %q", name, status, code, reason, tc.status, tc.code, tc.reason)
			continue
		}
		actor := ""
		if tc.actor != "" {
			actor = id(tc.actor)
		}
		rec := th.recorded(request)
		if allowed := tc.code == "XAmzContentSHA256Mismatch"; rec.Actor != actor || !allowed && (rec.Decision != "deny" || rec.Reason != tc.reason) {
			t.Errorf("%s: recorded %+v", name, rec)
		}
	}
	for _, c := range []s3api.Credentials{writer, reader, narrow} {
		for what, said := range map[string]string{"log": th.g.Log(), "record": auditText(t, th.g)} {
			if strings.Contains(said, string(c.Secret)) || strings.Contains(said, string(c.Token)) {
				t.Errorf("the %s holds a secret of session %s", what, c.AccessKey)
			}
		}
	}
	// The object is as it was.
	if a := th.g.Do(t, client(t, th.g, "/writer/sessions"), http.MethodGet, "/models/secret", nil, 0, nil); string(a.Body) != text {
		t.Errorf("the object: %d %s", a.Status, a.Body)
	}
}

// auditText is every record as it lies on the disk.
func auditText(t *testing.T, g *gate.Gate) string {
	t.Helper()
	entries, err := os.ReadDir(g.AuditDir() + "/segments")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		b, err := os.ReadFile(g.AuditDir() + "/segments/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// A session and its URLs are decided at each use: what the policy takes away
// they lose with it.
func TestSessionsFollowThePolicy(t *testing.T) {
	t.Parallel()
	th := newThief(t, gate.Options{Policy: policyText})
	put(t, th.g, "/writer/sessions", "/models/secret", []byte(text))
	c := th.session("/writer/sessions")
	if status, _, _, _ := th.send(th.client, th.presigned(c, http.MethodGet, "/models/secret", time.Minute)); status != http.StatusOK {
		t.Fatalf("before: got %d", status)
	}
	without := strings.ReplaceAll(policyText, "spiffe://test.sealgate/writer/*", "spiffe://test.sealgate/elsewhere/*")
	if err := os.WriteFile(th.g.PolicyFile(), []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		status, code, reason, request := th.send(th.client, th.presigned(c, http.MethodGet, "/models/secret", time.Minute))
		if status == http.StatusForbidden {
			if rec := th.recorded(request); code != "AccessDenied" || reason != "no_grant" || rec.Session != c.AccessKey || rec.Actor != id("/writer/sessions") {
				t.Errorf("got %s %s, recorded %+v", code, reason, rec)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the URL outlives the right")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if status, _, reason, _ := th.send(th.client, th.signed(c, http.MethodGet, "/models/secret", nil, 0)); status != http.StatusForbidden || reason != "no_grant" {
		t.Errorf("signed: got %d %s", status, reason)
	}
}

// The listener asks for no certificate, and one that is shown means nothing.
func TestCertificatesMeanNothingToSessions(t *testing.T) {
	t.Parallel()
	th := newThief(t, gate.Options{Policy: policyText})
	conf := th.g.TLS(t, th.g.CA.SVID(t, "/writer/sessions", certstest.Options{}))
	tr := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(tr.CloseIdleConnections)
	r, err := http.NewRequest(http.MethodGet, th.endpoint+"/models?list-type=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _, reason, request := th.send(&http.Client{Transport: tr}, r)
	if rec := th.recorded(request); status != http.StatusForbidden || reason != "unsigned" || rec.Actor != "" {
		t.Errorf("got %d %s, recorded %+v", status, reason, rec)
	}
	old := conf.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if c, err := tls.Dial("tcp", strings.TrimPrefix(th.endpoint, "https://"), old); err == nil {
		_ = c.Close()
		t.Error("TLS 1.2 was taken")
	}
}
