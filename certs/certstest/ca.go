// SPDX-License-Identifier: Apache-2.0

// Package certstest makes certificate authorities and SPIFFE identities for
// tests, honest ones and such as no authority should ever issue.
package certstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// CA is the authority of one trust domain, with a root made for one test.
type CA struct {
	// TrustDomain is the domain it speaks for.
	TrustDomain certs.TrustDomain
	// Root is its self-signed certificate, valid for a day around the start of the test.
	Root *x509.Certificate

	key   crypto.Signer
	chain []*x509.Certificate // intermediates below Root, nearest to the leaf first
}

// NewCA makes a root for the trust domain td, such as "acme.ai".
func NewCA(tb testing.TB, td string) *CA {
	tb.Helper()
	domain := certs.MustParseTrustDomain(td)
	key := P256(tb)
	template := caTemplate(domain, time.Now())
	return &CA{TrustDomain: domain, Root: sign(tb, template, template, key.Public(), key), key: key}
}

// Intermediate makes an authority below ca. What it issues carries it in the chain.
func (ca *CA) Intermediate(tb testing.TB) *CA {
	tb.Helper()
	return ca.intermediate(tb, P256(tb))
}

func (ca *CA) intermediate(tb testing.TB, key crypto.Signer) *CA {
	tb.Helper()
	cert := sign(tb, caTemplate(ca.TrustDomain, time.Now()), ca.issuer(), key.Public(), ca.key)
	return &CA{
		TrustDomain: ca.TrustDomain, Root: ca.Root, key: key,
		chain: append([]*x509.Certificate{cert}, ca.chain...),
	}
}

// Bundle returns the bundle of ca's trust domain with ca's root alone.
func (ca *CA) Bundle() *certs.Bundle {
	return &certs.Bundle{TrustDomain: ca.TrustDomain, X509: []*x509.Certificate{ca.Root}}
}

// ID returns the SPIFFE ID with the given path in ca's trust domain.
func (ca *CA) ID(tb testing.TB, path string) certs.ID {
	tb.Helper()
	id, err := ca.TrustDomain.Join(path)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// Issuer returns the certificate that signs what ca issues.
func (ca *CA) Issuer() *x509.Certificate { return ca.issuer() }

// Key returns the key that signs what ca issues.
func (ca *CA) Key() crypto.Signer { return ca.key }

func (ca *CA) issuer() *x509.Certificate {
	if len(ca.chain) > 0 {
		return ca.chain[0]
	}
	return ca.Root
}

func caTemplate(td certs.TrustDomain, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{"certstest"}},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: td.String()}},
		NotBefore:             now.Add(-12 * time.Hour),
		NotAfter:              now.Add(12 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// P256 makes a key on the curve that this project issues.
func P256(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b)
	b[0] |= 1 // positive and of full length
	return new(big.Int).SetBytes(b)
}

func sign(tb testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	tb.Helper()
	if template.IsCA && template.SubjectKeyId == nil {
		// Each authority needs a key identifier of its own for path building.
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			tb.Fatal(err)
		}
		sum := sha256.Sum256(der)
		template.SubjectKeyId = sum[:20]
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}
