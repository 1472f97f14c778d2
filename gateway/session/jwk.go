// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of RSA keys that sign tokens, in bits.
const minRSA, maxRSA = 2048, 8192

// signingKey is a public key that may have signed a token.
type signingKey struct {
	key  crypto.PublicKey
	algs []jose.SignatureAlgorithm // that the key's kind allows, and the key itself
	hash [sha256.Size]byte         // of its SubjectPublicKeyInfo
}

// newSigningKey looks at what kind of key it is; named is the algorithm that
// the key names, "" for none (§3).
func newSigningKey(key crypto.PublicKey, named string) (signingKey, error) {
	algs := algorithms(key)
	if named != "" {
		algs = slices.DeleteFunc(algs, func(a jose.SignatureAlgorithm) bool { return string(a) != named })
	}
	if len(algs) == 0 {
		return signingKey{}, fmt.Errorf("a key of type %T that signs nothing which is taken here", key)
	}
	return signingKey{key: key, algs: algs, hash: keyHash(key)}, nil
}

// algorithms are those that a key may be used with: never one that a token
// alone chooses.
func algorithms(key crypto.PublicKey) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= minRSA && n <= maxRSA {
			return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			return []jose.SignatureAlgorithm{jose.ES384}
		case elliptic.P521():
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	}
	return nil
}

// allAlgorithms is what any key may have signed with.
var allAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// keyHash is the anchor of what a key signed; zero for what is no key, which is
// nobody's anchor.
func keyHash(key crypto.PublicKey) [sha256.Size]byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(der)
}

var errKeyTwice = errors.New("two of its keys have one kid")

// parseKeys reads a JWK set. Keys of a kind that is not taken here are left out.
func parseKeys(raw []byte) (map[string]signingKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("it is not a JWK set")
	}
	if set.Keys == nil {
		return nil, errors.New("it is not a JWK set: it has no keys")
	}
	keys := map[string]signingKey{}
	for _, one := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(one) != nil || !k.IsPublic() || k.KeyID == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		key, err := newSigningKey(k.Key, k.Algorithm)
		if err != nil {
			continue
		}
		if _, twice := keys[k.KeyID]; twice {
			return nil, errKeyTwice
		}
		keys[k.KeyID] = key
	}
	return keys, nil
}
