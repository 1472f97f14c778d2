// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/gateway/s3api/framing"
)

// requestBody is the body of one request as it comes off the connection:
// paced, counted, and telling the tap when it ends.
type requestBody struct {
	src     io.ReadCloser
	size    int64 // as declared, -1 if it was not
	tap     *framing.Tap
	in      *inbound
	control *http.ResponseController
	pace    pace

	until time.Time // the deadline that the connection has; zero before the first
	read  int64
	ended bool // io.EOF was seen
	dirty bool // bytes of another request came with the body
}

// drainLimit is how much of an unread body is read off before an error is
// answered, so that a client that sends first can read the answer.
const drainLimit = 256 << 10

// drainTime bounds how long that may take: the answer is waiting.
const drainTime = 2 * time.Second

func newRequestBody(r *http.Request, a *answer, c *conn, rate int64) *requestBody {
	b := &requestBody{src: r.Body, size: r.ContentLength, tap: c.tap, in: c.in, control: a.control, pace: pace{rate: rate}}
	b.ended = r.ContentLength == 0
	return b
}

// Read fails when the client sends too slowly.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	start := time.Now()
	b.arm(start)
	// Well before its end: net/http goes on to read, for the next request.
	b.in.bulk.Store(b.size-b.read > int64(len(inboundPiece{})))
	n, err := b.src.Read(p)
	b.read += int64(n)
	b.pace.step(n, start, time.Now())
	if errors.Is(err, io.EOF) {
		b.ended = true
		b.dirty = !b.tap.BodyEnded()
	}
	return n, err
}

// arm sets the deadlines of the connection, at most once a second: a timer for
// each record costs more than that precision is worth. The first read may write
// as well: 100 Continue. What is wrong with the connection, the read says.
func (b *requestBody) arm(now time.Time) {
	until := b.pace.deadline(now)
	if d := until.Sub(b.until); d >= 0 && d < time.Second {
		return
	}
	b.until = until
	_, _ = b.control.SetReadDeadline(until), b.control.SetWriteDeadline(until)
}

// Close leaves the body to net/http.
func (b *requestBody) Close() error { return b.src.Close() }

// settle is called before an answer to a request whose body may not have
// been read: it reports whether the connection can serve another request.
// expect is what the request expected: a client that waits for a 100 sends no
// body without one.
func (b *requestBody) settle(expect string) bool {
	if !b.ended && (b.read > 0 || expect == "") {
		b.pace.waited = max(b.pace.waited, paceWindow-drainTime)
		_, _ = io.CopyN(io.Discard, b, drainLimit) // what is wrong with it no longer matters
	}
	return b.ended && !b.dirty
}
