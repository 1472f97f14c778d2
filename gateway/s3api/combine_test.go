// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"testing"
)

var combining = []Algorithm{ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME}

func sumOf(a Algorithm, data []byte) []byte {
	h := newHash(a)
	h.Write(data)
	return h.Sum(nil)
}

// FuzzCombineCRC holds the combination of two sums against the sum of the
// whole.
func FuzzCombineCRC(f *testing.F) {
	f.Add([]byte(""), []byte(""))
	f.Add([]byte("a"), []byte(""))
	f.Add([]byte(""), []byte("a"))
	f.Add([]byte("123456789"), []byte("123456789"))
	f.Add(bytes.Repeat([]byte{0}, 1000), bytes.Repeat([]byte{0xff}, 4097))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, a := range combining {
			whole := sumOf(a, append(bytes.Clone(first), second...))
			got := CombineCRC(a, sumOf(a, first), sumOf(a, second), int64(len(second)))
			if !bytes.Equal(got, whole) {
				t.Errorf("%s of %x and %x combines to %x, want %x", a, first, second, got, whole)
			}
		}
	})
}

// Many parts of unequal length, from the left: as an object is completed.
func TestCombineManyParts(t *testing.T) {
	t.Parallel()
	for _, a := range combining {
		var data []byte
		sum := sumOf(a, nil)
		for i := range 300 {
			part := bytes.Repeat([]byte{byte(i)}, i*i%1013)
			data = append(data, part...)
			sum = CombineCRC(a, sum, sumOf(a, part), int64(len(part)))
		}
		if want := sumOf(a, data); !bytes.Equal(sum, want) {
			t.Errorf("%s of 300 parts is %x, want %x", a, sum, want)
		}
	}
}

// A second piece longer than 4 GiB: its sum is combined of halves, and the
// length is not cut to 32 bits.
func TestCombineHugeParts(t *testing.T) {
	t.Parallel()
	for _, a := range combining {
		zeros := sumOf(a, make([]byte, 1<<20))
		length := int64(1 << 20)
		for length < 1<<42 { // 4 TiB of zeros, by doubling
			zeros = CombineCRC(a, zeros, zeros, length)
			length *= 2
		}
		first := sumOf(a, []byte("first"))
		once := CombineCRC(a, first, zeros, length)
		f := crcFields[a]
		// The same by the definition: append the zeros half by half.
		half := CombineCRC(a, first, halfZeros(a, length/2), length/2)
		if twice := CombineCRC(a, half, halfZeros(a, length/2), length/2); !bytes.Equal(once, twice) {
			t.Errorf("%s: %x in one go, %x in two", a, once, twice)
		}
		if f.shift(1<<40) != f.mul(f.shift(1<<39), f.shift(1<<39)) {
			t.Errorf("%s: the shift by 2^40 bytes is not twice that by 2^39", a)
		}
	}
}

// halfZeros gives the sum of n zero bytes; n is a power of two, 1 MiB at least.
func halfZeros(a Algorithm, n int64) []byte {
	sum := sumOf(a, make([]byte, 1<<20))
	for length := int64(1 << 20); length < n; length *= 2 {
		sum = CombineCRC(a, sum, sum, length)
	}
	return sum
}

func TestCombineRefusesWhatDoesNotCombine(t *testing.T) {
	t.Parallel()
	for _, a := range []Algorithm{ChecksumNone, ChecksumSHA1, ChecksumSHA256} {
		if a.Combines() {
			t.Errorf("%q combines", a)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("SHA-256 was combined")
		}
	}()
	CombineCRC(ChecksumSHA256, make([]byte, 32), make([]byte, 32), 1)
}

// The composite sum is that of the raw sums, written with the number of parts.
func TestCompositeOf(t *testing.T) {
	t.Parallel()
	one, two := sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))
	want := sha256.Sum256(append(one[:], two[:]...))
	got := CompositeOf(ChecksumSHA256, [][]byte{one[:], two[:]})
	if !bytes.Equal(got.Sum, want[:]) || got.Type() != Composite || got.Base64() != base64.StdEncoding.EncodeToString(want[:])+"-2" {
		t.Errorf("composite %+v %s, want %x", got, got.Base64(), want)
	}
	for _, a := range []Algorithm{ChecksumCRC32, ChecksumCRC32C, ChecksumSHA1} {
		if got := CompositeOf(a, [][]byte{sumOf(a, []byte("x"))}); !bytes.Equal(got.Sum, sumOf(a, sumOf(a, []byte("x")))) || got.Parts != 1 {
			t.Errorf("%s of one part is %+v", a, got)
		}
	}
}
