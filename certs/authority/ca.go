// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// newKey makes a key that is prepared at now.
func newKey(now time.Time, life, ttl time.Duration) (*signingKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	kid, err := keyID(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second) // what certificates and keys.json can hold
	return &signingKey{
		kid: kid, state: prepared, created: now, end: now.Add(life), maxTTL: ttl,
		public: &private.PublicKey, private: private,
	}, nil
}

// newCA is newKey with a self-signed certificate (AUTHORITY.md §4.3).
func newCA(td certs.TrustDomain, now time.Time, life, ttl time.Duration) (*signingKey, error) {
	k, err := newKey(now, life, ttl)
	if err != nil {
		return nil, err
	}
	template, err := caTemplate(td, k)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.public, k.private)
	if err != nil {
		return nil, fmt.Errorf("signing a CA certificate: %w", err)
	}
	if k.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("reading back a CA certificate: %w", err)
	}
	return k, checkCA(td, k)
}

// caTemplate allows leaves and no further CA below: whoever got hold of a leaf's key
// cannot issue with it, even against a verifier that forgets the leaf's own limits.
func caTemplate(td certs.TrustDomain, k *signingKey) (*x509.Certificate, error) {
	ski, err := hex.DecodeString(k.kid)
	if err != nil {
		return nil, fmt.Errorf("reading a key id: %w", err)
	}
	return &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{Organization: []string{"Sealgate"}, CommonName: "Sealgate authority " + k.kid[:8]},
		NotBefore:             k.created.Add(-backdate),
		NotAfter:              k.end,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          ski,
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: td.String()}},
	}, nil
}

// newSerial draws 128 random bits, never 0 (RFC 5280 §4.1.2.2).
func newSerial() *big.Int {
	for {
		if n := new(big.Int).SetBytes(randomBytes(16)); n.Sign() > 0 {
			return n
		}
	}
}

// checkCA holds a CA, new or read from disk, to AUTHORITY.md §4.3: a certificate
// that is not this key's, or not this domain's, must never get into a bundle.
func checkCA(td certs.TrustDomain, k *signingKey) error {
	c := k.cert
	switch {
	case !k.public.Equal(c.PublicKey):
		return errors.New("CA certificate is of another key")
	case hex.EncodeToString(c.SubjectKeyId) != k.kid:
		return errors.New("CA certificate has another key id")
	case !c.IsCA || !c.BasicConstraintsValid || !c.MaxPathLenZero:
		return errors.New("CA certificate is not one of a CA for leaves")
	case c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign:
		return errors.New("CA certificate has the wrong key usage")
	case len(c.URIs) != 1 || c.URIs[0].String() != td.ID().String():
		return fmt.Errorf("CA certificate is not of trust domain %s", td)
	case !c.NotAfter.Equal(k.end):
		return errors.New("CA certificate ends at another time than its key")
	}
	if err := c.CheckSignatureFrom(c); err != nil {
		return fmt.Errorf("checking a CA certificate's signature: %w", err)
	}
	return nil
}
