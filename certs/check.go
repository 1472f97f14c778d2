// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// checkMaterial is Material.Check. The certificate is held to what its peers will
// demand of it, at both ends of TLS, so that a fault shows here and not as
// refused handshakes elsewhere.
func checkMaterial(m *Material, now time.Time) error {
	if len(m.Chain) == 0 || m.Key == nil {
		return errors.New("certificate or key is missing")
	}
	if err := checkPair(m.Chain[0], m.Key); err != nil {
		return err
	}
	peer, err := verifier{bundles: m.Bundles, usage: x509.ExtKeyUsageAny}.verify(m.Chain, now)
	if err != nil {
		return fmt.Errorf("checking the own certificate: %w", err)
	}
	if peer.ID != m.ID {
		return fmt.Errorf("certificate names %s, not %s", peer.ID, m.ID)
	}
	if !m.NotBefore.Equal(peer.NotBefore) || !m.NotAfter.Equal(peer.NotAfter) {
		return errors.New("validity differs from the certificate's")
	}
	return checkBundles(m.Bundles)
}

// checkPair reports whether key is leaf's private key.
func checkPair(leaf *x509.Certificate, key crypto.Signer) error {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(leaf.PublicKey) {
		return errors.New("key does not belong to the certificate")
	}
	return nil
}

// checkBundles: a bundle under another domain's name would let one authority speak
// for another.
func checkBundles(bundles map[TrustDomain]*Bundle) error {
	for td, b := range bundles {
		if b == nil || td.IsZero() || b.TrustDomain != td {
			return fmt.Errorf("bundle of %q is filed under %q", bundleName(b), td)
		}
	}
	return nil
}

func bundleName(b *Bundle) TrustDomain {
	if b == nil {
		return TrustDomain{}
	}
	return b.TrustDomain
}
