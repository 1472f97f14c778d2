// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/envelope"
)

// Seal is how a keystore is sealed.
type Seal uint8

// The ways of KEYSTORE.md §2.
const (
	SealPassphrase Seal = 1
	SealKeyFile    Seal = 2
)

// String names what opens the keystore.
func (s Seal) String() string {
	if s == SealPassphrase {
		return "passphrase"
	}
	return "key file"
}

// Argon2 are the costs of argon2id. The zero value means the defaults of
// KEYSTORE.md §2.
type Argon2 struct {
	// Memory is in KiB, 65,536 to 1,048,576 (64 MiB to 1 GiB).
	Memory uint32
	// Time is the number of passes, 1 to 10.
	Time uint8
	// Threads is the number of lanes, 1 to 8.
	Threads uint8
}

var defaultArgon2 = Argon2{Memory: 256 << 10, Time: 3, Threads: 4}

// valid reports whether a is inside the bounds: below them a passphrase would
// be cheap to guess, above them a changed file could exhaust the machine.
func (a Argon2) valid() bool {
	return a.Memory >= 64<<10 && a.Memory <= 1<<20 && a.Time >= 1 && a.Time <= 10 && a.Threads >= 1 && a.Threads <= 8
}

// Sizes of KEYSTORE.md §2, in bytes.
const (
	headerSize   = 60
	saltSize     = 32
	versionSize  = 4 + 8 + 32
	sealOverhead = 12 + 16
	maxVersions  = 1000
	maxKeystore  = headerSize + sealOverhead + 2 + maxVersions*versionSize
)

const (
	magic      = "SEALGATE"
	fileFormat = 1
)

// keystore is a keystore file in its parts, not opened.
type keystore struct {
	seal       Seal
	generation uint64
	argon2     Argon2
	salt       [saltSize]byte
	sealed     []byte
}

// header is the additional authenticated data of the sealed keys.
func (k keystore) header() []byte {
	b := append([]byte(magic), fileFormat, byte(k.seal))
	b = binary.BigEndian.AppendUint64(b, k.generation)
	b = binary.BigEndian.AppendUint32(b, k.argon2.Memory)
	b = append(b, k.argon2.Time, k.argon2.Threads)
	b = append(b, k.salt[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(len(k.sealed)))
}

func (k keystore) encode() []byte { return append(k.header(), k.sealed...) }

// decodeKeystore reads a file. Any violation of KEYSTORE.md §2 that shows
// without the secret is ErrDamaged.
func decodeKeystore(b []byte) (keystore, error) {
	if len(b) < headerSize || string(b[:8]) != magic || b[8] != fileFormat {
		return keystore{}, ErrDamaged
	}
	k := keystore{
		seal:       Seal(b[9]),
		generation: binary.BigEndian.Uint64(b[10:]),
		argon2:     Argon2{Memory: binary.BigEndian.Uint32(b[18:]), Time: b[22], Threads: b[23]},
		salt:       [saltSize]byte(b[24:56]),
		sealed:     bytes.Clone(b[headerSize:]),
	}
	n := len(k.sealed) - sealOverhead - 2
	switch {
	case uint64(binary.BigEndian.Uint32(b[56:])) != uint64(len(k.sealed)),
		n < versionSize, n%versionSize != 0, n > maxVersions*versionSize,
		k.generation == 0 || k.generation > 1<<62,
		!k.sealValid():
		return keystore{}, ErrDamaged
	}
	return k, nil
}

func (k keystore) sealValid() bool {
	switch k.seal {
	case SealPassphrase:
		return k.argon2.valid()
	case SealKeyFile:
		return k.argon2 == Argon2{}
	default:
		return false
	}
}

// version is one key of the keystore.
type version struct {
	number  uint32
	created time.Time // whole seconds, UTC
	key     *envelope.Key
}

// Format prints the number, never the key.
func (v version) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "version %d", v.number) }

// encodeVersions gives the plaintext of the sealed keys. The caller zeroes it.
func encodeVersions(vs []version) []byte {
	b := make([]byte, 0, 2+len(vs)*versionSize) // exact: a grown slice would leave keys behind
	b = binary.BigEndian.AppendUint16(b, uint16(len(vs)))
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v.number)
		b = binary.BigEndian.AppendUint64(b, uint64(v.created.Unix()))
		b = append(b, v.key[:]...)
	}
	return b
}

// decodeVersions is the strict inverse of encodeVersions.
func decodeVersions(b []byte) ([]version, error) {
	if len(b) < 2 || len(b) != 2+int(binary.BigEndian.Uint16(b))*versionSize {
		return nil, ErrDamaged
	}
	var vs []version
	last := uint32(0)
	for c := range slices.Chunk(b[2:], versionSize) {
		number, created := binary.BigEndian.Uint32(c), binary.BigEndian.Uint64(c[4:])
		if number <= last || created >= 1<<40 {
			return nil, ErrDamaged
		}
		last = number
		key := envelope.Key(c[12:])
		vs = append(vs, version{number: number, created: time.Unix(int64(created), 0).UTC(), key: &key})
	}
	if len(vs) < 1 || len(vs) > maxVersions {
		return nil, ErrDamaged
	}
	return vs, nil
}
