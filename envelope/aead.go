// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/aes"
	"crypto/cipher"
)

// aeadOverhead is nonce 12 | tag 16 around a ciphertext (FORMAT §2).
const aeadOverhead = 12 + 16

// seal is AEAD(key, plain, aad) of FORMAT §2.
func seal(key, plain, aad []byte) []byte {
	return newAEAD(key).Seal(nil, nil, plain, aad) //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
}

// open is its inverse. rule names what was sealed.
func open(key, sealed, aad []byte, rule string) ([]byte, error) {
	plain, err := newAEAD(key).Open(nil, nil, sealed, aad)
	if err != nil {
		return nil, &authError{rule}
	}
	return plain, nil
}

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic("envelope: internal error: " + err.Error()) // 32-byte AES keys are always accepted
}
