// SPDX-License-Identifier: Apache-2.0

package envelope

import "sort"

// Layout says how an object's plaintext is divided into parts, and so where
// each byte lies in the stored body. The zero value is an object of no parts.
type Layout struct {
	spans []span
	plain int64
}

// span is one part: its length and where it begins, in plaintext and stored
// bytes.
type span struct{ size, plainOff, cipherOff int64 }

// NewLayout returns the layout of parts with the given plaintext lengths, in
// order. Lengths are not negative.
func NewLayout(sizes ...int64) Layout {
	l := Layout{spans: make([]span, len(sizes))}
	var cipher int64
	for i, n := range sizes {
		l.spans[i] = span{n, l.plain, cipher}
		l.plain += n
		cipher += sealedSize(n)
	}
	return l
}

// PlainSize returns the plaintext length of all parts.
func (l Layout) PlainSize() int64 { return l.plain }

// sealed returns the stored length of all parts.
func (l Layout) sealed() int64 {
	if len(l.spans) == 0 {
		return 0
	}
	last := l.spans[len(l.spans)-1]
	return last.cipherOff + sealedSize(last.size)
}

// CipherRange returns the stored bytes that hold plaintext [off, off+n): from
// the beginning of the first segment to the end of the last (FORMAT §11). The
// range lies within the plaintext. An empty range needs no bytes.
func CipherRange(l Layout, off, n int64) (cipherOff, cipherLen int64) {
	first := l.at(off)
	if n == 0 {
		return first.cipherOff(l), 0
	}
	last := l.at(off + n - 1)
	begin := first.cipherOff(l)
	return begin, last.cipherOff(l) + last.sealed(l) - begin
}

// place names one segment: part index and position within the part.
type place struct {
	part int
	pos  int64
}

// at returns the segment that holds the plaintext byte at off. Of parts that
// begin at the same byte, being empty, that is the one that holds it. At the
// end of the plaintext it is the last segment.
func (l Layout) at(off int64) place {
	if off >= l.plain {
		return l.end()
	}
	i := sort.Search(len(l.spans), func(i int) bool { return l.spans[i].plainOff > off }) - 1
	return place{i, (off - l.spans[i].plainOff) / SegmentSize}
}

// end returns the last segment of all.
func (l Layout) end() place {
	i := len(l.spans) - 1
	if i < 0 {
		return place{}
	}
	return place{i, segments(l.spans[i].size) - 1}
}

// next returns the segment after p.
func (p place) next(l Layout) place {
	if p.final(l) {
		return place{p.part + 1, 0}
	}
	return place{p.part, p.pos + 1}
}

// final reports whether p is the last segment of its part.
func (p place) final(l Layout) bool { return p.pos == segments(l.spans[p.part].size)-1 }

// plainOff returns where the segment begins in the plaintext.
func (p place) plainOff(l Layout) int64 { return l.spans[p.part].plainOff + p.pos*SegmentSize }

// cipherOff returns where the segment begins in the stored body.
func (p place) cipherOff(l Layout) int64 {
	if len(l.spans) == 0 {
		return 0
	}
	return l.spans[p.part].cipherOff + p.pos*storedSegment
}

// plain returns the segment's plaintext length.
func (p place) plain(l Layout) int64 {
	return min(SegmentSize, l.spans[p.part].size-p.pos*SegmentSize)
}

// sealed returns the segment's stored length.
func (p place) sealed(l Layout) int64 { return p.plain(l) + segmentOverhead }
