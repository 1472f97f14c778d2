// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Algorithm is a checksum algorithm of S3.
type Algorithm uint8

// The algorithms that are understood, in the order of FORMAT.md's codes.
const (
	ChecksumNone Algorithm = iota
	ChecksumCRC32
	ChecksumCRC32C
	ChecksumCRC64NVME
	ChecksumSHA1
	ChecksumSHA256
)

// algorithms holds S3's name and the length of a sum in bytes.
var algorithms = [...]struct {
	name string
	size int
}{{"", 0}, {"CRC32", 4}, {"CRC32C", 4}, {"CRC64NVME", 8}, {"SHA1", 20}, {"SHA256", 32}}

// String returns S3's name of the algorithm, "" for none.
func (a Algorithm) String() string {
	if int(a) < len(algorithms) {
		return algorithms[a].name
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// Size is the length of a sum in bytes.
func (a Algorithm) Size() int {
	if int(a) < len(algorithms) {
		return algorithms[a].size
	}
	return 0
}

// header is the name of the header or trailer that carries the sum, lower case.
func (a Algorithm) header() string { return checksumPrefix + strings.ToLower(a.String()) }

const checksumPrefix = "x-amz-checksum-"

// algorithmOf finds an algorithm by S3's name, in any case.
func algorithmOf(name string) (Algorithm, bool) {
	for a := ChecksumCRC32; int(a) < len(algorithms); a++ {
		if strings.EqualFold(name, algorithms[a].name) {
			return a, true
		}
	}
	return ChecksumNone, false
}

// ChecksumType says what the checksum of a multipart object is a sum of.
type ChecksumType uint8

// The checksum types.
const (
	ChecksumTypeNone ChecksumType = iota
	FullObject                    // of the object's bytes
	Composite                     // of the sums of its parts, one after the other
)

// String returns S3's name of the type, "" for none.
func (t ChecksumType) String() string {
	switch t {
	case FullObject:
		return "FULL_OBJECT"
	case Composite:
		return "COMPOSITE"
	case ChecksumTypeNone:
	}
	return ""
}

// Checksum is a sum of an object's plaintext. The zero value is none.
type Checksum struct {
	Algorithm Algorithm
	Sum       []byte // Algorithm.Size() bytes
	// Parts is 0 for a sum of the bytes, and N for one of the sums of N parts.
	Parts int
}

// Type says what c is a sum of.
func (c Checksum) Type() ChecksumType {
	switch {
	case c.Algorithm == ChecksumNone:
		return ChecksumTypeNone
	case c.Parts > 0:
		return Composite
	}
	return FullObject
}

// Base64 returns the sum as S3 spells it: a composite one ends in -N.
func (c Checksum) Base64() string {
	sum := base64.StdEncoding.EncodeToString(c.Sum)
	if c.Parts > 0 {
		sum += "-" + itoa(c.Parts)
	}
	return sum
}

// parseChecksum reads the value of a checksum header or trailer: canonical
// base64 of exactly the algorithm's length.
func parseChecksum(a Algorithm, value string) (Checksum, bool) {
	sum, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(sum) != a.Size() || strings.ContainsAny(value, "\r\n") {
		return Checksum{}, false
	}
	return Checksum{Algorithm: a, Sum: sum}, true
}

// Sums is what is known of a payload once it was read to its end.
type Sums struct {
	Size      int64 // bytes
	CRC64NVME [8]byte
	SHA256    *[32]byte // nil unless the client sent one, in whatever header
	Client    Checksum  // the client's, verified; zero when it sent none
	Trailer   bool      // Client came in a trailer
}

// Object is the checksum that the answer to a PUT names: the client's, or the
// one that every object has.
func (s Sums) Object() Checksum {
	if s.Client.Algorithm != ChecksumNone {
		return s.Client
	}
	return Checksum{Algorithm: ChecksumCRC64NVME, Sum: s.CRC64NVME[:]}
}
