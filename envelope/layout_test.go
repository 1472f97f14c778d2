// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"math/rand/v2"
	"testing"
)

// bruteRange walks all segments and keeps those that hold a wanted byte.
func bruteRange(sizes []int64, off, n int64) (begin, end int64) {
	begin = -1
	var plain, cipher int64
	for _, size := range sizes {
		for i := range segments(size) {
			length := min(SegmentSize, size-i*SegmentSize)
			if plain < off+n && plain+length > off {
				if begin < 0 {
					begin = cipher
				}
				end = cipher + length + 32
			}
			plain += length
			cipher += length + 32
		}
	}
	return begin, end
}

func TestCipherRange(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		sizes := make([]int64, 1+r.IntN(6))
		for i := range sizes {
			sizes[i] = r.Int64N(5*SegmentSize) * r.Int64N(2) // empty parts too
			if r.IntN(3) == 0 {
				sizes[i] = SegmentSize * r.Int64N(4)
			}
		}
		l := NewLayout(sizes...)
		if l.PlainSize() == 0 {
			continue
		}
		off := r.Int64N(l.PlainSize())
		n := 1 + r.Int64N(l.PlainSize()-off)
		gotOff, gotLen := CipherRange(l, off, n)
		wantOff, wantEnd := bruteRange(sizes, off, n)
		if gotOff != wantOff || gotOff+gotLen != wantEnd {
			t.Fatalf("%v [%d,+%d): got [%d,%d), want [%d,%d)", sizes, off, n, gotOff, gotOff+gotLen, wantOff, wantEnd)
		}
	}
}

func TestCipherRangeEmpty(t *testing.T) {
	t.Parallel()
	for _, l := range []Layout{{}, NewLayout(), NewLayout(0), NewLayout(5), NewLayout(SegmentSize, 0)} {
		for _, off := range []int64{0, l.PlainSize()} {
			if _, n := CipherRange(l, off, 0); n != 0 {
				t.Errorf("an empty range at %d of %v needs %d stored bytes", off, l, n)
			}
		}
	}
}

// FuzzLayout: a layout's arithmetic agrees with itself for any parts and
// range: ranges lie inside, and grow with what is asked.
func FuzzLayout(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(0), int64(0))
	f.Add(int64(MinPartSize), int64(MinPartSize+1), int64(7), int64(65535), int64(2))
	f.Add(int64(65536), int64(0), int64(65537), int64(65536), int64(65536))
	f.Add(int64(MaxPartSize), int64(MaxPartSize), int64(0), int64(MaxPartSize-1), int64(2))
	f.Fuzz(func(t *testing.T, a, b, c, off, n int64) {
		sizes := []int64{a, b, c}
		for _, size := range sizes {
			if size < 0 || size > MaxPartSize {
				return // no part has this size
			}
		}
		l := NewLayout(sizes...)
		if off < 0 || n <= 0 || off > l.PlainSize() || n > l.PlainSize()-off {
			return // no range of this object
		}
		begin, length := CipherRange(l, off, n)
		first, last := l.at(off), l.at(off+n-1)
		if begin < 0 || begin+length > l.sealed() || length <= n {
			t.Fatalf("range [%d,+%d) of %d stored bytes for %d of plaintext", begin, length, l.sealed(), n)
		}
		if first.plainOff(l) > off || last.plainOff(l)+last.plain(l) < off+n {
			t.Fatalf("segments %v to %v do not hold [%d,+%d)", first, last, off, n)
		}
		if off > first.plainOff(l)+first.plain(l) || last.plainOff(l) >= off+n {
			t.Fatalf("segments %v to %v are more than [%d,+%d) needs", first, last, off, n)
		}
	})
}
