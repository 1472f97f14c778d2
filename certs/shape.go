// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

const minRSA, maxRSA = 2048, 4096 // bits

// checkShape checks what needs no signature: rights, keys and times.
func (v verifier) checkShape(chain []*x509.Certificate, now time.Time) *RejectError {
	leaf := chain[0]
	switch {
	case leaf.IsCA:
		return &RejectError{Reason: ReasonLeafIsCA}
	case !leafKeyUsage(leaf.KeyUsage):
		return &RejectError{Reason: ReasonKeyUsage}
	case !v.allowsUsage(leaf):
		return &RejectError{Reason: ReasonExtKeyUsage}
	}
	for i, c := range chain {
		if err := checkKey(c.PublicKey); err != nil {
			return &RejectError{Reason: ReasonWeakKey, Err: fmt.Errorf("certificate %d of the chain: %w", i, err)}
		}
	}
	return v.checkTimes(leaf, now)
}

// leafKeyUsage: a leaf signs handshakes, never certificates (X509-SVID §4.3).
func leafKeyUsage(u x509.KeyUsage) bool {
	return u&x509.KeyUsageDigitalSignature != 0 && u&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) == 0
}

// allowsUsage: no extended key usage at all allows both ends (X509-SVID §4.4).
func (v verifier) allowsUsage(leaf *x509.Certificate) bool {
	unrestricted := len(leaf.ExtKeyUsage) == 0 && len(leaf.UnknownExtKeyUsage) == 0
	if unrestricted || v.usage == x509.ExtKeyUsageAny {
		return true
	}
	return slices.Contains(leaf.ExtKeyUsage, v.usage)
}

// checkTimes holds NotAfter itself to be too late: validity ends, it is not
// inclusive, so that a per-request check and a timer at NotAfter agree.
func (v verifier) checkTimes(leaf *x509.Certificate, now time.Time) *RejectError {
	if life := leaf.NotAfter.Sub(leaf.NotBefore); v.maxLifetime > 0 && life > v.maxLifetime {
		return &RejectError{Reason: ReasonLifetime, Err: fmt.Errorf("%s, at most %s is accepted", life, v.maxLifetime)}
	}
	if !now.Before(leaf.NotAfter) {
		return &RejectError{Reason: ReasonExpired, Err: fmt.Errorf("it ended at %s", leaf.NotAfter.UTC().Format(time.RFC3339))}
	}
	if now.Before(leaf.NotBefore) {
		return &RejectError{Reason: ReasonNotYetValid, Err: fmt.Errorf("it starts at %s", leaf.NotBefore.UTC().Format(time.RFC3339))}
	}
	return nil
}

// checkKey accepts P-256, P-384, Ed25519, and RSA of 2,048 to 4,096 bits. Larger RSA
// keys only serve to make each handshake expensive.
func checkKey(pub any) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("curve %s; P-256 and P-384 are accepted", k.Curve.Params().Name)
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("RSA of %d bits; %d to %d are accepted", n, minRSA, maxRSA)
		}
		return nil
	}
	return fmt.Errorf("a key of type %T", pub)
}
