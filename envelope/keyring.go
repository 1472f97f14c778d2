// SPDX-License-Identifier: Apache-2.0

package envelope

import "fmt"

// KeyringKey is one version of a keyring: the key that wraps DEKs (L1). It is
// immutable and safe for concurrent use. The zero value is not usable.
type KeyringKey struct {
	deployment, ring ID
	version          uint32
	key              secret
}

// NewKeyringKey makes a keyring key from its parts. Only the bearer of an
// unwrapped record has these: see OpenRecord.
func NewKeyringKey(deployment, ring ID, version uint32, key Key) *KeyringKey {
	return &KeyringKey{deployment: deployment, ring: ring, version: version, key: keep(key)}
}

// Deployment returns the id of the deployment that the key belongs to.
func (k *KeyringKey) Deployment() ID { return k.deployment }

// Ring returns the keyring's id.
func (k *KeyringKey) Ring() ID { return k.ring }

// Version returns the version within the keyring, counted from 1.
func (k *KeyringKey) Version() uint32 { return k.version }

// Format prints the key's names, never its bytes.
func (k *KeyringKey) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s/%d %s", k.ring, k.version, redacted) // a failing fmt.State has nowhere to report
}

// KCV returns the key check value of a record: it tells a wrong key from the
// right one before anything is wrapped under it (FORMAT §3).
func (k *KeyringKey) KCV(ec Context) [32]byte {
	info := appendLP(nil, labelKCV)
	return [32]byte(expand(k.key(), append(info, ec.Bytes()...), 32))
}

// Derive returns n bytes (at most 12,240) for a purpose of the gateway's own,
// such as sealing tokens. It is for system keyrings: one whose key also wraps
// DEKs never gets here, though the labels keep even that apart (FORMAT §4).
func (k *KeyringKey) Derive(purpose string, n int) []byte {
	info := appendLP(nil, labelSystem)
	info = appendLP(info, purpose)
	return expand(k.key(), appendU32(info, uint32(n)), n)
}

// KeyLookup finds the keyring key that an object's metadata names. Its error
// reaches the caller of OpenHeader wrapped, so that a key which is merely
// unavailable is not mistaken for a damaged object.
type KeyLookup func(ring ID, version uint32) (*KeyringKey, error)
