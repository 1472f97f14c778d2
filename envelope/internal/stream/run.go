// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"crypto/cipher"
	"slices"
)

// run is some inner segments of a message that follow each other and share an
// AEAD, for whoever has time for them. It is for one goroutine, but several runs
// of a message may be in work at a time.
type run struct {
	worker

	aead     cipher.AEAD
	first    uint64
	n, plain int
}

// SealRun is a run whose positions nothing else will be sealed at.
type SealRun struct{ run }

// Together returns how many of the next n inner segments make a run.
func (s *Sealer) Together(n int) int { return s.m.together(s.pos, n) }

// Run gives out the positions of n inner segments, at most what Together says.
func (s *Sealer) Run(n int) *SealRun {
	if n != s.Together(n) {
		panic("stream: internal error: run under several keys")
	}
	first := s.take(n)
	return &SealRun{run{aead: s.m.at(first), first: first, n: n, plain: s.m.plain}}
}

// Seal appends the run's segments to dst, which grows once. plain has exactly
// their plaintext and does not overlap dst. A run is sealed once.
func (r *SealRun) Seal(dst, plain []byte) []byte {
	if r.n == 0 || len(plain) != r.n*r.plain {
		panic("stream: internal error: run of wrong length, or sealed before")
	}
	dst = slices.Grow(dst, r.n*(r.plain+Overhead))
	for i := range r.n {
		dst = r.seal(r.aead, dst, plain[i*r.plain:][:r.plain], label{r.first + uint64(i), inner, innerMark})
	}
	r.n = 0
	return dst
}

// OpenRun is a run to be opened.
type OpenRun struct{ run }

// Run returns the inner segments from pos on: up to n, as many as make a run.
// There are none beyond the end of a message's positions.
func (o *Opener) Run(pos uint64, n int) *OpenRun {
	if pos >= maxSegments {
		return &OpenRun{}
	}
	n = o.m.together(pos, int(min(uint64(n), maxSegments-pos)))
	return &OpenRun{run{aead: o.m.at(pos), first: pos, n: n, plain: o.m.plain}}
}

// Len is how many segments the run has at most.
func (r *OpenRun) Len() int { return r.n }

// Open appends the plaintext of the segments, one or more and at most Len, to
// dst, which grows once and does not overlap them. On ErrAuth it has the plaintext
// of those before the first that does not open, though memory between dst's length
// and its capacity may have been overwritten.
func (r *OpenRun) Open(dst, segments []byte) ([]byte, error) {
	size := r.plain + Overhead
	n := len(segments) / size
	if n == 0 || n > r.n || len(segments)%size != 0 {
		return dst, ErrAuth
	}
	dst = slices.Grow(dst, n*r.plain)
	for i := range n {
		var err error
		if dst, err = r.open(r.aead, dst, segments[i*size:][:size], label{r.first + uint64(i), inner, innerMark}); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
