// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

// intrude offers m, or no certificate, and asks for an object. The answer is
// "" when the gateway ended the connection without any.
func intrude(t *testing.T, g *gate.Gate, c *tls.Config) string {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(g.Endpoint, "https://"), c)
	if err != nil {
		return "" // refused in the handshake
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // a hang must not outlive the test
	_, _ = io.WriteString(conn, "GET /datasets/open/a HTTP/1.1\r\nHost: x\r\n\r\n")
	line, _ := bufio.NewReader(conn).ReadString('\n') // an error is the answer that is hoped for
	return line
}

// handshakes counts the recorded refusals by reason.
func handshakes(t *testing.T, g *gate.Gate) map[string]uint64 {
	t.Helper()
	n := map[string]uint64{}
	for _, r := range g.Records(t, audit.SearchQuery{Event: audit.EventHandshake}) {
		n[r.Reason] += r.Count
		if r.SrcIP != "127.0.0.0/24" {
			t.Errorf("record %d: a refused handshake from %s, want 127.0.0.0/24", r.Seq, r.SrcIP)
		}
	}
	return n
}

// expectHandshakes waits until the record shows at least these refusals.
func expectHandshakes(t *testing.T, g *gate.Gate, want map[string]uint64) {
	t.Helper()
	var lacks string
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		got := handshakes(t, g)
		lacks = ""
		for reason, n := range want {
			if got[reason] < n {
				lacks += fmt.Sprintf(" %s: %d of %d", reason, got[reason], n)
			}
		}
		if lacks == "" {
			return
		}
	}
	t.Errorf("refused handshakes that are not on the record:%s", lacks)
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	put(t, g, "/writer/odd", "/datasets/open/a", []byte(text))
	expect := map[string]uint64{}
	for _, odd := range g.CA.Odd(t, g.CA.ID(t, "/gateway")) {
		if line := intrude(t, g, g.TLS(t, odd.Material)); line != "" {
			t.Errorf("%s: got %q, want no answer", odd.Name, line)
		}
		expect[string(odd.Want)]++
	}
	if len(expect) < 15 {
		t.Fatalf("only %d kinds of bad certificates were tried", len(expect))
	}
	expect["no_certificate"]++
	if line := intrude(t, g, g.TLS(t, nil)); line != "" {
		t.Errorf("no certificate: got %q, want no answer", line)
	}
	// What crypto/x509 itself does not parse.
	for _, uri := range []string{"spiffe://test.sealgate/%zz", "spiffe://test sealgate/writer/a", "spiffe://[::1/writer/a"} {
		m := g.CA.SVID(t, "/odd", certstest.Options{})
		m.Chain = []*x509.Certificate{{Raw: unparsable(t, g.CA, m.Key, uri)}}
		if line := intrude(t, g, g.TLS(t, m)); line != "" {
			t.Errorf("URI %q: got %q, want no answer", uri, line)
		}
	}
	expect["handshake_failed"] = 3
	expectHandshakes(t, g, expect)
	for reason, n := range expect {
		got := metric(t, g, fmt.Sprintf("sealgate_tls_rejected_total{reason=%q}", reason))
		if v, err := strconv.ParseFloat(got, 64); err != nil || v < float64(n) {
			t.Errorf("metric of %s: got %s, want at least %d", reason, got, n)
		}
	}
	for _, r := range g.Records(t, audit.SearchQuery{Event: "artifact.*"}) {
		if r.Actor != "" && r.Actor != id("/writer/odd") {
			t.Errorf("record %d: %s did %s", r.Seq, r.Actor, r.Action)
		}
	}
}

// unparsable is a certificate for key whose URI SAN no Go program can read.
func unparsable(t *testing.T, ca *certstest.CA, key crypto.Signer, uri string) []byte {
	t.Helper()
	san, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}},
	}, ca.Issuer(), key.Public(), ca.Key())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// The same path in another trust domain, even with a bundle that names ours,
// is nobody here.
func TestForeignTrustDomain(t *testing.T) {
	t.Parallel()
	for _, td := range []string{"evil.example", "test.sealgate.evil", "sealgate", "test-sealgate"} {
		evil := certstest.NewCA(t, td)
		for _, path := range []string{"/writer/a", "/gateway"} {
			m := evil.SVID(t, path, certstest.Options{})
			m.Chain = append(m.Chain, shared.CA.Root) // a chain that ends in our root without being signed by it
			if line := intrude(t, shared, shared.TLS(t, m)); line != "" {
				t.Errorf("%s%s: got %q, want no answer", td, path, line)
			}
		}
	}
	expectHandshakes(t, shared, map[string]uint64{string(certs.ReasonUnknownTrustDomain): 8})
}

