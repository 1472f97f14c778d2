// SPDX-License-Identifier: Apache-2.0

package envelope

import "io"

const (
	// aheadPieces is how many pieces a batch has that is made while another is
	// written: about 512 KiB. Measured with one stream: four gain little, sixteen
	// nothing more.
	aheadPieces = 8
	// aheadBatches is how many batches a stream has at a time if it makes them
	// by itself: one that is written and one that is made. With lots it is one
	// more.
	aheadBatches = 2
)

// batch is what is written at once.
type batch struct {
	buf *buffer
	out []byte // in buf
	err error  // stands behind out
	// panicked is what making it ended with, nil if it did not panic.
	panicked any
	made     chan struct{} // of a lot: closed when all of this is there
	room     chan struct{} // where it has its place, nil for a lot
}

// ahead makes batches while others are written: what a stream waits for at its
// source, and what it waits for where it goes to, then add up no more.
type ahead struct {
	p    *pump
	out  chan *batch
	room chan struct{} // the places of batches that are not lots
	stop chan struct{} // closed when nobody takes batches any more; p looks, too
}

// writeAhead writes the rest of the stream. When it returns the source is not
// read any more and nobody is at work.
func (p *pump) writeAhead(w io.Writer) (total int64, err error) {
	a := &ahead{p: p, out: make(chan *batch, 1), room: make(chan struct{}, aheadBatches), stop: make(chan struct{})}
	p.stop = a.stop
	streams.Add(1)
	defer streams.Add(-1)
	go a.run()
	defer a.end()
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

// end waits for run, which then closes out.
func (a *ahead) end() {
	close(a.stop)
	for b := range a.out {
		b.drop()
	}
}

// run makes batches, longer each time up to aheadPieces, until the stream has
// ended or nobody takes them.
func (a *ahead) run() {
	defer close(a.out)
	for pieces := 2; ; pieces = min(2*pieces, aheadPieces) {
		b := a.next(pieces)
		if b == nil {
			return
		}
		last := b.made == nil && (b.err != nil || b.panicked != nil)
		select {
		case a.out <- b:
		case <-a.stop:
			b.drop()
			return
		}
		if last {
			return
		}
	}
}

// next is a lot or, where there is none, a batch that is made here. It is nil if
// nobody takes batches any more.
func (a *ahead) next(pieces int) *batch {
	if b := a.p.lot(pieces); b != nil {
		return b
	}
	select {
	case a.room <- struct{}{}:
	case <-a.stop:
		return nil
	}
	b := a.p.make(pieces)
	b.room = a.room
	return b
}

// make gathers a batch of up to so many pieces, or of less when the pump is
// stopped: nobody wants the batch then.
func (p *pump) make(pieces int) (b *batch) {
	b = &batch{buf: getBuffer(int64(pieces * p.unit))}
	defer func() { b.panicked = recover() }() // to go on where the stream is written
	to := b.buf.b[:pieces*p.unit]
	n, err := p.gather(to)
	b.out, b.err = to[:n], err
	return b
}

// write writes a batch and gives its memory back. The error is that of the
// writer, or else the one that stands behind the batch.
func (b *batch) write(w io.Writer) (int, error) {
	defer b.drop()
	b.wait()
	if b.panicked != nil {
		panic(b.panicked)
	}
	if len(b.out) == 0 {
		return 0, b.err
	}
	n, err := w.Write(b.out)
	if err != nil {
		return n, err
	}
	return n, b.err
}

func (b *batch) wait() {
	if b.made != nil {
		<-b.made
	}
}

// drop gives its memory and its place back.
func (b *batch) drop() {
	b.wait()
	b.buf.put()
	if b.room != nil {
		<-b.room
	}
}
