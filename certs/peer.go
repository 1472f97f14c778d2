// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"time"
)

// Peer is a verified peer: what of its certificate the audit record, the denials
// and the sessions need. It is comparable and holds nothing secret.
type Peer struct {
	// ID is the verified SPIFFE ID.
	ID ID
	// Serial is the leaf's serial number in lower-case hex, without leading zeros.
	Serial string
	// SPKI is the SHA-256 of the leaf's SubjectPublicKeyInfo.
	SPKI [32]byte
	// CertSHA256 is the SHA-256 of the whole leaf.
	CertSHA256 [32]byte
	// IssuerSKI is the key identifier of the leaf's issuer, in lower-case hex.
	IssuerSKI string
	// Root is the SHA-256 of the SubjectPublicKeyInfo of the root that the chain
	// ended in: what is derived from the certificate holds no longer than
	// [Bundle.HasRoot] says so.
	Root [32]byte
	// NotBefore and NotAfter bound the leaf's validity.
	NotBefore, NotAfter time.Time
}

// newPeer describes a leaf by the chain it verified with: leaf, issuers, root.
func newPeer(id ID, verified []*x509.Certificate) Peer {
	leaf, root := verified[0], verified[len(verified)-1]
	return Peer{
		ID:         id,
		Serial:     SerialHex(leaf.SerialNumber),
		SPKI:       sha256.Sum256(leaf.RawSubjectPublicKeyInfo),
		CertSHA256: sha256.Sum256(leaf.Raw),
		IssuerSKI:  KeyID(verified[1]),
		Root:       sha256.Sum256(root.RawSubjectPublicKeyInfo),
		NotBefore:  leaf.NotBefore,
		NotAfter:   leaf.NotAfter,
	}
}

// SerialHex writes a serial number as [Peer] and denials spell it.
func SerialHex(n *big.Int) string { return n.Text(16) }

// KeyID returns the key identifier of an authority's certificate in lower-case
// hex: its SubjectKeyId, or by RFC 7093 §2 method 1 where it has none. It is
// taken from the issuer that verified, never from what the leaf says of it.
func KeyID(issuer *x509.Certificate) string {
	if len(issuer.SubjectKeyId) > 0 {
		return hex.EncodeToString(issuer.SubjectKeyId)
	}
	sum := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:20])
}
