// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// errTail ends the whole lines of a segment: what follows is reserved space,
// a torn batch, or damage.
var errTail = errors.New("what stands there is no whole record")

// lines reads the lines of a segment.
type lines struct {
	r   *bufio.Reader
	off int64 // where the next line begins
}

func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(r, 2*(MaxRecord+1))}
}

// next returns the next line without its newline, valid until the next call;
// io.EOF at a clean end; errTail when what follows is not a whole line.
func (s *lines) next() ([]byte, error) {
	first, err := s.r.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] == 0 {
		return nil, errTail
	}
	b, err := s.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
		return nil, errTail
	case err != nil:
		return nil, err
	}
	s.off += int64(len(b))
	return b[:len(b)-1], nil
}

// sector is the smallest unit that a disk writes whole.
const sector = 512

// maxBatch bounds the bytes of one batch, and with it a torn tail.
const maxBatch = 4 << 20

// torn describes bytes behind the last whole record that belong to a batch
// nobody was told is safe.
type torn struct {
	bytes  int64
	sha256 string
}

// judgeTail decides what the bytes of r from good to size are: AUDIT.md
// "Start and recovery". good is where the last whole, right record ends. The
// error is damage to something that had been acknowledged.
func judgeTail(r io.ReaderAt, good, size int64) (torn, error) {
	end, err := lastByte(r, good, size)
	if err != nil || end == good {
		return torn{}, err
	}
	if end-good > maxBatch {
		return torn{}, errors.New("more than one batch of bytes is no record")
	}
	tail := make([]byte, end-good)
	if _, err := r.ReadAt(tail, good); err != nil {
		return torn{}, fmt.Errorf("reading the tail: %w", err)
	}
	if err := tornOnly(tail, good); err != nil {
		return torn{}, err
	}
	sum := sha256.Sum256(tail)
	return torn{bytes: int64(len(tail)), sha256: hex.EncodeToString(sum[:])}, nil
}

// lastByte returns the offset behind the last byte in [from, size) that is
// not zero, or from.
func lastByte(r io.ReaderAt, from, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > from; {
		n := min(int64(len(buf)), end-from)
		if _, err := r.ReadAt(buf[:n], end-n); err != nil {
			return 0, fmt.Errorf("reading the tail: %w", err)
		}
		if kept := len(bytes.TrimRight(buf[:n], "\x00")); kept > 0 {
			return end - n + int64(kept), nil
		}
		end -= n
	}
	return from, nil
}

// tornOnly accepts a cut line, or lines of one batch with sectors missing.
func tornOnly(tail []byte, good int64) error {
	hole := bytes.IndexByte(tail, 0)
	before := tail
	if hole >= 0 {
		before = tail[:hole]
	}
	if bytes.IndexByte(before, '\n') >= 0 {
		return errors.New("a whole line that is no record")
	}
	if len(before) > MaxRecord {
		return errors.New("longer than any record")
	}
	for hole >= 0 {
		n := len(tail[hole:]) - len(bytes.TrimLeft(tail[hole:], "\x00"))
		from, to := good+int64(hole), good+int64(hole+n)
		if hole > 0 && from%sector != 0 || to%sector != 0 {
			return fmt.Errorf("zero bytes from %d to %d are no sectors that a power cut left out", from, to)
		}
		if laterBatch(tail[hole+n:]) {
			return fmt.Errorf("a later batch stands behind the zero bytes at %d", from)
		}
		next := bytes.IndexByte(tail[hole+n:], 0)
		if next < 0 {
			break
		}
		hole += n + next
	}
	return nil
}

// laterBatch reports whether a line that begins in b is the first of a batch.
// Inside a string the quotes would be escaped, so only the field matches.
func laterBatch(b []byte) bool {
	at := bytes.IndexByte(b, '\n')
	return at >= 0 && bytes.Contains(b[at:], []byte(`,"batch":`))
}
