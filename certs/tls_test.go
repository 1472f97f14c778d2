// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
)

const gatewayPath = "/gateway"

func TestServerRefusesOddCertificates(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	reasons := make(refusals, 1)
	self := ca.Source(t, gatewayPath, certstest.Options{})
	s := serve(t, certs.ServerConfig{Source: self, Rejected: reasons.record})
	for _, odd := range ca.Odd(t, ca.ID(t, gatewayPath)) {
		t.Run(odd.Name, func(t *testing.T) {
			answer, err := s.try(t, certstest.TLSCert(odd.Material))
			if err == nil {
				t.Fatalf("let in, answer %q", answer)
			}
			if why := reasons.next(t); why != odd.Want {
				t.Errorf("reason %q, want %q", why, odd.Want)
			}
		})
	}
}

func TestServerAcceptsHonestCertificates(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	s := serve(t, certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{})})
	inter := ca.Intermediate(t).Intermediate(t).Intermediate(t)
	now := time.Now()
	for name, m := range map[string]*certs.Material{
		"plain":                    ca.SVID(t, "/a", certstest.Options{}),
		"three intermediates":      inter.SVID(t, "/a", certstest.Options{}),
		"P-384":                    ca.SVID(t, "/a", certstest.Options{Key: p384(t)}),
		"Ed25519":                  ca.SVID(t, "/a", certstest.Options{Key: ed(t)}),
		"RSA of 2048 bits":         ca.SVID(t, "/a", certstest.Options{Key: rsaKey(t, 2048)}),
		"no extended key usage":    ca.SVID(t, "/a", certstest.Options{Edit: func(c *x509.Certificate) { c.ExtKeyUsage = nil }}),
		"client only":              ca.SVID(t, "/a", certstest.Options{Edit: func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }}),
		"exactly a day of life":    ca.SVID(t, "/a", certstest.Options{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(23 * time.Hour)}),
		"the gateway's name below": ca.SVID(t, gatewayPath+"/x", certstest.Options{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if answer, err := s.try(t, certstest.TLSCert(m)); err != nil || answer != "ok" {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
}

// A federated gateway holds several bundles; each speaks for its own domain only.
func TestServerKeepsBundlesApart(t *testing.T) {
	t.Parallel()
	acme, partner := certstest.NewCA(t, "acme.ai"), certstest.NewCA(t, "partner.example")
	self := acme.Source(t, gatewayPath, certstest.Options{Federated: []*certs.Bundle{partner.Bundle()}})
	reasons := make(refusals, 1)
	s := serve(t, certs.ServerConfig{Source: self, Rejected: reasons.record})

	if answer, err := s.try(t, certstest.TLSCert(partner.SVID(t, "/a", certstest.Options{}))); err != nil || answer != "ok" {
		t.Errorf("the partner's own workload: %q, %v", answer, err)
	}
	forged := partner.SVID(t, "/a", certstest.Options{URIs: []string{"spiffe://acme.ai/admin"}})
	if _, err := s.try(t, certstest.TLSCert(forged)); err == nil {
		t.Error("the partner's authority spoke for acme.ai")
	} else if why := reasons.next(t); why != certs.ReasonUntrusted {
		t.Errorf("reason %q, want %q", why, certs.ReasonUntrusted)
	}
	lookalike := partner.SVID(t, "/a", certstest.Options{URIs: []string{"spiffe://acme.ai.evil/a"}})
	if _, err := s.try(t, certstest.TLSCert(lookalike)); err == nil {
		t.Error("a name that only begins like ours was let in")
	} else if why := reasons.next(t); why != certs.ReasonUnknownTrustDomain {
		t.Errorf("reason %q, want %q", why, certs.ReasonUnknownTrustDomain)
	}
}

// A foreign workload with the same path as a local one is another identity.
func TestSamePathOfAnotherDomainIsAnotherID(t *testing.T) {
	t.Parallel()
	acme, evil := certstest.NewCA(t, "acme.ai"), certstest.NewCA(t, "evil.example")
	conf := certs.ServerConfig{Source: acme.Source(t, gatewayPath, certstest.Options{Federated: []*certs.Bundle{evil.Bundle()}})}
	local, err := certs.Verify(conf, acme.SVID(t, "/admin", certstest.Options{}).Chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := certs.Verify(conf, evil.SVID(t, "/admin", certstest.Options{}).Chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if local.ID == foreign.ID || foreign.ID.String() != "spiffe://evil.example/admin" {
		t.Errorf("local %q, foreign %q", local.ID, foreign.ID)
	}
}

func TestServerWantsCertificateAndTLS13(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	s := serve(t, certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{})})
	cert := certstest.TLSCert(ca.SVID(t, "/a", certstest.Options{}))

	if c, err := s.dialConfig(t, &tls.Config{InsecureSkipVerify: true}); err == nil {
		if answer, err := c.ask(); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("a client without a certificate got %q, %v", answer, err)
		}
	}
	_, err := s.dialConfig(t, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}})
	if !isAlert(err) {
		t.Errorf("TLS 1.2: %v; want an alert", err)
	}
	c, err := s.dialConfig(t, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("negotiated %q, want http/1.1", got)
	}
	if got := c.conn.ConnectionState().CurveID; got != tls.X25519MLKEM768 {
		t.Errorf("key exchange %v, want the post-quantum hybrid", got)
	}
}

