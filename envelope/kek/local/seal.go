// SPDX-License-Identifier: Apache-2.0

package local

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"runtime/debug"

	"golang.org/x/crypto/argon2"
)

// Labels of KEYSTORE.md §2 and §3; distinct from all of FORMAT.md §4.
const (
	labelKeystore = "SG1/keystore"
	labelWrap     = "SG1/local-kek"
)

func lp(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// gcm returns AES-256-GCM with random nonces under a key derived from secret.
func gcm(secret, salt, info []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha512.New384, secret, salt, string(info), 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// aead is the seal of k under s. For a passphrase it runs argon2id with the
// costs of k, which are inside their bounds.
func (k keystore) aead(s *secret) (cipher.AEAD, error) {
	key := s.bytes
	if k.seal == SealPassphrase {
		key = argon2.IDKey(s.bytes, k.salt[:], uint32(k.argon2.Time), k.argon2.Memory, k.argon2.Threads, 32)
		defer clear(key)
		defer debug.FreeOSMemory() // the scratch memory would stay with the process for minutes
	}
	return gcm(key, k.salt[:], append(lp(labelKeystore), byte(k.seal)))
}

// open returns the keys of k.
func (k keystore) open(s *secret) ([]version, error) {
	if s.seal != k.seal {
		return nil, fmt.Errorf("it is sealed by a %s, but %s was given; %w", k.seal, s.from, ErrWrongKind)
	}
	aead, err := k.aead(s)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, k.sealed, k.header())
	if err != nil {
		return nil, fmt.Errorf("%s %w", s.from, ErrSecret)
	}
	defer clear(plain)
	return decodeVersions(plain)
}

// sealKeystore makes a keystore of the keys under s, with a new salt.
func sealKeystore(generation uint64, costs Argon2, vs []version, s *secret) (keystore, error) {
	k := keystore{seal: s.seal, generation: generation}
	if s.seal == SealPassphrase {
		k.argon2 = costs
	}
	rand.Read(k.salt[:]) // it cannot fail: it ends the process instead
	aead, err := k.aead(s)
	if err != nil {
		return keystore{}, err
	}
	plain := encodeVersions(vs)
	defer clear(plain)
	// The header holds the length of what is sealed, so that is known first.
	k.sealed = make([]byte, len(plain)+aead.Overhead())
	k.sealed = aead.Seal(nil, nil, plain, k.header()) //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
	return k, nil
}
