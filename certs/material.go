// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"time"
)

// Material is this process's identity at one moment: its certificate and key with
// all bundles. It is never changed after a [Source] has returned it.
type Material struct {
	// ID is the SPIFFE ID in the leaf.
	ID ID
	// Chain is the leaf, then its intermediates; roots are not in it.
	Chain []*x509.Certificate
	// Key is the leaf's private key.
	Key crypto.Signer
	// NotBefore and NotAfter bound the use of Chain: the leaf's validity.
	NotBefore, NotAfter time.Time
	// Bundles holds the bundle of the own trust domain and of each federated one.
	Bundles map[TrustDomain]*Bundle
	// Generation counts the changes of one source from 1 on.
	Generation uint64

	once sync.Once
	cert tls.Certificate
}

// Source yields the process's current identity.
//
// Current returns a whole Material that is valid now, or an error: never one that
// has expired, never a key without its certificate. It does not block and may be
// called for each request. Updated returns a channel that is closed at the next
// change, be it better or worse; call Updated before Current, or a change between
// the two is missed. Both may be called by many goroutines.
type Source interface {
	Current() (*Material, error)
	Updated() <-chan struct{}
}

// ErrNoMaterial is wrapped by the errors of [Source.Current]: there is no identity
// to show or to check with at present.
var ErrNoMaterial = errors.New("no current identity")

// TLS returns Chain and Key in the form that crypto/tls wants, made once. The
// result is shared and must not be changed.
func (m *Material) TLS() *tls.Certificate {
	m.once.Do(func() {
		m.cert = tls.Certificate{PrivateKey: m.Key, Leaf: m.Chain[0]}
		for _, c := range m.Chain {
			m.cert.Certificate = append(m.cert.Certificate, c.Raw)
		}
	})
	return &m.cert
}

// Check tells whether m is whole: the leaf names ID, Key belongs to the leaf, the
// validity is the leaf's and holds now, and the chain verifies against the bundle
// of its own trust domain. Every source checks before it publishes.
func (m *Material) Check(now time.Time) error { return checkMaterial(m, now) }
