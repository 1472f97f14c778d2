// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// TestLint: a certificate that differs from the table in AUTHORITY.md §4.1 in
// anything is found out. Each row breaks one thing.
func TestLint(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ca, err := newCA(testDomain, now, 30*24*time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newCA(testDomain, now, 30*24*time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r := request{id: testID(t, "/job/a"), dns: []string{"a.example"}, ips: []net.IP{net.IPv4(127, 0, 0, 1)}}
	const critical = true
	for _, tc := range []struct {
		name   string
		change func(c *x509.Certificate)
		want   string // "" is clean
	}{
		{"as it should be", func(*x509.Certificate) {}, ""},
		{"serial of 8 bits", func(c *x509.Certificate) { c.SerialNumber = big.NewInt(200) }, "serial number"},
		{"serial of 136 bits", func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 135) }, "serial number"},
		{"another hash", func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 }, "signature algorithm"},
		{"subject", func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "root"} }, "subject"},
		{"no subject key id", func(c *x509.Certificate) { c.SubjectKeyId = nil }, "subject key id"},
		{"starts too late", func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, "start of validity"},
		{"starts before its issuer", func(c *x509.Certificate) { c.NotBefore = ca.cert.NotBefore.Add(-time.Second) }, "start of validity"},
		{"has ended", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }, "end of validity"},
		{"outlives its issuer", func(c *x509.Certificate) { c.NotAfter = ca.end.Add(time.Second) }, "end of validity"},
		{"lives too long", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(2 * time.Second) }, "length of validity"},
		{"is a CA", func(c *x509.Certificate) { c.IsCA = true; c.KeyUsage |= x509.KeyUsageCertSign }, "basic constraints"},
		{"no basic constraints", func(c *x509.Certificate) { c.BasicConstraintsValid = false }, "basic constraints"},
		{"may sign certificates", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "key usage"},
		{"no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }, "key usage"},
		{"key usage is not critical", func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = []pkix.Extension{{Id: oidKeyUsage, Value: []byte{3, 2, 7, 0x80}}}
		}, "key usage"},
		{"client only", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }, "extended key usage"},
		{"may sign code", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) }, "extended key usage"},
		{"two URIs", func(c *x509.Certificate) {
			c.URIs = append(c.URIs, &url.URL{Scheme: "spiffe", Host: "test.local", Path: "/b"})
		}, "SPIFFE ID"},
		{"no URI", func(c *x509.Certificate) { c.URIs = nil }, "SPIFFE ID"},
		{"another ID", func(c *x509.Certificate) { c.URIs[0].Path = "/job/b" }, "SPIFFE ID"},
		{"the domain's ID", func(c *x509.Certificate) { c.URIs[0].Path = "" }, "SPIFFE ID"},
		{"another name", func(c *x509.Certificate) { c.DNSNames = []string{"b.example"} }, "DNS names"},
		{"one name more", func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "localhost") }, "DNS names"},
		{"another address", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)} }, "addresses"},
		{"e-mail", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example"} }, "names of other kinds"},
		{"an unknown extension", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: critical, Value: []byte{5, 0}}}
		}, "extensions"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := signChanged(t, ca, r, now, tc.change)
			err := lint(s, ca, r, now, time.Hour)
			if tc.want == "" && err != nil || tc.want != "" && !wantText(err, "wrong "+tc.want) {
				t.Errorf("want %q, got %v", tc.want, err)
			}
		})
	}
	t.Run("another issuer", func(t *testing.T) {
		t.Parallel()
		s := signChanged(t, other, r, now, func(*x509.Certificate) {})
		if err := lint(s, ca, r, now, time.Hour); !wantText(err, "checking the signature") || !wantText(err, "wrong authority key id") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		s := signChanged(t, ca, r, now, func(*x509.Certificate) {})
		s.key = ca.private
		if err := lint(s, ca, r, now, time.Hour); !wantText(err, "wrong public key") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the CA's key", func(t *testing.T) {
		t.Parallel()
		s := signWith(t, ca.private, ca, r, now, func(*x509.Certificate) {})
		if err := lint(s, ca, r, now, time.Hour); !wantText(err, "wrong public key: it is the CA's") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("version 1", func(t *testing.T) {
		t.Parallel()
		s := signChanged(t, ca, r, now, func(*x509.Certificate) {})
		s.cert.Version = 1 // crypto/x509 makes no such certificate
		if err := lint(s, ca, r, now, time.Hour); !wantText(err, "wrong version") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of the domain itself", func(t *testing.T) {
		t.Parallel()
		root := request{id: testDomain.ID()}
		s := signChanged(t, ca, root, now, func(*x509.Certificate) {})
		if err := lint(s, ca, root, now, time.Hour); !wantText(err, "wrong SPIFFE ID") {
			t.Errorf("got %v", err)
		}
	})
}

// signChanged signs what leafTemplate makes, with one thing changed.
func signChanged(t *testing.T, ca *signingKey, r request, now time.Time, change func(*x509.Certificate)) *svid {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signWith(t, key, ca, r, now, change)
}

func signWith(t *testing.T, key *ecdsa.PrivateKey, ca *signingKey, r request, now time.Time, change func(*x509.Certificate)) *svid {
	t.Helper()
	template, err := leafTemplate(ca, r, key, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &svid{cert: cert, key: key}
}

// TestLintHoldsBack: a certificate with a finding is not released and not recorded.
func TestLintHoldsBack(t *testing.T) {
	t.Parallel()
	rec := &issues{}
	cfg := testConfig(t)
	cfg.Record = rec.record
	a := mustOpen(t, cfg)
	before := len(rec.list())
	_, err := a.issueX509(t.Context(), a.state.Load(), request{id: testDomain.ID()})
	if !wantText(err, "which is not released") || len(rec.list()) != before {
		t.Errorf("want it held back, got %v and %d records", err, len(rec.list())-before)
	}
}
