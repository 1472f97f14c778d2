// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/gateway/s3api/framing"
)

// body is what a client sends. The transport reads it, in a goroutine that may
// outlast the answer.
type body struct {
	src     io.Reader
	tap     *framing.Tap
	trailer http.Header

	stopped atomic.Bool // nothing more is to be read for the gateway
	started atomic.Bool // a byte was asked for: the request cannot be sent again

	reading sync.Mutex // held while src is read

	mu    sync.Mutex // guards all below
	ended bool       // io.EOF was seen
	dirty bool       // bytes of another request came with the body
	err   error      // what else the client's side failed with
}

// errStopped ends the gateway's side of a body when the answer is there: never
// with a clean end, or it would take the part for the whole.
var errStopped = errors.New("the answer came before the end of the body")

func newBody(r *http.Request, tap *framing.Tap) *body {
	return &body{src: r.Body, tap: tap, trailer: r.Trailer, ended: r.ContentLength == 0}
}

// Read gives the client's bytes to the gateway.
func (b *body) Read(p []byte) (int, error) {
	if b.stopped.Load() {
		return 0, errStopped
	}
	b.started.Store(true)
	return b.read(p)
}

func (b *body) read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.over() {
		return 0, io.EOF
	}
	n, err := b.src.Read(p)
	if err == nil {
		return n, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, io.EOF):
		b.ended, b.dirty = true, !b.tap.BodyEnded()
		dropHeaders(b.trailer)
	case !b.stopped.Load():
		b.err = err
	}
	return n, err
}

// stopPatience is how long a read that is under way may take to end by itself:
// one that is made to return leaves a chunked body that cannot be read off.
const stopPatience = 500 * time.Millisecond

// stop ends what the gateway reads, and returns when it reads no more. wake
// makes a read that is under way return.
func (b *body) stop(wake func()) {
	b.stopped.Store(true)
	for until := time.Now().Add(stopPatience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if b.reading.TryLock() {
			b.reading.Unlock()
			return
		}
	}
	wake()
	b.reading.Lock()
	defer b.reading.Unlock()
}

func (b *body) over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// Close leaves the body to net/http.
func (b *body) Close() error { return nil }

// failed is what went wrong on the client's side, nil if nothing did.
func (b *body) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// clean says whether the connection stands where the next request begins.
func (b *body) clean() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended && !b.dirty
}
