// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
)

// Key is 32 bytes of secret key material. Every way of printing it gives
// "[key]": a key must never reach a log, an error or a JSON document.
//
// Structs keep keys in a secret, since package fmt prints the bytes of an
// unexported field without asking its methods.
type Key [32]byte

const redacted = "[key]"

// NewKey draws a fresh key from the system's generator.
func NewKey() Key {
	var k Key
	rand.Read(k[:]) // never fails: it ends the process instead
	return k
}

// secret holds a key inside a struct. A function is the one thing whose
// content package fmt cannot reach, whatever the verb: it follows pointers
// when a verb does not suit them.
type secret func() *Key

func keep(k Key) secret { return func() *Key { return &k } }

// Format prints [key] for every verb and flag.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) } // a failing fmt.State has nowhere to report

// String returns "[key]".
func (Key) String() string { return redacted }

// GoString returns "[key]".
func (Key) GoString() string { return redacted }

// LogValue makes log/slog print "[key]".
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes "[key]": a marshaled key is useless on purpose.
func (Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
