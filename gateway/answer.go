// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"time"
)

// answer is the ResponseWriter of one request: it remembers what was sent,
// for the record and the log, and holds the client to the least rate.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	pace    pace
	start   time.Time

	status int   // 0 until the header was written
	sent   int64 // body bytes handed to the connection
	first  time.Duration
	err    error // the first write that failed: the client's fault, not the store's
}

func newAnswer(w http.ResponseWriter, rate int64, start time.Time) *answer {
	return &answer{ResponseWriter: w, control: http.NewResponseController(w), pace: pace{rate: rate}, start: start}
}

// WriteHeader sends the status line once.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status, a.first = status, time.Since(a.start)
	a.arm(time.Now())
	a.ResponseWriter.WriteHeader(status)
}

// Write sends body bytes; it fails when the client takes them too slowly.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	for done := 0; ; {
		n, err := a.step(p[done:min(len(p), done+writeStep)])
		if done += n; err != nil || done == len(p) {
			return done, err
		}
	}
}

// writeStep is what a client at the least rate can take well within one
// window.
const writeStep = 256 << 10

func (a *answer) step(p []byte) (int, error) {
	start := time.Now()
	a.arm(start)
	n, err := a.ResponseWriter.Write(p)
	a.sent += int64(n)
	a.pace.step(n, start, time.Now())
	if a.err == nil {
		a.err = err
	}
	return n, err
}

// sendGathered sends an answer that was gathered, or as much of it as there is.
// What fails is noted as of any write: the client is gone.
func (a *answer) sendGathered(c *conn) {
	if a.status != 0 {
		_ = a.control.Flush() // what it writes is gathered: release says what came of it
	}
	if err := c.release(); a.err == nil {
		a.err = err
	}
}

func (a *answer) arm(now time.Time) {
	_ = a.control.SetWriteDeadline(a.pace.deadline(now)) // a connection that cannot is closed: the write says so
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