func TestServerMaxLifetime(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	reasons := make(refusals, 1)
	s := serve(t, certs.ServerConfig{
		Source: ca.Source(t, gatewayPath, certstest.Options{}), MaxLifetime: 30 * time.Minute, Rejected: reasons.record,
	})
	if _, err := s.try(t, certstest.TLSCert(ca.SVID(t, "/a", certstest.Options{}))); err == nil {
		t.Error("an hour of life passed a cap of 30 minutes")
	} else if why := reasons.next(t); why != certs.ReasonLifetime {
		t.Errorf("reason %q, want %q", why, certs.ReasonLifetime)
	}
}

func TestServerWithoutIdentityRefusesAll(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	self := ca.Source(t, gatewayPath, certstest.Options{})
	s := serve(t, certs.ServerConfig{Source: self})
	self.Withdraw(errors.New("the entry is gone"))
	if answer, err := s.try(t, certstest.TLSCert(ca.SVID(t, "/a", certstest.Options{}))); err == nil {
		t.Errorf("got %q from a server that has no identity", answer)
	}
}

func TestClientTLS(t *testing.T) {
	t.Parallel()
	acme, evil := certstest.NewCA(t, "acme.ai"), certstest.NewCA(t, "evil.example")
	both := certstest.Options{Federated: []*certs.Bundle{evil.Bundle()}}
	me := acme.Source(t, "/me", both)
	expect := acme.ID(t, gatewayPath)
	opts := func(o certstest.Options) certstest.Options { o.Federated = []*certs.Bundle{acme.Bundle()}; return o }
	for _, tt := range []struct {
		name   string
		server *certs.Snapshot
		expect certs.ID
		want   certs.Reason
	}{
		{"the expected server", acme.Source(t, gatewayPath, both), expect, ""},
		{"without a DNS name", acme.Source(t, gatewayPath, certstest.Options{DNS: []string{}}), expect, ""},
		{"another workload of the domain", acme.Source(t, "/ns/a/train", both), expect, certs.ReasonUnexpectedID},
		{"the same path of another domain", evil.Source(t, gatewayPath, opts(certstest.Options{})), expect, certs.ReasonUnexpectedID},
		{"a usurper's authority", certstest.NewCA(t, "acme.ai").Source(t, gatewayPath, certstest.Options{}), expect, certs.ReasonUntrusted},
		{"a client-only certificate", acme.Source(t, gatewayPath, certstest.Options{
			Edit: func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] },
		}), expect, certs.ReasonExtKeyUsage},
		{"nobody expected", acme.Source(t, gatewayPath, both), certs.ID{}, certs.ReasonUnexpectedID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, certs.ServerConfig{Source: tt.server})
			_, err := s.dialConfig(t, certs.ClientTLS(me, tt.expect))
			if got := certs.ReasonOf(err); got != tt.want || (err != nil) != (tt.want != "") {
				t.Errorf("got %v, want reason %q", err, tt.want)
			}
		})
	}
}

func TestClientTLSShowsCurrentCertificate(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	me := ca.Source(t, "/me", certstest.Options{})
	s := serve(t, certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{})})
	conf := certs.ClientTLS(me, ca.ID(t, gatewayPath))
	first := shown(t, s, conf)
	if err := me.Publish(ca.SVID(t, "/me", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	if second := shown(t, s, conf); second.Equal(first) {
		t.Error("a new connection shows the certificate of before the rotation")
	}
}

func shown(t *testing.T, s *server, conf *tls.Config) *x509.Certificate {
	t.Helper()
	c, err := s.dialConfig(t, conf)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := c.ask(); err != nil || answer != "ok" {
		t.Fatalf("got %q, %v", answer, err)
	}
	return (<-s.conns).ConnectionState().PeerCertificates[0]
}

func p384(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ed(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
