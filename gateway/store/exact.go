// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io"
)

// Exact is the reader that adapters put around the body of a Put. It yields
// exactly the declared number of bytes or an error, and it holds the last bytes
// back until the body has confirmed that nothing follows: a body that ends in
// an error (a wrong checksum is one) must never have been delivered whole, or
// the backend would store it.
type Exact struct {
	body io.Reader
	left int64
	err  error
}

// NewExact returns an Exact over body, which must be size bytes long.
func NewExact(body io.Reader, size int64) *Exact {
	return &Exact{body: body, left: size}
}

// Read implements io.Reader.
func (e *Exact) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := e.next(p)
	if err != nil {
		e.err = err
	}
	return n, err
}

// Err returns the error that ended the body, nil if it was complete or is not
// yet at its end. It is how an adapter tells a bad body from a bad backend.
func (e *Exact) Err() error {
	if errors.Is(e.err, io.EOF) {
		return nil
	}
	return e.err
}

// Complete reports whether the whole body has been read and has ended as it
// should: a backend that says that it stored a body before that has not.
func (e *Exact) Complete() bool { return errors.Is(e.err, io.EOF) }

// next reads into p; reaching the declared size it demands the end as well.
func (e *Exact) next(p []byte) (int, error) {
	if e.left == 0 {
		return 0, e.end()
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.body.Read(p)
	e.left -= int64(n)
	if e.left > 0 {
		return n, e.short(err)
	}
	if err == nil {
		err = e.end()
	}
	// Complete and confirmed: only now may the last bytes be seen.
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return 0, err
}

// short makes an early end an error that is not io.EOF.
func (e *Exact) short(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%d bytes missing at the end of the body: %w", e.left, ErrLength)
	}
	return err
}

// end reads on until the body ends, and returns io.EOF only if it ends there.
// A reader that goes on giving nothing is cut off as io.Copy would not.
func (e *Exact) end() error {
	var one [1]byte
	for range 100 {
		n, err := e.body.Read(one[:])
		if n > 0 {
			return fmt.Errorf("bytes after the end of the body: %w", ErrLength)
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
