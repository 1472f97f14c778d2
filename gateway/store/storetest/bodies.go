// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"io"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// The faults of a Get's body, for Rule.Body. Offsets are in stored bytes of the
// whole object, so that a rule means the same byte whatever range is asked for.

// Truncate ends the body before offset at with a clean io.EOF: what a malicious
// store does, and an honest one must not.
func Truncate(at int64) func(*store.Reader) io.ReadCloser {
	return edit(func(e *edited) { e.end, e.endErr = at, io.EOF })
}

// Cut ends the body before offset at with err.
func Cut(at int64, err error) func(*store.Reader) io.ReadCloser {
	return edit(func(e *edited) { e.end, e.endErr = at, err })
}

// Flip xors the byte at an offset with mask.
func Flip(at int64, mask byte) func(*store.Reader) io.ReadCloser {
	return edit(func(e *edited) {
		e.change = func(off int64, p []byte) {
			if i := at - off; i >= 0 && i < int64(len(p)) {
				p[i] ^= mask
			}
		}
	})
}

// Drip gives at most n bytes at a time and waits before each.
func Drip(n int, wait time.Duration) func(*store.Reader) io.ReadCloser {
	return edit(func(e *edited) {
		e.most = n
		e.change = func(int64, []byte) { time.Sleep(wait) }
	})
}

// Swap gives the bytes of another object in place of the body's own.
func Swap(other []byte) func(*store.Reader) io.ReadCloser {
	return edit(func(e *edited) {
		e.change = func(off int64, p []byte) {
			clear(p)
			if off < int64(len(other)) {
				copy(p, other[off:])
			}
		}
	})
}

// edited is a body that is changed on its way.
type edited struct {
	io.ReadCloser
	off    int64 // of the next byte, in the whole object
	most   int   // bytes per Read, 0 for no limit
	change func(off int64, p []byte)
	end    int64 // offset where the body stops, with endErr; -1 for nowhere
	endErr error
}

func edit(set func(*edited)) func(*store.Reader) io.ReadCloser {
	return func(r *store.Reader) io.ReadCloser {
		e := &edited{ReadCloser: r.ReadCloser, off: r.Off, end: -1}
		set(e)
		return e
	}
}

// Read implements io.Reader.
func (e *edited) Read(p []byte) (int, error) {
	if e.most > 0 {
		p = p[:min(len(p), e.most)]
	}
	if e.end >= 0 {
		if e.off >= e.end {
			return 0, e.endErr
		}
		p = p[:min(int64(len(p)), e.end-e.off)]
	}
	n, err := e.ReadCloser.Read(p)
	if e.change != nil {
		e.change(e.off, p[:n])
	}
	e.off += int64(n)
	return n, err
}
