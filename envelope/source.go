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
	lo, hi int // buf.b[lo:hi] has been read from r and not been used; without buf nothing has
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

// lend is next for count pieces of n bytes, or for as many as come before r fails,
// in a buffer that is the caller's from now on. It returns none when stopped
// says so between two reads, or when not even one piece comes: next says why.
func (s *source) lend(n, count int, stopped func() bool) (*buffer, []byte) {
	if s.hi-s.lo < n*count {
		s.front(int64(n * count))
	}
	for s.hi-s.lo < n*count {
		if stopped() {
			return nil, nil
		}
		if s.fill(n*count) != nil {
			break
		}
	}
	whole := min(count, (s.hi-s.lo)/n) * n
	if whole == 0 {
		return nil, nil
	}
	return s.part(whole)
}

// part hands over the buffer with n bytes in front, or a copy of them where more
// than that would have to be copied otherwise.
func (s *source) part(n int) (*buffer, []byte) {
	lent, rest := s.buf, s.buf.b[s.lo+n:s.hi]
	if s.lo > 0 || len(rest) > n {
		lent = getBuffer(int64(n))
		copy(lent.b, s.take(n))
		return lent, lent.b[:n]
	}
	s.buf = nil
	if len(rest) > 0 {
		s.buf = getBuffer(int64(len(rest)))
		copy(s.buf.b, rest)
	}
	s.hi -= n
	return lent, lent.b[:n]
}

// front moves what has been read to the front of a buffer that has room for n
// bytes, or for as many as there will be.
func (s *source) front(n int64) {
	if s.buf != nil && int64(len(s.buf.b)) >= min(n, s.remaining()) {
		s.hi = copy(s.buf.b, s.buf.b[s.lo:s.hi])
		s.lo = 0
		return
	}
	other := getBuffer(min(max(n, readBatch), s.remaining()))
	if s.buf != nil {
		s.hi = copy(other.b, s.buf.b[s.lo:s.hi])
		s.buf.put()
	}
	s.lo, s.buf = 0, other
}

// have reads until n bytes are there.
func (s *source) have(n int) error {
	if s.hi-s.lo < n {
		s.front(int64(n))
	}
	for s.hi-s.lo < n {
		if err := s.fill(len(s.buf.b)); err != nil {
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

// fill reads some more, as much as comes at once, until limit bytes of the buffer
// are used.
func (s *source) fill(limit int) error {
	n, err := s.read(s.buf.b[s.hi:min(int64(limit), int64(s.hi)+s.left)])
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
