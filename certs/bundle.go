// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"
)

// Bundle is what one trust domain's authority is known by. It must not be changed
// once it is in a published [Material].
type Bundle struct {
	// TrustDomain is the one domain that these authorities may speak for.
	TrustDomain TrustDomain
	// X509 are the root certificates. Empty means that the domain has revoked
	// everything: nobody of it is believed.
	X509 []*x509.Certificate
	// JWT are the public keys of JWT-SVIDs by key ID. Nil where none are known.
	JWT map[string]crypto.PublicKey
	// Sequence is the bundle's spiffe_sequence, 0 if it has none.
	Sequence uint64
	// RefreshHint is how often the issuer wishes to be asked; 0 is no wish.
	RefreshHint time.Duration

	once   sync.Once
	pool   *x509.CertPool
	digest [32]byte
	roots  map[[32]byte]bool // SHA-256 of the roots' SubjectPublicKeyInfo
}

// Pool returns the X.509 authorities as a pool, made once. Certificates that are
// not authorities are left out: a leaf in a root pool would be trusted by itself.
func (b *Bundle) Pool() *x509.CertPool {
	b.once.Do(b.build)
	return b.pool
}

// HasRoot reports whether one of the X.509 authorities holds the key with this
// SHA-256 of its SubjectPublicKeyInfo, as in [Peer.Root].
func (b *Bundle) HasRoot(spki [32]byte) bool {
	b.once.Do(b.build)
	return b.roots[spki]
}

// sameRoots reports whether both hold the same X.509 authorities in the same order.
func (b *Bundle) sameRoots(o *Bundle) bool {
	if b == o {
		return true
	}
	b.once.Do(b.build)
	o.once.Do(o.build)
	return b.TrustDomain == o.TrustDomain && b.digest == o.digest
}

func (b *Bundle) build() {
	b.pool, b.roots = x509.NewCertPool(), map[[32]byte]bool{}
	h := sha256.New()
	for _, c := range b.X509 {
		if !c.BasicConstraintsValid || !c.IsCA {
			continue
		}
		b.pool.AddCert(c)
		b.roots[sha256.Sum256(c.RawSubjectPublicKeyInfo)] = true
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(c.Raw))))
		h.Write(c.Raw)
	}
	h.Sum(b.digest[:0])
}
