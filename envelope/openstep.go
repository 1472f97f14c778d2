// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"fmt"
	"io"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// openStep opens segments from one place of a layout on.
type openStep struct {
	body   *body
	src    *source
	opener *stream.Opener // of the part that next is in, once that has begun
	next   place
	// skip is how much of the next segment comes before the range, left how
	// much of the range is still to come, both in plaintext bytes.
	skip, left int64
	// whole: every segment is opened, also those of no plaintext.
	whole bool
}

func (s *openStep) unit() int { return SegmentSize }

// direct: a segment which the range takes whole, and not the last, at which
// the end of the source is checked.
func (s *openStep) direct() bool { return s.skip == 0 && s.left > SegmentSize }

func (s *openStep) release() { s.src.release() }

func (s *openStep) step(dst []byte) ([]byte, error) {
	if s.done() {
		return nil, io.EOF
	}
	plain, err := s.segment(dst)
	if err != nil {
		return plain, err
	}
	if s.done() {
		if err := s.src.end(); err != nil {
			return nil, reading(err)
		}
	}
	return plain, nil
}

// done reports whether nothing is left to open.
func (s *openStep) done() bool {
	return s.left == 0 && (!s.whole || s.next.part >= len(s.body.parts))
}

// lot leaves to step whatever is not taken whole, and what is last.
func (s *openStep) lot(n int, stopped func() bool) (*buffer, func([]byte) ([]byte, error)) {
	if s.done() || s.inner() < minLot {
		return nil, nil
	}
	at, run := s.next, s.part().Run(uint64(s.next.pos), min(n, s.inner()))
	from, sealed := s.src.lend(storedSegment, run.Len(), stopped)
	if from == nil {
		return nil, nil
	}
	count := int64(len(sealed) / storedSegment)
	s.next.pos += count
	s.left -= count * SegmentSize
	return from, func(dst []byte) ([]byte, error) {
		plain, err := run.Open(dst, sealed)
		if err != nil {
			at.pos += int64(len(plain) / SegmentSize)
			return plain, s.refused(at)
		}
		return plain, nil
	}
}

// inner is how many segments follow that the range takes whole, and that are
// the last neither of their part nor of the range.
func (s *openStep) inner() int {
	if s.skip > 0 {
		return 0
	}
	ofPart := innerOf(s.body.layout.spans[s.next.part].size) - s.next.pos
	return int(min(ofPart, innerOf(s.left)))
}

// segment opens the next one and returns what the range takes of it.
func (s *openStep) segment(dst []byte) ([]byte, error) {
	at, l := s.next, s.body.layout
	sealed, err := s.src.next(int(at.sealed(l)))
	if err != nil {
		return nil, reading(err)
	}
	plain, err := s.open(dst, sealed, at)
	if err != nil {
		return nil, s.refused(at)
	}
	s.next = at.next(l)
	plain = plain[s.skip:]
	plain = plain[:min(int64(len(plain)), s.left)]
	s.skip, s.left = 0, s.left-int64(len(plain))
	return plain, nil
}

// refused is the error of a segment that does not open.
func (s *openStep) refused(at place) error {
	number := s.body.parts[at.part].Number
	return fmt.Errorf("opening segment %d of part %d: %w", at.pos, number, &authError{ruleSegment})
}

func (s *openStep) open(dst, sealed []byte, at place) ([]byte, error) {
	if at.final(s.body.layout) {
		return s.part().Final(dst, sealed, uint64(at.pos))
	}
	return s.part().Inner(dst, sealed, uint64(at.pos))
}

// part returns the opener of the part that next is in.
func (s *openStep) part() *stream.Opener {
	if s.opener == nil || s.next.pos == 0 {
		s.opener = s.body.opener(s.next.part)
	}
	return s.opener
}

// openAll opens a whole stored body: all segments, then the tail.
type openAll struct {
	openStep
	object *Object
	found  *Manifest
}

func (s *openAll) step(dst []byte) ([]byte, error) {
	if s.ended() {
		return nil, io.EOF
	}
	plain, err := s.segment(dst)
	if err != nil {
		return plain, err
	}
	// The last segment waits for the rest of the body: an object that does
	// not verify to its end has not been read to its end either.
	if s.ended() {
		if err := s.readTail(); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// direct: see openStep, and the last segment waits for the tail.
func (s *openAll) direct() bool { return !s.ended() && s.next != s.body.layout.end() }

func (s *openAll) ended() bool { return s.next.part >= len(s.body.parts) }

// readTail verifies all that follows the parts.
func (s *openAll) readTail() error {
	size := tailSize(len(s.body.parts))
	if err := s.padding(s.src.remaining() - size); err != nil {
		return err
	}
	tail, err := s.take(size)
	if err != nil {
		return err
	}
	if s.found, err = s.openTail(tail); err != nil {
		return fmt.Errorf("opening manifest of object %s: %w", s.object.object, err)
	}
	if err := s.src.end(); err != nil {
		return reading(err)
	}
	return nil
}

// openTail opens the manifest, and holds it against one that was opened
// before: of a multipart object, the one that the layout comes from.
func (s *openAll) openTail(tail []byte) (*Manifest, error) {
	m, err := s.object.openTail(tail)
	if err != nil {
		return nil, err
	}
	if before := s.object.manifest; before != nil && !m.equal(before) {
		return nil, &authError{ruleManifest}
	}
	return m, nil
}

// padding checks n bytes to be zero.
func (s *openAll) padding(n int64) error {
	for n > 0 {
		b, err := s.src.next(int(min(n, oneSegment)))
		if err != nil {
			return reading(err)
		}
		if !isZero(b) {
			return fmt.Errorf("reading stored body: %w", &authError{rulePadding})
		}
		n -= int64(len(b))
	}
	return nil
}

// take returns n bytes in memory of their own.
func (s *openAll) take(n int64) ([]byte, error) {
	b := make([]byte, 0, n)
	for int64(len(b)) < n {
		piece, err := s.src.next(int(min(n-int64(len(b)), oneSegment)))
		if err != nil {
			return nil, reading(err)
		}
		b = append(b, piece...)
	}
	return b, nil
}
