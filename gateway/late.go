// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// How long an answer is waited for before the client is kept alive with white
// space, and how often then (S3.md, "Late answers"). Clients and what stands
// between give up after a minute of silence.
const (
	lateAfter = 10 * time.Second
	lateEvery = 10 * time.Second
)

// late runs work that may take long, while the client waits for its answer.
// Work that is done in time is answered like any other. After that the status
// line is 200, and what came of it stands in the body: x.isLate then says so.
//
// Work runs beside the request's own goroutine, which waits for it: it must
// not touch the answer, and the intents of what it does are durable before.
func (x *exchange) late(work func() error) error {
	type end struct {
		err      error
		panicked any
	}
	done := make(chan end, 1)
	go func() {
		var e end
		defer func() {
			e.panicked = recover()
			done <- e
		}()
		e.err = work()
	}()
	wait := time.NewTimer(x.g.lateAfter)
	defer wait.Stop()
	for {
		select {
		case e := <-done:
			if e.panicked != nil {
				panic(e.panicked) // ends this request as one in its own goroutine does
			}
			return e.err
		case <-wait.C:
			x.keepAlive()
			wait.Reset(lateEvery)
		}
	}
}

// keepAlive begins a late answer, or goes on with one. A client that is gone
// ends the work through the request's context.
func (x *exchange) keepAlive() {
	if !x.isLate {
		x.isLate = true
		_ = s3api.StartLate(x.w) // as above
		return
	}
	_ = s3api.KeepAlive(x.w)
}
