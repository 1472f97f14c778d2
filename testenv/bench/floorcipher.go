// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/cipher"
	"encoding/binary"
	"io"
	"sync"
)

// What the floor stores is segments of plaintext, each with the tag of GCM
// behind it, and nothing else.
const (
	floorSegment       = 64 << 10 // bytes
	floorTag           = 16
	floorSealedSegment = floorSegment + floorTag
	floorBatch         = 4 // segments that are read, sealed or opened, and written at once
)

func floorSealed(plain int64) int64 {
	return plain + (plain+floorSegment-1)/floorSegment*floorTag
}

func floorPlain(sealed int64) int64 {
	return sealed - (sealed+floorSealedSegment-1)/floorSealedSegment*floorTag
}

// floorNonce is that of a segment of whatever object: see floor.
func floorNonce(segment int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, 12), uint64(segment))
}

// floorBuffers hold a batch, on both sides of the cipher.
type floorBuffers struct {
	plain  [floorBatch * floorSegment]byte
	sealed [floorBatch * floorSealedSegment]byte
}

var floorPool = sync.Pool{New: func() any { return new(floorBuffers) }}

// floorSealer is the sealed form of a body of which left bytes are to come.
type floorSealer struct {
	aead    cipher.AEAD
	from    io.Reader
	left    int64
	segment int64

	buf   *floorBuffers // from the first read on, until the end
	ready []byte        // sealed, in buf
}

// Read implements io.Reader. It seals where p is, if a batch has room there.
func (s *floorSealer) Read(p []byte) (int, error) {
	if len(s.ready) == 0 {
		if s.left == 0 {
			s.drop()
			return 0, io.EOF
		}
		if s.buf == nil {
			s.buf = floorPool.Get().(*floorBuffers)
		}
		if int64(len(p)) >= floorSealed(min(s.left, int64(len(s.buf.plain)))) {
			out, err := s.seal(p[:0])
			return len(out), err
		}
		var err error
		if s.ready, err = s.seal(s.buf.sealed[:0]); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

func (s *floorSealer) seal(to []byte) ([]byte, error) {
	plain := s.buf.plain[:min(s.left, int64(len(s.buf.plain)))]
	if _, err := io.ReadFull(s.from, plain); err != nil {
		return nil, err
	}
	s.left -= int64(len(plain))
	for len(plain) > 0 {
		n := min(len(plain), floorSegment)
		to = s.aead.Seal(to, floorNonce(s.segment), plain[:n], nil)
		plain = plain[n:]
		s.segment++
	}
	return to, nil
}

func (s *floorSealer) drop() {
	if s.buf != nil {
		floorPool.Put(s.buf)
		s.buf = nil
	}
}

// floorOpener gives want bytes of plaintext out of left bytes of whole segments,
// the last of which may be short.
type floorOpener struct {
	aead    cipher.AEAD
	from    io.Reader
	left    int64
	segment int64
	skip    int64 // plaintext before what is wanted, within the first segment
	want    int64
}

// sendTo writes only what was verified.
func (o *floorOpener) sendTo(w io.Writer) error {
	buf := floorPool.Get().(*floorBuffers)
	defer floorPool.Put(buf)
	for o.left > 0 {
		sealed := buf.sealed[:min(o.left, int64(len(buf.sealed)))]
		if _, err := io.ReadFull(o.from, sealed); err != nil {
			return err
		}
		o.left -= int64(len(sealed))
		plain, err := o.open(buf.plain[:0], sealed)
		if err != nil {
			return err
		}
		plain = plain[o.skip:]
		plain = plain[:min(o.want, int64(len(plain)))]
		o.skip, o.want = 0, o.want-int64(len(plain))
		if _, err := w.Write(plain); err != nil {
			return err
		}
	}
	return nil
}

func (o *floorOpener) open(to, sealed []byte) (_ []byte, err error) {
	for len(sealed) > 0 && err == nil {
		n := min(len(sealed), floorSealedSegment)
		to, err = o.aead.Open(to, floorNonce(o.segment), sealed[:n], nil)
		sealed = sealed[n:]
		o.segment++
	}
	return to, err
}
