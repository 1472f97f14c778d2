// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/sealgate/sealgate/certs"
)

// TestMutualTLS: the gateway's own SVID and a workload's, each checked by the
// project's own rules at the other end, over a real connection.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a, socket := started(t, mine(t, "/job/a"))
	src, err := workloadapi.NewX509Source(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	svid, err := src.GetX509SVID()
	if err != nil {
		t.Fatal(err)
	}
	addresses := gatewayServer(t, a)
	own, err := a.Source().Current()
	if err != nil {
		t.Fatal(err)
	}
	job := tls.Certificate{PrivateKey: svid.PrivateKey, Certificate: [][]byte{svid.Certificates[0].Raw}}
	for _, addr := range addresses {
		// The client is an ordinary one: it knows the root and checks the name it dialled.
		roots := own.Bundles[testDomain].Pool()
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{job}}}
		resp, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Get("https://" + addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		tr.CloseIdleConnections()
		if err != nil || string(body) != "spiffe://test.local/job/a" {
			t.Errorf("%s: the server saw %q, %v", addr, body, err)
		}
	}
}

// gatewayServer answers with the peer's SPIFFE ID, and returns the ways to reach it.
func gatewayServer(t *testing.T, a *Authority) []string {
	t.Helper()
	config := certs.ServerConfig{Source: a.Source()}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := certs.Verify(config, r.TLS.PeerCertificates, time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		io.WriteString(w, peer.ID.String()) //nolint:errcheck // a test's answer
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(tls.NewListener(l, certs.ServerTLS(config))) //nolint:errcheck // ends with the test
	t.Cleanup(func() { srv.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return []string{"localhost:" + port, "127.0.0.1:" + port}
}

// TestOwnNames: ::1 is in the certificate too, where there is no such address to try.
func TestOwnNames(t *testing.T) {
	t.Parallel()
	m, err := mustOpen(t, testConfig(t)).Source().Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := m.Chain[0].VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if m.ID.String() != "spiffe://test.local/gateway" {
		t.Errorf("the gateway is %s", m.ID)
	}
}

// TestOwnSVIDRotates: at half its life, with another key, and Updated tells.
func TestOwnSVIDRotates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := mustOpen(t, testConfig(t))
		_, stop := running(a)
		defer stop()
		first, err := a.Source().Current()
		if err != nil {
			t.Fatal(err)
		}
		start, updated := time.Now(), a.Source().Updated()
		<-updated
		if d := time.Since(start); d < 27*time.Minute || d > 33*time.Minute {
			t.Errorf("rotation after %s of 1h", d)
		}
		second, err := a.Source().Current()
		if err != nil {
			t.Fatal(err)
		}
		if second.Generation <= first.Generation {
			t.Errorf("generation %d follows %d", second.Generation, first.Generation)
		}
		if string(first.Chain[0].RawSubjectPublicKeyInfo) == string(second.Chain[0].RawSubjectPublicKeyInfo) {
			t.Error("the key is the same")
		}
	})
}

// TestClock: nothing is issued before the CA's start or with a life beyond its end.
func TestClock(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	offset := time.Duration(0)
	cfg.Now = func() time.Time { return time.Now().Add(offset) }
	a := mustOpen(t, cfg)
	st, r := a.state.Load(), request{id: testID(t, "/job/a")}
	offset = -2 * time.Hour
	if _, err := a.issueX509(t.Context(), st, r); !wantText(err, errClock.Error()) {
		t.Errorf("before the CA's start: %v", err)
	}
	if _, err := a.issueJWT(t.Context(), st, r, []string{"aud"}); !wantText(err, errClock.Error()) {
		t.Errorf("before the JWT key's start: %v", err)
	}
	ca, key := st.keys.x509[0], st.keys.jwt[0]
	offset = time.Until(ca.end) - 90*time.Second
	s, err := a.issueX509(t.Context(), st, r)
	if err != nil || !s.cert.NotAfter.Equal(ca.end) {
		t.Errorf("want an SVID that ends with the CA at %s, got %v", ca.end, err)
	}
	if _, err := a.issueJWT(t.Context(), st, r, []string{"aud"}); err != nil {
		t.Error(err)
	}
	offset = time.Until(ca.end)
	if _, err := a.issueX509(t.Context(), st, r); !wantText(err, "no CA that is valid now") {
		t.Errorf("at the CA's end: %v", err)
	}
	offset = time.Until(key.end)
	if _, err := a.issueJWT(t.Context(), st, r, []string{"aud"}); !wantText(err, "no JWT key that is valid now") {
		t.Errorf("at the JWT key's end: %v", err)
	}
}

// TestCACertificate: AUTHORITY.md §4.3.
func TestCACertificate(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	c := a.state.Load().keys.x509[0].cert
	if len(c.URIs) != 1 || c.URIs[0].String() != "spiffe://test.local" || len(c.DNSNames)+len(c.IPAddresses) > 0 {
		t.Errorf("names %v %v", c.URIs, c.DNSNames)
	}
	if !c.IsCA || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.ExtKeyUsage) > 0 {
		t.Errorf("rights: %v %v %v", c.IsCA, c.KeyUsage, c.ExtKeyUsage)
	}
	if d := c.NotAfter.Sub(c.NotBefore); d != DefaultCALifetime+backdate {
		t.Errorf("it lives %s", d)
	}
	if _, err := a.Step(context.Background()); err != nil || a.state.Load().keys.x509[0].cert != c {
		t.Errorf("a step with nothing due changed the CA: %v", err)
	}
}

// TestCheckCA: a certificate that is not a CA of this domain never gets into the
// bundle, whoever sealed it.
func TestCheckCA(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(k *signingKey)
		want   string
	}{
		{"as made", func(*signingKey) {}, ""},
		{"another key id", func(k *signingKey) { k.cert.SubjectKeyId[0] ^= 1 }, "another key id"},
		{"a leaf", func(k *signingKey) { k.cert.IsCA = false }, "not one of a CA for leaves"},
		{"may have CAs below", func(k *signingKey) { k.cert.MaxPathLenZero = false }, "not one of a CA for leaves"},
		{"no right to sign", func(k *signingKey) { k.cert.KeyUsage = x509.KeyUsageDigitalSignature }, "wrong key usage"},
		{"two IDs", func(k *signingKey) { k.cert.URIs = append(k.cert.URIs, k.cert.URIs[0]) }, "not of trust domain"},
		{"a workload's ID", func(k *signingKey) { k.cert.URIs[0].Path = "/x" }, "not of trust domain"},
		{"signature", func(k *signingKey) { k.cert.Signature[10] ^= 1 }, "signature"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k, err := newCA(testDomain, time.Now(), DefaultCALifetime, DefaultSVIDTTL)
			if err != nil {
				t.Fatal(err)
			}
			tc.change(k)
			err = checkCA(testDomain, k)
			if tc.want == "" && err != nil || tc.want != "" && !wantText(err, tc.want) {
				t.Errorf("want %q, got %v", tc.want, err)
			}
		})
	}
}