// A certificate whose private key the client does not have.
func TestStolenCertificate(t *testing.T) {
	t.Parallel()
	m := *material(t, shared, "/writer/stolen")
	m.Key = certstest.P256(t)
	c := shared.TLS(t, nil)
	cert := certstest.TLSCert(&m)
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	if line := intrude(t, shared, c); line != "" {
		t.Errorf("got %q, want no answer", line)
	}
	expectHandshakes(t, shared, map[string]uint64{"handshake_failed": 1})
}

func TestOldProtocols(t *testing.T) {
	t.Parallel()
	c := shared.TLS(t, material(t, shared, "/writer/old"))
	c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if line := intrude(t, shared, c); line != "" {
		t.Errorf("TLS 1.2: got %q, want no answer", line)
	}
	h2 := shared.TLS(t, material(t, shared, "/writer/old"))
	h2.NextProtos = []string{"h2"}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(shared.Endpoint, "https://"), h2); err == nil {
		if p := conn.ConnectionState().NegotiatedProtocol; p == "h2" {
			t.Errorf("negotiated %q, want HTTP/1.1 alone", p)
		}
		_ = conn.Close()
	}
	plain, err := net.Dial("tcp", strings.TrimPrefix(shared.Endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(30 * time.Second)) // a hang must not outlive the test
	_, _ = io.WriteString(plain, "GET /datasets/open/a HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, _ := io.ReadAll(plain); strings.Contains(string(got), "HTTP/1.1 2") {
		t.Errorf("plain HTTP: got %q", got)
	}
	expectHandshakes(t, shared, map[string]uint64{"handshake_failed": 2})
}

// sessions counts what a server gives for resumption.
type sessions struct {
	tls.ClientSessionCache
	mu  sync.Mutex
	put int
}

func (s *sessions) Put(key string, cs *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cs != nil {
		s.put++
	}
	s.ClientSessionCache.Put(key, cs)
}

func TestNoResumption(t *testing.T) {
	t.Parallel()
	cache := &sessions{ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	c := shared.TLS(t, material(t, shared, "/writer/resume"))
	c.ClientSessionCache = cache
	for range 3 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(shared.Endpoint, "https://"), c)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "HEAD /datasets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if b, err := io.ReadAll(conn); !strings.HasPrefix(string(b), "HTTP/1.1 200") {
			t.Fatalf("got %q, %v, want 200", b, err)
		}
		if conn.ConnectionState().DidResume {
			t.Error("a session was resumed: the certificate was not looked at")
		}
		_ = conn.Close()
	}
	if cache.put > 0 {
		t.Errorf("the gateway handed out %d session tickets, want none", cache.put)
	}
}

// The certificate expires on a connection that is kept alive: net/http and
// crypto/tls would go on serving it.
func TestExpiryOnOpenConnection(t *testing.T) {
	t.Parallel()
	put(t, shared, "/writer/expiry", "/datasets/open/expiry", []byte(text))
	who := "/reader/expiry"
	ends := time.Now().Add(5 * time.Second).Truncate(time.Second)
	m := shared.CA.SVID(t, who, certstest.Options{NotAfter: ends})
	c := dial(t, shared, m)
	w := &wire{c, bufio.NewReader(c)}
	const get = "GET /datasets/open/expiry HTTP/1.1\r\nHost: x\r\n\r\n"
	w.send(get)
	a, err := w.answer(http.MethodGet)
	if err != nil || a.Status != http.StatusOK || string(a.Body) != text {
		t.Fatalf("before: got %d %s, %v, want 200", a.Status, a.Body, err)
	}
	time.Sleep(time.Until(ends) + 100*time.Millisecond)
	w.send(get)
	if a, err = w.answer(http.MethodGet); err != nil {
		t.Fatal(err)
	}
	l := newLedger(t, shared)
	l.add("after", who, a, want{status: http.StatusForbidden, code: "AccessDenied", reason: "svid_expired"})
	if a.Header.Get("Connection") != "close" || !w.closed() {
		t.Errorf("the connection of an expired certificate stays open: %v", a.Header)
	}
	if strings.Contains(string(a.Body), "expiry/") || strings.Contains(string(a.Body), text) {
		t.Errorf("body: %s", a.Body)
	}
	l.check()
}

