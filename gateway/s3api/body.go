// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
)

// Body is the decoded payload of an upload. It yields exactly its Size
// bytes and then io.EOF, or an error: io.EOF means that length, framing, the
// signatures of chunks and trailer, and every checksum that the client sent
// were verified. Every other error is an *Error, and stays. Bytes that came
// before an error are nobody's: whoever stores them must drop them (S3.md,
// "Payloads").
//
// A Body is used by one goroutine. Reads should be large: what is asked for is
// read at once and summed at once.
type Body struct {
	frames  frames
	sums    digests
	payload payload
	want    Checksum // zero until a trailer gave it, when one is declared
	err     error
}

// frames yields the payload without its framing; io.EOF after its last byte
// of framing.
type frames interface {
	io.Reader
	// trailing is the declared trailer's value, after io.EOF.
	trailing() string
}

// Body starts to decode the payload that r yields as net/http gave it.
func (o *PutObject) Body(r io.Reader) *Body {
	return newBody(r, o.payload)
}

// Body starts to decode the payload that r yields as net/http gave it.
func (o *UploadPart) Body(r io.Reader) *Body {
	return newBody(r, o.payload)
}

var errNoKey = errors.New("signed chunks whose signature nobody gave a key for")

func newBody(r io.Reader, p payload) *Body {
	b := &Body{payload: p, want: p.checksum}
	b.sums = newDigests(p)
	b.frames = &plainFrames{src: r, left: p.size}
	if p.mode.chunked {
		b.frames = newChunkFrames(r, p.size, p)
	}
	if p.keyed && p.verified == nil {
		// Whoever serves this forgot UseSignature: nothing would be verified.
		b.err = InternalError("").Cause(errNoKey)
	}
	return b
}

// Read yields decoded bytes.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.frames.Read(p)
	b.sums.write(p[:n])
	if errors.Is(err, io.EOF) {
		err = b.verify()
	}
	b.err = err
	return n, err
}

// verify holds the sums against what the client sent; io.EOF when all agree.
func (b *Body) verify() error {
	if a := b.payload.trailer; a != ChecksumNone {
		sum, ok := parseChecksum(a, b.frames.trailing())
		if !ok {
			return InvalidRequest("Value for " + a.header() + " trailing header is invalid.")
		}
		b.want = sum
	}
	if err := b.sums.verify(b.payload, b.want); err != nil {
		return err
	}
	return io.EOF
}

// Sums returns what is known of the payload. It must only be called after
// Read returned io.EOF; before that it panics, since nothing was verified.
func (b *Body) Sums() Sums {
	if !errors.Is(b.err, io.EOF) {
		panic("s3api: internal error: sums of a payload that was not read to its end")
	}
	s := b.sums.sums()
	s.Size, s.Client, s.Trailer = b.payload.size, b.want, b.payload.trailer != ChecksumNone
	return s
}

// plainFrames is a payload that is its own framing.
type plainFrames struct {
	src  io.Reader
	left int64 // bytes still to come
}

func (f *plainFrames) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, atEnd(f.src)
	}
	n, err := f.src.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	switch {
	case err == nil, errors.Is(err, io.EOF) && f.left == 0:
		return n, nil // the end is looked for by the next Read
	case errors.Is(err, io.EOF):
		return n, NewError("IncompleteBody", "").Cause(io.ErrUnexpectedEOF)
	}
	return n, transport(err)
}

func (*plainFrames) trailing() string { return "" }

// atEnd gives io.EOF when nothing follows. Reading up to the end also tells
// net/http that the connection can be used again.
func atEnd(src io.Reader) error {
	var one [1]byte
	switch n, err := io.ReadFull(src, one[:]); {
	case n > 0:
		return InvalidRequest("the body goes on after its declared end")
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return transport(err)
	}
}

// transport makes an error of the connection one that can be answered. A
// client that broke off may still read; net/http's own parse errors of a
// chunked body arrive here as well.
func transport(err error) *Error {
	var ne net.Error
	switch {
	case errors.As(err, &ne) && ne.Timeout():
		return NewError("RequestTimeout", "").Cause(err)
	case errors.Is(err, bufio.ErrBufferFull):
		return InvalidRequest("a line of the aws-chunked framing is too long")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return NewError("IncompleteBody", "").Cause(io.ErrUnexpectedEOF)
	}
	return NewError("IncompleteBody", "the body could not be read to its end").Cause(fmt.Errorf("reading the request body: %w", err))
}
