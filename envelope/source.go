// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"errors"
	"io"
)

// What a source reports about its length. What that means is for its user to
// say: a faulty client to a sealer, a hostile store to an opener.
var (
	errShort = errors.New("envelope: source ends too early")
	errLong  = errors.New("envelope: source does not end in time")
)

// source reads exactly left bytes from r, in pieces of a size that its user
// chooses, with as few and as large reads as the buffer allows. It never asks
// r for a byte beyond left, except in end.
type source struct {
	r      io.Reader
	err    error // of r, reported once what came before it has been used
	left   int64 // bytes still to be read from r
	buf    *buffer
	lo, hi int // buf.b[lo:hi] has been read from r and not been used
}

func newSource(r io.Reader, n int64) *source {
	return &source{r: r, left: n, buf: getBuffer(min(n, readBatch))}
}

// remaining returns how many bytes next can still give.
func (s *source) remaining() int64 { return s.left + int64(s.hi-s.lo) }

// next returns the next n bytes, valid until the following call. n is at most
// oneSegment. It returns errShort if r ends before, or the error of r.
func (s *source) next(n int) ([]byte, error) {
	if err := s.have(n); err != nil {
		return nil, err
	}
	return s.take(n), nil
}

// several is next for count pieces of n bytes, or for fewer if no more have come:
// it waits for the first alone. The buffer is larger where many are wanted, and
// smaller again where not. An error of r comes once what came before it is used.
func (s *source) several(n, count int) ([]byte, error) {
	s.fit(n * count)
	if err := s.have(n); err != nil {
		return nil, err
	}
	return s.take(n * min(count, (s.hi-s.lo)/n)), nil
}

// fit changes to a buffer that suits reading n bytes, if they are not there yet.
// Memory beyond a few segments is for those who gain by it: it is taken from
// the caches of everyone.
func (s *source) fit(n int) {
	large := n > readBatch
	if s.hi-s.lo >= n || large == (len(s.buf.b) > readBatch) {
		return
	}
	other := getBuffer(min(s.remaining(), int64(max(n, readBatch))))
	s.hi = copy(other.b, s.buf.b[s.lo:s.hi])
	s.lo = 0
	s.buf.put()
	s.buf = other
}

// have reads until n bytes are there.
func (s *source) have(n int) error {
	if s.hi-s.lo < n {
		s.hi = copy(s.buf.b, s.buf.b[s.lo:s.hi])
		s.lo = 0
	}
	for s.hi-s.lo < n {
		if err := s.fill(); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) take(n int) []byte {
	b := s.buf.b[s.lo : s.lo+n]
	s.lo += n
	return b
}

// fill reads some more, as much as comes at once.
func (s *source) fill() error {
	n, err := s.read(s.buf.b[s.hi:min(int64(len(s.buf.b)), int64(s.hi)+s.left)])
	s.hi += n
	s.left -= int64(n)
	if err == io.EOF { //nolint:errorlint // io.Reader returns io.EOF itself; a wrapped one is a failure
		return errShort
	}
	return err
}

// maxEmptyReads is how often in a row a reader may return nothing.
const maxEmptyReads = 100

// read reads at least one byte of r, or returns why it cannot.
func (s *source) read(b []byte) (int, error) {
	for range maxEmptyReads {
		if s.err != nil {
			return 0, s.err
		}
		var n int
		n, s.err = s.r.Read(b)
		if n > 0 {
			return n, nil
		}
	}
	s.err = io.ErrNoProgress
	return 0, s.err
}

// end checks that r ends here, as it must once nothing remains: nil if so,
// errLong if another byte follows, or the error of r.
func (s *source) end() error {
	var probe [1]byte
	switch n, err := s.read(probe[:]); {
	case n > 0:
		return errLong
	case err == io.EOF: //nolint:errorlint // as above
		return nil
	default:
		return err
	}
}

// release gives the buffer back. The source must not be used afterwards.
func (s *source) release() {
	s.buf.put()
	s.buf = nil
}
