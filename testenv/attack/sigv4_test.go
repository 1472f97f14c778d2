// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/testenv/gate"
)

// sigGate is a gateway with the listener for session keys, and what is sent
// to that listener.
type sigGate struct {
	t testing.TB
	g *gate.Gate
	// used is what must be found nowhere afterwards: secrets, tokens,
	// signatures.
	used []string
}

func startSessions(t testing.TB) *sigGate {
	t.Helper()
	return &sigGate{t: t, g: gate.Start(t, gate.Options{Policy: policyText, Config: map[string]string{
		"listeners": `{s3_mtls: {address: "127.0.0.1:0"}, s3_session_keys: {enabled: true, address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`,
	}})}
}

// mint gets session keys for an identity, by its certificate.
func (s *sigGate) mint(who string) s3api.Credentials {
	s.t.Helper()
	form := "Action=AssumeRoleWithCertificate&Version=2011-06-15&DurationSeconds=900"
	a := s.g.Do(s.t, client(s.t, s.g, who), http.MethodPost, "/", strings.NewReader(form), int64(len(form)),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	var out struct {
		Result struct {
			Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		} `xml:"AssumeRoleWithCertificateResult"`
	}
	if err := xml.Unmarshal(a.Body, &out); err != nil || a.Status != http.StatusOK {
		s.t.Fatalf("minting a session for %s: %d, %v", who, a.Status, err)
	}
	c := out.Result.Credentials
	s.used = append(s.used, c.SecretAccessKey, c.SessionToken)
	return s3api.Credentials{AccessKey: c.AccessKeyId, Secret: s3api.Secret(c.SecretAccessKey), Token: s3api.Secret(c.SessionToken)}
}

func (s *sigGate) host() string { return strings.TrimPrefix(s.g.Sessions, "https://") }

// signed gives the lines of a request that is signed in its header.
func (s *sigGate) signed(c s3api.Credentials, at time.Time, method, target string, headers ...string) []string {
	s.t.Helper()
	r := s.request(method, target, headers)
	if err := s3api.SignHeader(r, c, "us-east-1", "UNSIGNED-PAYLOAD", at); err != nil {
		s.t.Fatal(err)
	}
	return s.lines(r, method, target)
}

// presigned likewise, in its query.
func (s *sigGate) presigned(c s3api.Credentials, at time.Time, expires time.Duration, method, target string, headers ...string) []string {
	s.t.Helper()
	r := s.request(method, target, headers)
	u, err := s3api.Presign(method, r.URL, r.Header, c, "us-east-1", at, expires)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.lines(r, method, u.RequestURI())
}

func (s *sigGate) request(method, target string, headers []string) *http.Request {
	s.t.Helper()
	u, err := url.Parse(s.g.Sessions + target)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &http.Request{Method: method, URL: u, Header: http.Header{}}
	for _, l := range headers {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func (s *sigGate) lines(r *http.Request, method, target string) []string {
	out := []string{method + " " + target + " HTTP/1.1", "Host: " + s.host()}
	for name, values := range r.Header {
		out = append(out, name+": "+values[0])
	}
	slices.Sort(out[2:])
	for _, mark := range []string{"Signature=", "X-Amz-Signature="} {
		if _, sig, ok := strings.Cut(strings.Join(out, "\n"), mark); ok {
			s.used = append(s.used, sig[:64])
		}
	}
	return out
}

// pace keeps a test below the rate from which on denials are only counted.
const pace = 25 * time.Millisecond

// send sends a request as it stands, without any certificate.
func (s *sigGate) send(lines []string, body string) gate.Answer {
	s.t.Helper()
	time.Sleep(pace)
	c, err := tls.Dial("tcp", s.host(), s.g.TLS(s.t, nil))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	_, _ = io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"+body) // it may have hung up: what it answered counts
	w := &wire{c, bufio.NewReader(c)}
	method, _, _ := strings.Cut(lines[0], " ")
	a, err := w.answer(method)
	if err != nil {
		s.t.Fatalf("%s: no answer: %v", strings.SplitN(lines[0], "?", 2)[0], err)
	}
	return a
}

// recorded is what a request must be answered, and what must be on the record.
type recorded struct {
	status int
	code   string // in the body and on the record
	reason string
	actor  string // SPIFFE ID path; "" nobody
	event  string // default request.refused
}

// expect checks an answer and its record.
func (s *sigGate) expect(name string, a gate.Answer, w recorded) {
	s.t.Helper()
	if a.Status != w.status || len(a.Body) > 0 && w.status >= 300 && errorOf(a).Code != w.code {
		s.t.Errorf("%s: got %d %.300q, want %d %s", name, a.Status, a.Body, w.status, w.code)
	}
	if got := a.Header.Get("X-Sealgate-Reason"); got != w.reason {
		s.t.Errorf("%s: got reason %q, want %q", name, got, w.reason)
	}
	if w.event == "" {
		w.event = "request.refused"
	}
	actor := ""
	if w.actor != "" {
		actor = id(w.actor)
	}
	r, outcome := s.record(name, a.Header.Get("X-Amz-Request-Id"))
	if r.Event != w.event || r.Actor != actor || r.Reason != w.reason {
		s.t.Errorf("%s: on the record is %s by %q, reason %q; want %s by %q, reason %q", name, r.Event, r.Actor, r.Reason, w.event, actor, w.reason)
	}
	if got := r.Detail["s3_error"] + outcome.S3Error; w.code != "" && w.reason == "" && got != w.code {
		s.t.Errorf("%s: on the record is the error %q, want %q", name, got, w.code)
	}
}

// record gives what is on the record of a request, once its outcome is.
func (s *sigGate) record(name, request string) (record, outcome audit.Record) {
	s.t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		record, outcome = audit.Record{}, audit.Record{}
		for _, r := range s.g.Records(s.t, audit.SearchQuery{}) {
			switch {
			case r.Phase == audit.PhaseOutcome && r.Of == record.Seq && record.RequestID != "":
				outcome = r
			case r.Phase != audit.PhaseOutcome && r.RequestID == request && request != "":
				record = r
			}
		}
		if record.RequestID != "" && (record.Decision == "deny" || outcome.Seq != 0) {
			return record, outcome
		}
	}
	s.t.Errorf("%s: no record of request %q", name, request)
	return record, outcome
}

// with gives the lines with one of them changed.
func with(lines []string, old, replacement string) []string {
	return strings.Split(strings.Replace(strings.Join(lines, "\n"), old, replacement, 1), "\n")
}

const sigText = "signed, sealed"

// TestSignaturesOverTheWire is all that can be done with a signed request that
// somebody else made, short of having the secret.
func TestSignaturesOverTheWire(t *testing.T) {
	t.Parallel()
	s := startSessions(t)
	const who = "/writer/sigv4"
	put(t, s.g, who, "/models/sig/a", []byte(sigText))
	put(t, s.g, who, "/models/sig/b", []byte("another"))
	c, now := s.mint(who), time.Now()

	get := s.signed(c, now, "GET", "/models/sig/a", "X-Amz-Checksum-Mode: ENABLED")
	a := s.send(get, "")
	if string(a.Body) != sigText {
		t.Errorf("the request itself: %d %q", a.Status, a.Body)
	}
	s.expect("the request itself", a, recorded{status: 200, actor: who, event: "artifact.read"})

	mismatch := recorded{status: 403, code: "SignatureDoesNotMatch", reason: "signature_mismatch"}
	for name, lines := range map[string][]string{
		"another method":            with(get, "GET ", "DELETE "),
		"another key":               with(get, "/models/sig/a", "/models/sig/b"),
		"the same key otherwise":    with(get, "/models/sig/a", "/models/sig/%61"),
		"another bucket":            with(get, "/models/", "/datasets/"),
		"a parameter more":          with(get, "/sig/a ", "/sig/a?versionId=null "),
		"a sub-resource":            with(get, "/sig/a ", "/sig/a?tagging "),
		"a signed header changed":   with(get, "Mode: ENABLED", "Mode: DISABLED"),
		"a signed header left out":  with(get, "\nX-Amz-Checksum-Mode: ENABLED", ""),
		"another host":              with(get, "Host: "+s.host(), "Host: s3.amazonaws.com"),
		"another time":              with(get, "Date: "+now.UTC().Format("20060102T150405Z"), "Date: "+now.Add(time.Minute).UTC().Format("20060102T150405Z")),
		"another digest":            with(get, "UNSIGNED-PAYLOAD", fmt.Sprintf("%x", sha256.Sum256(nil))),
		"another region":            with(get, "us-east-1", "us-east-2"),
		"a signature of zeros":      with(get, "Signature="+s.used[2], "Signature="+strings.Repeat("0", 64)),
		"signed with another token": s.signed(s3api.Credentials{AccessKey: c.AccessKey, Secret: "another", Token: c.Token}, now, "GET", "/models/sig/a"),
	} {
		if name == "another time" && now.Add(time.Minute).UTC().Day() != now.UTC().Day() {
			continue // midnight: the scope would be of another day
		}
		s.expect(name, s.send(lines, ""), mismatch)
	}
	refused := func(status int, code string) recorded { return recorded{status: status, code: code} }
	for name, x := range map[string]struct {
		lines []string
		want  recorded
	}{
		"nothing":                  {[]string{"GET /models/sig/a HTTP/1.1", "Host: " + s.host()}, recorded{status: 403, code: "AccessDenied", reason: "unsigned"}},
		"an unsigned header":       {append(slices.Clone(get), "X-Amz-Copy-Source: /models/sig/b"), refused(403, "AccessDenied")},
		"a doubled header":         {append(slices.Clone(get), "X-Amz-Checksum-Mode: ENABLED"), refused(400, "InvalidArgument")},
		"too old":                  {s.signed(c, now.Add(-16*time.Minute), "GET", "/models/sig/a"), refused(403, "RequestTimeTooSkewed")},
		"too early":                {s.signed(c, now.Add(45*time.Minute), "GET", "/models/sig/a"), refused(403, "RequestTimeTooSkewed")},
		"another key id":           {with(get, c.AccessKey, "AKIAIOSFODNN7EXAMPLE"), refused(403, "InvalidAccessKeyId")},
		"a key id of ours":         {with(get, c.AccessKey, c.AccessKey[:4]+strings.Repeat("A", 16)), refused(400, "InvalidToken")},
		"no token":                 {s.signed(s3api.Credentials{AccessKey: c.AccessKey, Secret: c.Secret}, now, "GET", "/models/sig/a"), refused(403, "InvalidAccessKeyId")},
		"a token with a byte more": {s.signed(s3api.Credentials{AccessKey: c.AccessKey, Secret: c.Secret, Token: c.Token + "A"}, now, "GET", "/models/sig/a"), refused(400, "InvalidToken")},
		"the token of another":     {s.signed(s3api.Credentials{AccessKey: c.AccessKey, Secret: c.Secret, Token: s.mint(who).Token}, now, "GET", "/models/sig/a"), refused(400, "InvalidToken")},
		"signature version 2":      {[]string{"GET /models/sig/a HTTP/1.1", "Host: " + s.host(), "Authorization: AWS AKID:c2ln"}, refused(400, "InvalidRequest")},
		"a bearer":                 {[]string{"GET /models/sig/a HTTP/1.1", "Host: " + s.host(), "Authorization: Bearer " + string(c.Token)}, refused(400, "InvalidArgument")},
		"a header and a query":     {with(get, "/sig/a ", "/sig/a?X-Amz-Signature="+strings.Repeat("0", 64)+" "), refused(400, "InvalidRequest")},
		"a signature for sts":      {with(get, "/s3/", "/sts/"), mismatch},
		"host is not signed":       {with(get, "SignedHeaders=host;", "SignedHeaders="), refused(400, "AuthorizationHeaderMalformed")},
		"what the policy forbids":  {s.signed(c, now, "GET", "/models/.sealgate/x"), recorded{status: 403, code: "AccessDenied", reason: "reserved_name", actor: who, event: "artifact.read"}},
		"HEAD, too old":            {s.signed(c, now.Add(-time.Hour), "HEAD", "/models/sig/a"), refused(403, "RequestTimeTooSkewed")},
		"HEAD, malformed":          {[]string{"HEAD /models/sig/a HTTP/1.1", "Host: " + s.host(), "Authorization: AWS4-HMAC-SHA256 x"}, refused(403, "AuthorizationHeaderMalformed")},
	} {
		a := s.send(x.lines, "")
		s.expect(name, a, x.want)
		if x.want.code == "RequestTimeTooSkewed" && len(a.Body) > 0 && !bytes.Contains(a.Body, []byte("<ServerTime>")) {
			t.Errorf("%s: the error does not say what time it is: %s", name, a.Body)
		}
	}

	// No session makes another, whatever it is signed for.
	mint := append(s.signed(c, now, "POST", "/?Action=AssumeRoleWithCertificate&Version=2011-06-15"), "Content-Length: 0")
	a = s.send(mint, "")
	if a.Status != http.StatusBadRequest || !bytes.Contains(a.Body, []byte("<Type>Sender</Type><Code>IncompleteSignature</Code>")) {
		t.Errorf("a session made by a session: %d %q", a.Status, a.Body)
	}
	a = s.send(append([]string{"POST /?Action=AssumeRoleWithCertificate&Version=2011-06-15 HTTP/1.1", "Host: " + s.host()}, "Content-Length: 0"), "")
	if a.Status != http.StatusForbidden || !bytes.Contains(a.Body, []byte("<Code>AccessDenied</Code>")) {
		t.Errorf("a session for nobody: %d %q", a.Status, a.Body)
	}

	// With a certificate, a session key must be of the same identity.
	other := client(t, s.g, "/reader/sigv4")
	r := s.request("GET", "/models/sig/a", nil)
	r.URL.Host = strings.TrimPrefix(s.g.Endpoint, "https://")
	if err := s3api.SignHeader(r, c, "us-east-1", "UNSIGNED-PAYLOAD", now); err != nil {
		t.Fatal(err)
	}
	a = s.g.Do(t, other, "GET", "/models/sig/a", nil, 0, r.Header)
	s.expect("another's key beside a certificate", a, recorded{status: 403, code: "AccessDenied", reason: "signature_mismatch", actor: "/reader/sigv4"})
	s.nowhere()
}

// TestPresignedOverTheWire is what whoever finds a URL may try.
func TestPresignedOverTheWire(t *testing.T) {
	t.Parallel()
	s := startSessions(t)
	const who = "/writer/presign"
	put(t, s.g, who, "/models/sig/a", []byte(sigText))
	put(t, s.g, who, "/models/sig/b", []byte("another"))
	c, now := s.mint(who), time.Now()
	get := s.presigned(c, now, 10*time.Minute, "GET", "/models/sig/a")
	a := s.send(get, "")
	if string(a.Body) != sigText {
		t.Errorf("the URL itself: %d %q", a.Status, a.Body)
	}
	s.expect("the URL itself", a, recorded{status: 200, actor: who, event: "artifact.read"})
	s.expect("with a range, which need not be signed", s.send(append(slices.Clone(get), "Range: bytes=0-3"), ""), recorded{status: 206, actor: who, event: "artifact.read"})

	upload := s.presigned(c, now, 10*time.Minute, "PUT", "/models/sig/new", "X-Amz-Meta-Run: 7", "If-None-Match: *")
	s.expect("an upload", s.send(append(upload, "Content-Length: 3"), "new"), recorded{status: 200, actor: who, event: "artifact.write"})
	s.expect("the upload again", s.send(append(slices.Clone(upload), "Content-Length: 3"), "NEW"), recorded{status: 412, code: "PreconditionFailed", actor: who, event: "artifact.write"})

	mismatch := recorded{status: 403, code: "SignatureDoesNotMatch", reason: "signature_mismatch"}
	for name, lines := range map[string][]string{
		"another key":               with(get, "/sig/a?", "/sig/b?"),
		"another method":            with(get, "GET ", "HEAD "),
		"a put":                     append(with(get, "GET ", "PUT "), "Content-Length: 0"),
		"longer":                    with(get, "X-Amz-Expires=600", "X-Amz-Expires=6000"),
		"a parameter more":          with(get, "?", "?response-content-type=text%2Fhtml&"),
		"another host":              with(get, "Host: "+s.host(), "Host: x"),
		"signed metadata changed":   append(with(upload, "Run: 7", "Run: 8"), "Content-Length: 0"),
		"signed metadata left out":  append(with(upload, "\nX-Amz-Meta-Run: 7", ""), "Content-Length: 0"),
		"a condition left out":      append(with(upload, "\nIf-None-Match: *", ""), "Content-Length: 0"),
		"an upload with If-Match":   append(with(upload, "If-None-Match: *", "If-None-Match: x"), "Content-Length: 0"),
		"a signature of zeros":      with(get, "Signature="+s.used[2], "Signature="+strings.Repeat("0", 64)),
		"a secret that is no one's": s.presigned(s3api.Credentials{AccessKey: c.AccessKey, Secret: "x", Token: c.Token}, now, 10*time.Minute, "GET", "/models/sig/a"),
	} {
		s.expect(name, s.send(lines, ""), mismatch)
	}
	refused := func(status int, code string) recorded { return recorded{status: status, code: code} }
	allowed := func(code string) recorded { return recorded{status: 403, code: code, actor: who} }
	for name, x := range map[string]struct {
		lines []string
		want  recorded
	}{
		"over":                         {s.presigned(c, now.Add(-2*time.Minute), time.Minute, "GET", "/models/sig/a"), refused(403, "AccessDenied")},
		"not yet":                      {s.presigned(c, now.Add(45*time.Minute), time.Minute, "GET", "/models/sig/a"), refused(403, "RequestTimeTooSkewed")},
		"for a year":                   {with(get, "X-Amz-Expires=600", "X-Amz-Expires=31536000"), refused(400, "AuthorizationQueryParametersError")},
		"for no time":                  {with(get, "X-Amz-Expires=600", "X-Amz-Expires=0"), refused(400, "AuthorizationQueryParametersError")},
		"without the token":            {s.presigned(s3api.Credentials{AccessKey: c.AccessKey, Secret: c.Secret}, now, 10*time.Minute, "GET", "/models/sig/a"), refused(403, "InvalidAccessKeyId")},
		"an unsigned header":           {append(slices.Clone(get), "X-Amz-Copy-Source: /models/sig/b"), refused(403, "AccessDenied")},
		"an unsigned tag":              {append(slices.Clone(upload), "X-Amz-Tagging: a=b", "Content-Length: 0"), refused(403, "AccessDenied")},
		"the signature twice":          {with(get, " HTTP/1.1", "&X-Amz-Signature="+strings.Repeat("0", 64)+" HTTP/1.1"), refused(400, "InvalidArgument")},
		"the token in a header":        {append(slices.Clone(get), "X-Amz-Security-Token: x"), refused(400, "AuthorizationQueryParametersError")},
		"a delete":                     {s.presigned(c, now, 10*time.Minute, "DELETE", "/models/sig/a"), allowed("AccessDenied")},
		"a listing":                    {s.presigned(c, now, 10*time.Minute, "GET", "/models?list-type=2"), allowed("AccessDenied")},
		"all buckets":                  {s.presigned(c, now, 10*time.Minute, "GET", "/"), allowed("AccessDenied")},
		"tags":                         {s.presigned(c, now, 10*time.Minute, "GET", "/models/sig/a?tagging"), allowed("AccessDenied")},
		"a copy, moved into the query": {append(s.presigned(c, now, 10*time.Minute, "PUT", "/models/sig/c?X-Amz-Copy-Source=%2Fmodels%2Fsig%2Fb"), "Content-Length: 0"), allowed("AccessDenied")},
	} {
		s.expect(name, s.send(x.lines, ""), x.want)
	}
	s.nowhere()
}

// digester is the hash that minio-go's streaming signer asks for.
type digester struct{ hash.Hash }

func (digester) Close() {}

// TestChunksOverTheWire: no byte of a signed upload can be changed, moved or
// left out, and what was refused is not there.
func TestChunksOverTheWire(t *testing.T) {
	t.Parallel()
	s := startSessions(t)
	const who = "/writer/chunks"
	c := s.mint(who)
	data := bytes.Repeat([]byte("0123456789abcdef"), 150_000/16)
	upload := func(target string, trailer bool) (lines []string, body string) {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, s.g.Sessions+target, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if trailer {
			r.Trailer = http.Header{"X-Amz-Checksum-Crc32": {crc(string(data))}}
		}
		r = signer.StreamingSignV4(r, c.AccessKey, string(c.Secret), string(c.Token), "us-east-1", int64(len(data)), time.Now().UTC(), digester{sha256.New()})
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Length", fmt.Sprint(len(raw)))
		return s.lines(r, http.MethodPut, target), string(raw)
	}
	tampered := recorded{status: 403, code: "SignatureDoesNotMatch", actor: who, event: "artifact.write"}
	for _, trailer := range []bool{false, true} {
		target := fmt.Sprintf("/models/sig/chunks-%t", trailer)
		lines, body := upload(target, trailer)
		first, last := strings.Index(body, "0123"), strings.LastIndex(body, "0;chunk-signature=")
		second := strings.Index(body, "\r\n10000;chunk-signature=") + 2
		for name, changed := range map[string]string{
			"the first byte":       body[:first] + "x" + body[first+1:],
			"a byte in the middle": body[:len(body)/2] + "\x00" + body[len(body)/2+1:],
			"the last byte":        body[:last-3] + "x" + body[last-2:],
			"two chunks swapped":   body[second:2*second] + body[:second] + body[2*second:],
			"a signature":          strings.Replace(body, ";chunk-signature=", ";chunk-signature=", 1)[:22] + flip(body[22]) + body[23:],
			"the last signature":   body[:last+18] + flip(body[last+18]) + body[last+19:],
		} {
			s.expect(name, s.send(lines, changed), tampered)
			if a := s.g.Do(t, client(t, s.g, who), http.MethodHead, target, nil, 0, nil); a.Status != http.StatusNotFound {
				t.Errorf("%s: after the refusal the object is there: %d", name, a.Status)
			}
		}
		if trailer {
			at := strings.LastIndex(body, "x-amz-trailer-signature:") + len("x-amz-trailer-signature:")
			s.expect("the trailer's signature", s.send(lines, body[:at]+flip(body[at])+body[at+1:]), tampered)
		}
		a := s.send(lines, body)
		s.expect("the upload itself", a, recorded{status: 200, actor: who, event: "artifact.write"})
		if got := s.g.Do(t, client(t, s.g, who), http.MethodGet, target, nil, 0, nil); !bytes.Equal(got.Body, data) {
			t.Errorf("the object has %d bytes, not those that were signed", len(got.Body))
		}
		s.expect("the upload under another name", s.send(with(lines, target, target+"2"), body), recorded{status: 403, code: "SignatureDoesNotMatch", reason: "signature_mismatch"})
	}
	s.nowhere()
}

// flip gives another hex digit.
func flip(b byte) string {
	if b == '0' {
		return "1"
	}
	return "0"
}

// nowhere: no secret, token or signature that was used is on the record, in the
// log, or among the metrics.
func (s *sigGate) nowhere() {
	s.t.Helper()
	resp, err := http.Get(s.g.Metrics + "/metrics") //nolint:noctx // ends with the gateway
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	places := map[string]string{"metrics": string(metrics), "log": s.g.Log()}
	err = filepath.WalkDir(s.g.AuditDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		places[path] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(places) < 4 || len(s.used) < 4 {
		s.t.Fatalf("looked for %d secrets in %d places only", len(s.used), len(places))
	}
	for place, text := range places {
		for _, secret := range s.used {
			if len(secret) > 20 && strings.Contains(text, secret) {
				s.t.Errorf("%s holds a secret or a signature: %.12s...", place, secret)
			}
		}
	}
}
