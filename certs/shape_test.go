// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/sealgate/sealgate/certs"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	rsaOf := func(bits uint) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
	}
	for _, tt := range []struct {
		name string
		key  any
		ok   bool
	}{
		{"RSA 2047", rsaOf(2047), false},
		{"RSA 2048", rsaOf(2048), true},
		{"RSA 4096", rsaOf(4096), true},
		{"RSA 4097", rsaOf(4097), false},
		{"RSA 16384", rsaOf(16384), false},
		{"P-224", &ecdsa.PublicKey{Curve: elliptic.P224()}, false},
		{"P-256", &ecdsa.PublicKey{Curve: elliptic.P256()}, true},
		{"P-384", &ecdsa.PublicKey{Curve: elliptic.P384()}, true},
		{"P-521", &ecdsa.PublicKey{Curve: elliptic.P521()}, false},
		{"X25519", &ecdh.PublicKey{}, false},
		{"none", nil, false},
	} {
		if err := certs.CheckKey(tt.key); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
