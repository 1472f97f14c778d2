// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
)

// crcField is GF(2)[x] modulo a CRC's polynomial. Elements are written as CRCs
// are: the highest bit is the coefficient of x^0.
type crcField struct {
	width uint
	poly  uint64 // without x^width
}

// The fields of the CRCs of S3. All three begin and end with all bits
// inverted, which is why their sums combine without a correction.
var crcFields = map[Algorithm]crcField{
	ChecksumCRC32:     {32, crc32.IEEE},
	ChecksumCRC32C:    {32, crc32.Castagnoli},
	ChecksumCRC64NVME: {64, 0x9a6c9329ac4bc9b5},
}

// mul multiplies two elements.
func (f crcField) mul(a, b uint64) uint64 {
	var product uint64
	for bit := uint64(1) << (f.width - 1); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= f.poly
		}
	}
	return product
}

// shift gives x^(8*n): what n further bytes do to a sum.
func (f crcField) shift(n int64) uint64 {
	one := uint64(1) << (f.width - 1)
	power, product := one>>8, one
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			product = f.mul(product, power)
		}
		power = f.mul(power, power)
	}
	return product
}

// Combines reports whether sums of pieces give the sum of the whole: it is a
// CRC.
func (a Algorithm) Combines() bool {
	_, ok := crcFields[a]
	return ok
}

// CombineCRC gives the CRC of two pieces, one after the other, from the CRC of
// each and the length of the second in bytes. It panics for an algorithm that
// does not combine, and for sums that are not of its length: both are mistakes
// of the program.
func CombineCRC(a Algorithm, first, second []byte, secondLen int64) []byte {
	f, ok := crcFields[a]
	if !ok || len(first) != a.Size() || len(second) != a.Size() || secondLen < 0 {
		panic("s3api: internal error: combining sums of " + strconv.Quote(a.String()))
	}
	sum := f.mul(f.shift(secondLen), bigEndian(first)) ^ bigEndian(second)
	out := binary.BigEndian.AppendUint64(nil, sum)
	return out[8-a.Size():]
}

func bigEndian(sum []byte) uint64 {
	var n uint64
	for _, b := range sum {
		n = n<<8 | uint64(b)
	}
	return n
}

// CompositeOf gives the composite checksum of parts whose sums are given in
// order (S3.md, "Multipart uploads"). It panics without an algorithm or a
// part.
func CompositeOf(a Algorithm, sums [][]byte) Checksum {
	if a == ChecksumNone || len(sums) == 0 {
		panic("s3api: internal error: a composite checksum of nothing")
	}
	h := newHash(a)
	for _, s := range sums {
		_, _ = h.Write(s) // a hash.Hash never fails
	}
	return Checksum{Algorithm: a, Sum: h.Sum(nil), Parts: len(sums)}
}
