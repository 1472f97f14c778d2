// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"io"
	"sync"
)

// aheadPieces is how many pieces a batch has that is made while another is
// written: about 512 KiB. Two are held at a time. Measured with one stream: four
// gain little, sixteen nothing more.
const aheadPieces = 8

// batch is what is written at once.
type batch struct {
	buf *buffer
	n   int
	err error // stands behind the n bytes
	// panicked is what making it ended with, nil if it did not panic.
	panicked any
}

// ahead makes batches while others are written: what a stream waits for at its
// source, and what it waits for where it goes to, then add up no more.
type ahead struct {
	p    *pump
	out  chan batch
	stop chan struct{} // closed when nobody takes batches any more; p looks, too
	done sync.WaitGroup
}

// writeAhead writes the rest of the stream. The source is not read any more
// when it returns.
func (p *pump) writeAhead(w io.Writer) (total int64, err error) {
	a := &ahead{p: p, out: make(chan batch), stop: make(chan struct{})}
	p.stop = a.stop
	a.done.Go(a.run)
	defer a.done.Wait()
	defer close(a.stop)
	for b := range a.out {
		n, err := b.write(w)
		total += int64(n)
		if err == io.EOF { //nolint:errorlint // Read returns io.EOF itself
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, io.ErrUnexpectedEOF // not reached: the last batch has an error
}

// run makes batches, longer each time up to aheadPieces, until the stream has
// ended or nobody takes them.
func (a *ahead) run() {
	defer close(a.out)
	for pieces := 2; ; pieces = min(2*pieces, aheadPieces) {
		b := a.p.make(pieces)
		last := b.err != nil || b.panicked != nil
		select {
		case a.out <- b:
		case <-a.stop:
			b.buf.put()
			return
		}
		if last {
			return
		}
	}
}

// make gathers a batch of up to so many pieces, or of less when the pump is
// stopped: nobody wants the batch then.
func (p *pump) make(pieces int) (b batch) {
	b.buf = getBuffer(int64(pieces * p.unit))
	defer func() { b.panicked = recover() }() // to go on where the stream is written
	b.n, b.err = p.gather(b.buf.b[:pieces*p.unit])
	return b
}

// write writes a batch and gives its memory back. The error is that of the
// writer, or else the one that stands behind the batch.
func (b batch) write(w io.Writer) (int, error) {
	defer b.buf.put()
	if b.panicked != nil {
		panic(b.panicked)
	}
	if b.n == 0 {
		return 0, b.err
	}
	n, err := w.Write(b.buf.b[:b.n])
	if err != nil {
		return n, err
	}
	return n, b.err
}
