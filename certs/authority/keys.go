// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// keyState is where a key stands in AUTHORITY.md §5.1.
type keyState string

const (
	prepared keyState = "prepared" // in the bundle, does not sign yet
	active   keyState = "active"   // signs; at most one of a kind
	retired  keyState = "retired"  // in the bundle for what it has signed; its private key is gone
)

// signingKey is one X.509 CA, or one JWT key if cert is nil. It is never changed; a
// transition makes a changed copy.
type signingKey struct {
	kid     string // hex of the first 20 bytes of SHA-256 of the public key info
	state   keyState
	created time.Time
	retired time.Time     // zero unless retired
	end     time.Time     // nothing signed by it is valid at or after this
	maxTTL  time.Duration // the longest life of anything signed by it
	cert    *x509.Certificate
	public  *ecdsa.PublicKey
	private *ecdsa.PrivateKey // nil if retired
}

// keySet is everything that keys.json holds.
type keySet struct {
	sequence uint64 // grows with every change of the published keys
	x509     []*signingKey
	jwt      []*signingKey
}

// find returns the first key in a state, or nil.
func find(keys []*signingKey, s keyState) *signingKey {
	for _, k := range keys {
		if k.state == s {
			return k
		}
	}
	return nil
}

// keyID derives the name of a key from itself (RFC 7093 §2, method 1), so that it
// is the same in certificates, tokens, bundles and records.
func keyID(pub *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:20]), nil
}

// bundle is what verifiers get. The order is that of creation, so that a mere
// activation changes nothing in it.
func (s *keySet) bundle(td certs.TrustDomain) *certs.Bundle {
	b := &certs.Bundle{TrustDomain: td, Sequence: s.sequence, RefreshHint: refreshHint, JWT: map[string]crypto.PublicKey{}}
	for _, k := range s.x509 {
		b.X509 = append(b.X509, k.cert)
	}
	for _, k := range s.jwt {
		b.JWT[k.kid] = k.public
	}
	return b
}

// roots is the same as concatenated DER, the form of the Workload API.
func (s *keySet) roots() []byte {
	var der []byte
	for _, k := range s.x509 {
		der = append(der, k.cert.Raw...)
	}
	return der
}

// sameKeys reports whether nothing differs: transitions never change a key in place.
func sameKeys(a, b *keySet) bool {
	return slices.Equal(a.x509, b.x509) && slices.Equal(a.jwt, b.jwt)
}
