// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"io"
)

// ResendPart returns the sealed part that src holds, byte for byte, each
// segment only once it has opened: so that a part which a store had in keeping
// goes into the object as it was sealed, or not at all (FORMAT §9). src holds
// exactly the stored bytes of part, which comes from authenticated data. Errors
// are those of OpenPart.
func (u *Upload) ResendPart(part Part, src io.Reader) io.Reader {
	r := &resend{}
	r.plain = u.OpenPart(part, io.TeeReader(src, &r.held))
	return r
}

// resend lets as much of what was read go as the plaintext vouches for.
type resend struct {
	plain *Reader
	held  bytes.Buffer // read from the source and not passed on yet
	good  int64        // bytes of held that have opened
	odd   int64        // plaintext of the segment that is not whole yet
	buf   [SegmentSize]byte
	err   error
}

func (r *resend) Read(b []byte) (int, error) {
	for r.good == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.open()
	}
	n, _ := r.held.Read(b[:min(int64(len(b)), r.good)]) // a Buffer that is not empty does not fail
	r.good -= int64(n)
	return n, nil
}

// open opens some more. All that is held has opened once the plaintext has
// ended; before, what full segments hold.
func (r *resend) open() {
	n, err := r.plain.Read(r.buf[:])
	r.odd += int64(n)
	r.good += r.odd / SegmentSize * storedSegment
	r.odd %= SegmentSize
	if err == io.EOF { //nolint:errorlint // the pump returns io.EOF itself
		r.good = int64(r.held.Len())
	}
	r.err = err
}
