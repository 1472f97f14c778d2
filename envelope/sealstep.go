// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"errors"
	"fmt"
	"io"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// sealStep seals one part, segment by segment, and then passes on a tail.
type sealStep struct {
	floe  *stream.Sealer
	plain *source
	after io.Reader // the tail, once the segments are done
	// tail makes it, when plain has ended as it should.
	tail func() (io.Reader, error)
}

// newSealStep seals exactly size bytes of plain.
func newSealStep(floe *stream.Sealer, plain io.Reader, size int64, tail func() (io.Reader, error)) *sealStep {
	return &sealStep{floe: floe, plain: newSource(plain, size), tail: tail}
}

func (s *sealStep) unit() int    { return storedSegment }
func (s *sealStep) direct() bool { return true }
func (s *sealStep) release()     { s.plain.release() }

func (s *sealStep) step(dst []byte) ([]byte, error) {
	if s.after != nil {
		n, err := s.after.Read(dst[:storedSegment])
		return dst[:n], err
	}
	size := s.plain.remaining()
	plain, err := s.plain.next(int(min(size, SegmentSize)))
	if err != nil {
		return nil, readingPlain(err)
	}
	if size > SegmentSize {
		return s.floe.Inner(dst, plain), nil
	}
	return s.finish(dst, plain)
}

// lot leaves the last segment to step, which checks that the plaintext ends there.
func (s *sealStep) lot(n int, stopped func() bool) (*buffer, func([]byte) ([]byte, error)) {
	n = s.floe.Together(int(min(int64(n), innerOf(s.plain.remaining()))))
	if s.after != nil || n < minLot {
		return nil, nil
	}
	from, plain := s.plain.lend(SegmentSize, n, stopped)
	if from == nil {
		return nil, nil
	}
	run := s.floe.Run(len(plain) / SegmentSize)
	return from, func(dst []byte) ([]byte, error) { return run.Seal(dst, plain), nil }
}

// innerOf is how many segments of size bytes of plaintext are not the last.
func innerOf(size int64) int64 { return max(0, size-1) / SegmentSize }

// finish seals the last segment, once plain is known to end there.
func (s *sealStep) finish(dst, plain []byte) ([]byte, error) {
	if err := s.plain.end(); err != nil {
		return nil, readingPlain(err)
	}
	var err error
	if s.after, err = s.tail(); err != nil {
		return nil, err
	}
	return s.floe.Final(dst, plain), nil
}

func readingPlain(err error) error {
	switch {
	case errors.Is(err, errShort):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, errLong):
		err = ErrLength
	}
	return fmt.Errorf("reading plaintext: %w", err)
}

// noTail is the tail of a part that others follow.
func noTail() (io.Reader, error) { return eofReader{}, nil }

type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }
