// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID names a keyring, an object or a deployment: 16 random bytes (FORMAT §2).
// Ids are never secret and never a piece of a path that the store chose.
type ID [16]byte

// NewID draws a fresh ID from the system's generator.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // never fails: it ends the process instead
	return id
}

// ParseID reads the form that String prints: exactly 32 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("parsing id: want %d hex digits, have %d bytes", 2*len(id), len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("parsing id: %w", err)
	}
	// Upper case decodes too; one id must have one name.
	if id.String() != s {
		return ID{}, fmt.Errorf("parsing id %q: want lower-case hex", s)
	}
	return id, nil
}

// String returns the id as 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// Location is where clients find an object: the logical bucket, never the
// backend's name for it, and the exact bytes of the key. It is bound into the
// wrap of the object's DEK (FORMAT §5), so an object moved by the store does
// not open at its new place.
type Location struct{ Bucket, Key string }
