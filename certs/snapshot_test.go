// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
)

func TestSnapshotNeverServesExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca := certstest.NewCA(t, "acme.ai")
		s := ca.Source(t, gatewayPath, certstest.Options{})
		time.Sleep(58 * time.Minute)
		if _, err := s.Current(); err != nil {
			t.Fatalf("a minute before the end: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if m, err := s.Current(); !errors.Is(err, certs.ErrNoMaterial) || m != nil {
			t.Errorf("after the end: %v, %v; want ErrNoMaterial", m, err)
		}
	})
}

func TestSnapshotKeepsLastGood(t *testing.T) {
	t.Parallel()
	ca, other := certstest.NewCA(t, "acme.ai"), certstest.NewCA(t, "other.example")
	s := ca.Source(t, gatewayPath, certstest.Options{})
	good, err := s.Current()
	if err != nil {
		t.Fatal(err)
	}
	updated := s.Updated()
	for name, spoil := range map[string]func(*certs.Material){
		"no chain":                func(m *certs.Material) { m.Chain = nil },
		"no key":                  func(m *certs.Material) { m.Key = nil },
		"another key":             func(m *certs.Material) { m.Key = certstest.P256(t) },
		"another ID":              func(m *certs.Material) { m.ID = ca.ID(t, "/other") },
		"nobody's ID":             func(m *certs.Material) { m.ID = certs.ID{} },
		"a longer validity":       func(m *certs.Material) { m.NotAfter = m.NotAfter.Add(time.Hour) },
		"an earlier validity":     func(m *certs.Material) { m.NotBefore = m.NotBefore.Add(-time.Hour) },
		"no bundles":              func(m *certs.Material) { m.Bundles = nil },
		"another domain's bundle": func(m *certs.Material) { m.Bundles[ca.TrustDomain] = other.Bundle() },
		"a nil bundle":            func(m *certs.Material) { m.Bundles[other.TrustDomain] = nil },
		"a usurper's roots":       func(m *certs.Material) { m.Bundles[ca.TrustDomain] = certstest.NewCA(t, "acme.ai").Bundle() },
		"a foreign bundle filed wrongly": func(m *certs.Material) {
			m.Bundles[certs.MustParseTrustDomain("third.example")] = other.Bundle()
		},
	} {
		m := ca.SVID(t, gatewayPath, certstest.Options{})
		spoil(m)
		if err := s.Publish(m); err == nil {
			t.Errorf("%s: it was published", name)
		}
	}
	if err := s.Publish(ca.SVID(t, gatewayPath, certstest.Options{NotBefore: time.Now().Add(-2 * time.Hour)})); !errors.Is(err, certs.ErrExpired) {
		t.Errorf("an expired certificate: %v", err)
	}
	if m, err := s.Current(); err != nil || m != good || m.Generation != 1 {
		t.Errorf("the last good material is gone: %v", err)
	}
	select {
	case <-updated:
		t.Error("a refused update was told as a change")
	default:
	}
}

func TestSnapshotNotifies(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	s := certs.NewSnapshot()
	if _, err := s.Current(); !errors.Is(err, certs.ErrNoMaterial) {
		t.Errorf("before anything came: %v", err)
	}
	for i := range uint64(3) {
		updated := s.Updated()
		if err := s.Publish(ca.SVID(t, gatewayPath, certstest.Options{})); err != nil {
			t.Fatal(err)
		}
		<-updated
		if m, err := s.Current(); err != nil || m.Generation != i+1 {
			t.Errorf("publication %d: %v", i+1, err)
		}
	}
	updated := s.Updated()
	s.Withdraw(errors.New("no entry"))
	<-updated
	if _, err := s.Current(); !errors.Is(err, certs.ErrNoMaterial) || !strings.Contains(err.Error(), "no entry") {
		t.Errorf("after withdrawal: %v", err)
	}
}

// A leaf in a bundle must not be trusted by being there, nor its holder be a signer.
func TestBundlePoolHoldsAuthoritiesOnly(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	self := ca.SVID(t, gatewayPath, certstest.Options{})
	stray := certstest.NewCA(t, "acme.ai").SVID(t, "/stray", certstest.Options{})
	bundle := &certs.Bundle{TrustDomain: ca.TrustDomain, X509: []*x509.Certificate{ca.Root, stray.Chain[0]}}
	want := x509.NewCertPool()
	want.AddCert(ca.Root)
	if !bundle.Pool().Equal(want) {
		t.Error("the pool holds more than the authority")
	}
	src, err := certs.Static(certstest.WithBundles(self, bundle))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Verify(certs.ServerConfig{Source: src}, stray.Chain, time.Now()); certs.ReasonOf(err) != certs.ReasonUntrusted {
		t.Errorf("got %v, want %s", err, certs.ReasonUntrusted)
	}
}

func TestPeerDescribesCertificate(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai").Intermediate(t)
	conf := certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{})}
	m := ca.SVID(t, "/a", certstest.Options{})
	peer, err := certs.Verify(conf, m.Chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if peer.ID != m.ID || peer.Serial != m.Chain[0].SerialNumber.Text(16) || !peer.NotAfter.Equal(m.NotAfter) {
		t.Errorf("peer %+v", peer)
	}
	if peer.IssuerSKI != certs.KeyID(ca.Issuer()) || peer.IssuerSKI == certs.KeyID(ca.Root) {
		t.Errorf("issuer %s, want the intermediate's %s", peer.IssuerSKI, certs.KeyID(ca.Issuer()))
	}
	if peer.Root != sha256.Sum256(ca.Root.RawSubjectPublicKeyInfo) || !ca.Bundle().HasRoot(peer.Root) {
		t.Errorf("root %x is not that of the bundle", peer.Root)
	}
	other := certstest.NewCA(t, "acme.ai")
	leaves := &certs.Bundle{TrustDomain: ca.TrustDomain, X509: []*x509.Certificate{other.Root, m.Chain[0]}}
	if leaves.HasRoot(peer.Root) || leaves.HasRoot(peer.SPKI) {
		t.Error("a bundle has a root that is not in it, or that is a leaf")
	}
}
