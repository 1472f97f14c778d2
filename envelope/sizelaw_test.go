// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"math/rand/v2"
	"testing"
)

const gib, tib = int64(1) << 30, int64(1) << 40

// TestLimits: each constant is the largest value that FORMAT §12 says it is.
func TestLimits(t *testing.T) {
	t.Parallel()
	if got := 112*(1+int64(MaxObjectSize)/MinPartSize) + 256; got != MaxTailSize {
		t.Errorf("MaxTailSize is %d, want %d", int64(MaxTailSize), got)
	}
	for _, c := range []struct {
		name   string
		limit  int64
		stored func(int64) int64
		max    int64
	}{
		{"MaxPutSize", MaxPutSize, StoredSize, 5 * gib},
		{"MaxPartSize", MaxPartSize, sealedSize, 5 * gib},
		{"MaxMergedPartSize", MaxMergedPartSize, func(n int64) int64 { return sealedSize(n) + MaxTailSize }, 5 * gib},
		{"MaxObjectSize", MaxObjectSize, law, 5 * tib},
	} {
		if c.stored(c.limit) > c.max || c.stored(c.limit+1) <= c.max {
			t.Errorf("%s is not the largest: stored %d, one more %d, limit %d", c.name, c.stored(c.limit), c.stored(c.limit+1), c.max)
		}
	}
}

// law is FORMAT §10 as it stands there, without the bounds of StoredSize.
func law(p int64) int64 {
	ceil := p / 65536
	if p%65536 > 0 {
		ceil++
	}
	return p + 32*max(1, ceil) + 112*(1+p/(5*1024*1024)) + 256
}

func TestStoredSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ plain, want int64 }{
		{-1, -1},
		{0, 400},
		{100, 500},
		{65536, 65936},
		{65537, 65969},
		{5 << 20, 5<<20 + 80*32 + 2*112 + 256},
		{MaxObjectSize, 5 * tib},
		{MaxObjectSize + 1, -1},
	} {
		if got := StoredSize(c.plain); got != c.want {
			t.Errorf("StoredSize(%d) = %d, want %d", c.plain, got, c.want)
		}
	}
}

// interesting returns lengths around every kind of step of the law, and
// random ones of every magnitude.
func interesting() []int64 {
	var list []int64
	for _, step := range []int64{1, SegmentSize, MinPartSize, 64 << 20, 5 * gib, tib} {
		for _, k := range []int64{0, 1, 2, 3, 79, 80, 81} {
			for d := int64(-2); d <= 2; d++ {
				list = append(list, k*step+d)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		list = append(list, r.Int64N(int64(MaxObjectSize)>>r.IntN(42)+1))
	}
	return append(list, MaxObjectSize-1, MaxObjectSize)
}

// TestSizeLaw: strictly increasing, equal to the text of the law, and undone
// by its inverse, which refuses everything in between.
func TestSizeLaw(t *testing.T) {
	t.Parallel()
	for _, p := range interesting() {
		if p < 0 || p > MaxObjectSize {
			continue
		}
		s := StoredSize(p)
		if s != law(p) {
			t.Fatalf("StoredSize(%d) = %d, the law says %d", p, s, law(p))
		}
		if p > 0 && s <= StoredSize(p-1) {
			t.Fatalf("StoredSize(%d) = %d does not exceed that of one byte less", p, s)
		}
		if got, ok := PlainSize(s); !ok || got != p {
			t.Fatalf("PlainSize(%d) = %d, %v; want %d", s, got, ok, p)
		}
		for gap := StoredSize(max(0, p-1)) + 1; gap < s; gap++ {
			if got, ok := PlainSize(gap); ok {
				t.Fatalf("PlainSize(%d) = %d: no object has that length", gap, got)
			}
		}
	}
}

func TestPlainSizeRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []int64{-1 << 63, -1, 0, 1, 399, 65937, StoredSize(MaxObjectSize) + 1, 1<<63 - 1} {
		if got, ok := PlainSize(s); ok {
			t.Errorf("PlainSize(%d) = %d, want it refused", s, got)
		}
	}
}

// TestTailFits: the law leaves room for parts, manifest and footer, for every
// number of parts and for random layouts (the claim proved in FORMAT §10).
func TestTailFits(t *testing.T) {
	t.Parallel()
	// The tightest layouts: as many parts as a length can have, each one byte
	// over a segment's edge.
	const size = MinPartSize + 1
	for n := int64(1); n <= MaxParts; n++ {
		for _, last := range []int64{0, 1, SegmentSize, SegmentSize + 1} {
			checkTailFits(t, int(n), (n-1)*size+last, (n-1)*sealedSize(size)+sealedSize(last))
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		sizes := make([]int64, 1+r.IntN(200))
		for i := range sizes {
			sizes[i] = MinPartSize + r.Int64N(int64(1)<<(1+r.IntN(31)))
		}
		sizes[len(sizes)-1] = r.Int64N(int64(1) << (1 + r.IntN(31)))
		l := NewLayout(sizes...)
		checkTailFits(t, len(sizes), l.PlainSize(), l.sealed())
	}
}

func checkTailFits(t *testing.T, n int, plain, sealed int64) {
	t.Helper()
	padding := StoredSize(plain) - sealed - tailSize(n)
	if padding < 90 {
		t.Fatalf("%d parts of %d bytes leave %d bytes of padding, FORMAT §10 promises 90", n, plain, padding)
	}
	if tail := padding + tailSize(n); tail > MaxTailSize {
		t.Fatalf("%d parts of %d bytes have a tail of %d", n, plain, tail)
	}
}
