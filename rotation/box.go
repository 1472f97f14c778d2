// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/envelope"
)

// ErrBox is the one answer to everything that a Box did not seal.
var ErrBox = errors.New("sealed value does not open")

// Box seals small values of the gateway's own, such as page tokens, under a
// system keyring. What one purpose sealed does not open under another.
//
// A sealed value is the keyring version (4 bytes, big endian), a random nonce
// of 12 bytes, the ciphertext and a tag of 16 bytes: AES-256-GCM under the
// keyring's key for the purpose (FORMAT.md §4).
type Box struct {
	set           *Set
	ring, purpose string
}

// Box gives the box of a system keyring for one purpose.
func (s *Set) Box(ring, purpose string) Box { return Box{set: s, ring: ring, purpose: purpose} }

// Seal seals plain under the active version, bound to aad. ErrNoKeyring if
// the keyring is not there.
func (b Box) Seal(aad, plain []byte) ([]byte, error) {
	k := b.set.System(b.ring)
	if k == nil {
		return nil, fmt.Errorf("sealing with system keyring %s: %w", b.ring, ErrNoKeyring)
	}
	aead, err := b.aead(k)
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32(nil, k.Version())
	return aead.Seal(head, nil, plain, aad), nil //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
}

// Open opens what Seal made with the same aad. ErrBox for everything else.
func (b Box) Open(aad, sealed []byte) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, ErrBox
	}
	k, err := b.set.SystemVersion(b.ring, binary.BigEndian.Uint32(sealed))
	if err != nil {
		return nil, ErrBox
	}
	aead, err := b.aead(k)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[4:], aad)
	if err != nil {
		return nil, ErrBox
	}
	return plain, nil
}

func (b Box) aead(k *envelope.KeyringKey) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.Derive(b.purpose, 32))
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