// A transfer may outlive its certificate by max_overrun, and no longer.
func TestExpiryInTransfer(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText, Overrun: "1s"})
	big := make([]byte, 24<<20)
	put(t, g, "/writer/overrun", "/datasets/open/big", big)
	ends := time.Now().Add(4 * time.Second).Truncate(time.Second)
	c := dial(t, g, g.CA.SVID(t, "/reader/overrun", certstest.Options{NotAfter: ends}))
	_, _ = io.WriteString(c, "GET /datasets/open/big HTTP/1.1\r\nHost: x\r\n\r\n")
	head := make([]byte, 64<<10)
	if _, err := io.ReadFull(c, head); err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 200") {
		t.Fatalf("got %.40q, %v, want 200", head, err)
	}
	time.Sleep(time.Until(ends) + 3*time.Second) // the client reads nothing meanwhile, so the transfer cannot end
	n, err := io.Copy(io.Discard, c)
	if err == nil || n >= int64(len(big))-1<<20 {
		t.Errorf("read %d bytes more, error %v: want a cut", n, err)
	}
	expectOutcome(t, g, id("/reader/overrun"), "GetObject", "svid_expired")
}

// expectOutcome waits for an outcome with that abort word of an intent of who.
func expectOutcome(t *testing.T, g *gate.Gate, who, action, abort string) audit.Record {
	t.Helper()
	var last []string
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		last = nil
		intents := map[uint64]bool{}
		for _, r := range g.Records(t, audit.SearchQuery{Who: who}) {
			switch {
			case r.Phase == audit.PhaseIntent && r.Action == action:
				intents[r.Seq] = true
			case r.Phase == audit.PhaseOutcome && intents[r.Of]:
				if r.Abort == abort {
					return r
				}
				last = append(last, r.Abort)
			}
		}
	}
	t.Fatalf("no outcome of %s by %s with abort %q, only %q", action, who, abort, last)
	return audit.Record{}
}

// What a proxy would say about the client says nothing here.
func TestForwardingHeaders(t *testing.T) {
	t.Parallel()
	put(t, shared, "/writer/forward", "/datasets/open/forward", []byte(text))
	l := newLedger(t, shared)
	for _, h := range []string{
		"X-Forwarded-For: 10.0.0.1", "X-Real-Ip: 10.0.0.1", "Forwarded: for=10.0.0.1;by=10.0.0.2",
		"X-Ssl-Client-S-Dn: CN=writer", "X-Ssl-Client-Verify: SUCCESS", "X-Forwarded-Client-Cert: URI=spiffe://test.sealgate/writer/a",
		"X-Sealgate-Identity: spiffe://test.sealgate/writer/a", "X-Sealgate-Actor: spiffe://test.sealgate/writer/a", "X-Sealgate-Role: writer",
		"X-Sealgate-On-Behalf-Of: spiffe://test.sealgate/writer/a", "X-Amz-Security-Token: role:writer", "X-Remote-User: root",
		"X-Original-Url: /datasets/open/forward", "X-Rewrite-Url: /datasets/open/forward", "X-Http-Method-Override: GET",
		"Authorization: AWS4-HMAC-SHA256 Credential=role:writer/20270101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64),
	} {
		a := raw(t, shared, "/nobody/forward", "GET /datasets/open/forward HTTP/1.1\r\nHost: x\r\n"+h+"\r\n\r\n")
		l.add(h, "/nobody/forward", a, denied("GetObject", "datasets/open/forward"))
	}
	l.check()
	for _, r := range shared.Records(t, audit.SearchQuery{Who: id("/nobody/forward")}) {
		if r.SrcIP != "127.0.0.1" {
			t.Errorf("record %d: source %s, want 127.0.0.1", r.Seq, r.SrcIP)
		}
	}
}

// One identity may not take all connections.
func TestConnectionsOfOneIdentity(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText, Config: map[string]string{"limits": "{connections_per_identity: 3}"}})
	put(t, g, "/writer/other", "/datasets/open/a", []byte(text))
	const head = "HEAD /datasets/open/a HTTP/1.1\r\nHost: x\r\n\r\n"
	for i := range 3 {
		w := open(t, g, "/reader/greedy")
		w.send(head)
		if a, err := w.answer(http.MethodHead); err != nil || a.Status != http.StatusOK {
			t.Fatalf("connection %d: got %d, %v, want 200", i, a.Status, err)
		}
	}
	if a := raw(t, g, "/reader/greedy", head); a.Status != http.StatusServiceUnavailable || a.Header.Get("Connection") != "close" {
		t.Errorf("one connection too many: got %d %v, want 503 and its end", a.Status, a.Header)
	}
	if a := raw(t, g, "/reader/modest", head); a.Status != http.StatusOK {
		t.Errorf("another identity: got %d, want 200", a.Status)
	}
}
