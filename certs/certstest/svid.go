// SPDX-License-Identifier: Apache-2.0

package certstest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sealgate/sealgate/certs"
)

// Options shapes an SVID. The zero value is an honest one: P-256, one hour from a
// minute ago, for both ends of TLS, with the DNS name localhost.
type Options struct {
	// NotBefore and NotAfter default to a minute ago and an hour later.
	NotBefore, NotAfter time.Time
	// Key defaults to a new P-256 key.
	Key crypto.Signer
	// DNS defaults to localhost.
	DNS []string
	// URIs, if not nil, replaces the one URI SAN; each is written as it stands,
	// valid or not. DNS is then ignored.
	URIs []string
	// Edit, if not nil, changes the template last before it is signed.
	Edit func(*x509.Certificate)
	// Federated bundles come beside that of the own trust domain.
	Federated []*certs.Bundle
}

// SVID issues a certificate for path, such as "/ns/a/train", and returns it with
// the bundle of ca.
func (ca *CA) SVID(tb testing.TB, path string, o Options) *certs.Material {
	tb.Helper()
	id := ca.ID(tb, path)
	key := o.Key
	if key == nil {
		key = P256(tb)
	}
	template := leafTemplate(id, o)
	leaf := sign(tb, template, ca.issuer(), key.Public(), ca.key)
	m := &certs.Material{
		ID: id, Chain: append([]*x509.Certificate{leaf}, ca.chain...), Key: key,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Bundles: map[certs.TrustDomain]*certs.Bundle{ca.TrustDomain: ca.Bundle()},
	}
	for _, b := range o.Federated {
		m.Bundles[b.TrustDomain] = b
	}
	return m
}

// Source is SVID held by a source that a test can change with Publish and Withdraw.
func (ca *CA) Source(tb testing.TB, path string, o Options) *certs.Snapshot {
	tb.Helper()
	s, err := certs.Static(ca.SVID(tb, path, o))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// WithBundles returns a copy of m that knows exactly the given bundles.
func WithBundles(m *certs.Material, bundles ...*certs.Bundle) *certs.Material {
	c := &certs.Material{
		ID: m.ID, Chain: m.Chain, Key: m.Key, NotBefore: m.NotBefore, NotAfter: m.NotAfter,
		Bundles: map[certs.TrustDomain]*certs.Bundle{},
	}
	for _, b := range bundles {
		c.Bundles[b.TrustDomain] = b
	}
	return c
}

// TLSCert returns m's certificate as a stock TLS client shows it, whatever is
// wrong with it.
func TLSCert(m *certs.Material) tls.Certificate {
	c := tls.Certificate{PrivateKey: m.Key}
	for _, x := range m.Chain {
		c.Certificate = append(c.Certificate, x.Raw)
	}
	return c
}

func leafTemplate(id certs.ID, o Options) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber:          serial(),
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: id.TrustDomain().String(), Path: id.Path()}},
		DNSNames:              o.DNS,
		NotBefore:             o.NotBefore,
		NotAfter:              o.NotAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Minute)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = template.NotBefore.Add(time.Hour)
	}
	if template.DNSNames == nil {
		template.DNSNames = []string{"localhost"}
	}
	if o.URIs != nil {
		template.ExtraExtensions = append(template.ExtraExtensions, rawSAN(o.URIs))
	}
	if o.Edit != nil {
		o.Edit(template)
	}
	return template
}

// rawSAN is a subject alternative name extension of URIs alone. Unlike the
// template's URIs field it does not pass them through net/url.
func rawSAN(uris []string) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, u := range uris {
			b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
		}
	})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: b.BytesOrPanic()}
}
