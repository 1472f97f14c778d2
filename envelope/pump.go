// SPDX-License-Identifier: Apache-2.0

package envelope

import "io"

// stepper makes a stream piece by piece. Sealing and opening are steppers;
// pump turns them into readers.
type stepper interface {
	// step makes the next piece in dst, which is empty and has room for
	// unit() bytes. It returns what it made and an error, which stands behind
	// that: io.EOF at the end. A piece may be empty.
	step(dst []byte) ([]byte, error)
	// lot is step for up to n pieces of unit() bytes, for another goroutine to
	// make: from is what they are made of, in memory that is the caller's from
	// now on, work makes them. It returns no work where step must make the next
	// piece, and when stopped reports true.
	lot(n int, stopped func() bool) (from *buffer, work func(dst []byte) ([]byte, error))
	// unit is the longest piece in bytes.
	unit() int
	// direct reports whether the next piece may be made in a caller's own
	// memory: it is complete, so that none of it needs to be held back.
	direct() bool
	// release gives pooled memory back, after the last step.
	release()
}

// pump reads from a stepper. It makes pieces in the reader's own memory where
// that is long enough, so that bulk reads copy nothing.
type pump struct {
	st   stepper
	unit int
	held *buffer // where pieces are made that are not direct
	out  []byte  // what of them is still to be delivered
	err  error   // sticky; set before st is released

	stop <-chan struct{} // nil: nobody stops it
}

func newPump(st stepper) *pump { return &pump{st: st, unit: st.unit()} }

// failed returns a reader that only ever returns err.
func failed(err error) *pump { return &pump{unit: oneSegment, err: err} }

// Read implements io.Reader.
func (p *pump) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		if len(p.out) > 0 {
			n := copy(b, p.out)
			p.out = p.out[n:]
			return n, nil
		}
		if p.err != nil {
			p.drop()
			return 0, p.err
		}
		if n := p.fill(b); n > 0 {
			return n, nil
		}
		if p.err == nil {
			p.hold()
		}
	}
}

// fill makes as many pieces in b as fit whole, and returns their length.
func (p *pump) fill(b []byte) int {
	n := 0
	for p.err == nil && len(b)-n >= p.unit && p.st.direct() && !p.stopped() {
		piece, err := p.st.step(b[n:n:len(b)])
		n += len(piece)
		p.end(err)
	}
	return n
}

// hold makes one piece in memory of the pump's own.
func (p *pump) hold() {
	if p.held == nil {
		p.held = getBuffer(oneSegment)
	}
	piece, err := p.st.step(p.held.b[:0])
	p.out = piece
	p.end(err)
}

// end notes the end of the stream or its failure.
func (p *pump) end(err error) {
	if err != nil {
		p.err = err
		p.st.release()
	}
}

// drop gives held memory back, once nothing in it is to be delivered.
func (p *pump) drop() {
	p.held.put()
	p.held = nil
}

// WriteTo implements io.WriterTo: w gets one piece first, so that the first bytes
// leave early, and then batches of several, each made while the one before it is
// written. w must not keep what it is given.
func (p *pump) WriteTo(w io.Writer) (int64, error) {
	n, err := p.make(1).write(w)
	if err == io.EOF { //nolint:errorlint // Read returns io.EOF itself
		return int64(n), nil
	}
	rest := int64(0)
	if err == nil {
		rest, err = p.writeAhead(w)
	}
	if err != nil {
		p.fail(err)
	}
	return int64(n) + rest, err
}

// fail makes err what every read gives from now on, whatever was made behind it.
func (p *pump) fail(err error) {
	if p.err == nil {
		p.end(err)
	}
	p.out, p.err = nil, err
}

// gather reads until b has no room for another piece, the stream ends or the pump is
// stopped. A piece that does not begin or end with b would be copied, and so would
// be one of every batch behind it.
func (p *pump) gather(b []byte) (n int, err error) {
	for n < len(b) && err == nil && !p.stopped() {
		if n > 0 && len(p.out) == 0 && len(b)-n < p.unit {
			break
		}
		var got int
		got, err = p.Read(b[n:])
		n += got
	}
	return n, err
}

// stopped reports whether nobody wants more.
func (p *pump) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}
