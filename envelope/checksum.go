// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"fmt"
)

// ChecksumAlgorithm is one of the checksums that S3 clients send.
type ChecksumAlgorithm uint8

// The algorithms, with their codes in the format (FORMAT §7).
const (
	ChecksumNone ChecksumAlgorithm = iota
	ChecksumCRC32
	ChecksumCRC32C
	ChecksumCRC64NVME
	ChecksumSHA1
	ChecksumSHA256
)

// algorithms holds name and sum length in bytes, indexed by code.
var algorithms = [...]struct {
	name string
	size int
}{{"none", 0}, {"CRC32", 4}, {"CRC32C", 4}, {"CRC64NVME", 8}, {"SHA1", 20}, {"SHA256", 32}}

// maxChecksum is the room for a sum in a manifest, in bytes.
const maxChecksum = 32

// String returns the algorithm's name as S3 spells it.
func (a ChecksumAlgorithm) String() string {
	if int(a) < len(algorithms) {
		return algorithms[a].name
	}
	return fmt.Sprintf("checksum(%d)", uint8(a))
}

// Size returns the length of a sum in bytes: 0 for none or unknown.
func (a ChecksumAlgorithm) Size() int {
	if int(a) < len(algorithms) {
		return algorithms[a].size
	}
	return 0
}

// ChecksumType says what a multipart object's checksum covers.
type ChecksumType uint8

// The types, with their codes in the format.
const (
	// ChecksumFullObject: the sum of the object's bytes.
	ChecksumFullObject ChecksumType = iota
	// ChecksumComposite: the sum of the parts' sums.
	ChecksumComposite
)

// Checksum is the client's own checksum of the plaintext. The zero value
// means that it sent none.
type Checksum struct {
	Algorithm ChecksumAlgorithm
	Type      ChecksumType
	Sum       []byte // Algorithm.Size() bytes
}

// Equal reports whether both are the same checksum, of equal sums.
func (c Checksum) Equal(d Checksum) bool {
	return c.Algorithm == d.Algorithm && c.Type == d.Type && bytes.Equal(c.Sum, d.Sum)
}

// valid reports whether c has a canonical encoding: known codes, a sum of the
// right length, and no type without an algorithm.
func (c Checksum) valid() bool {
	if int(c.Algorithm) >= len(algorithms) || c.Type > ChecksumComposite {
		return false
	}
	if c.Algorithm == ChecksumNone && c.Type != 0 {
		return false
	}
	return len(c.Sum) == c.Algorithm.Size()
}

// appendPadded appends the sum and zeros up to maxChecksum bytes.
func appendPadded(b, sum []byte) []byte {
	b = append(b, sum...)
	return append(b, make([]byte, maxChecksum-len(sum))...)
}

// unpad is the inverse of appendPadded for a sum of n bytes, which it aliases. A nil sum stands
// for no bytes, so that a decoded zero Checksum equals the zero value.
func unpad(field []byte, n int) (sum []byte, ok bool) {
	for _, b := range field[n:] {
		if b != 0 {
			return nil, false
		}
	}
	if n == 0 {
		return nil, true
	}
	return field[:n:n], true
}

// Digests are sums of the plaintext. They travel sealed in the manifest, never
// in clear: a digest of a guessable plaintext discloses it (FORMAT §9).
type Digests struct {
	// CRC64NVME is always computed.
	CRC64NVME [8]byte
	// SHA256 is nil unless it was computed.
	SHA256 *[32]byte
	// Client is the checksum that the client sent, in a header or a trailer.
	Client Checksum
}
