// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// slowest is the rate of a backend, in bytes per second, below which waiting
// for it counts as standing still. It keeps a transfer of one byte per second
// from holding a slot for ever, and is far below what any link really gives.
const slowest = 8 << 10

// errStalled ends a transfer whose backend is too slow.
var errStalled = fmt.Errorf("storage transfers less than %d bytes per second: %w", slowest, store.ErrUnavailable)

// pace watches one transfer. Every wait for the backend adds to its debt, every
// byte that moved takes some off; when the debt reaches the limit the transfer
// is cancelled. Waiting for the gateway's own client is not counted.
type pace struct {
	mu      sync.Mutex // guards all below
	cancel  context.CancelCauseFunc
	limit   time.Duration
	debt    time.Duration
	started time.Time
	timer   *time.Timer
}

func newPace(limit time.Duration, cancel context.CancelCauseFunc) *pace {
	p := &pace{cancel: cancel, limit: limit}
	p.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	p.timer.Stop()
	return p
}

// wait begins a wait for the backend.
func (p *pace) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = time.Now()
	p.timer.Reset(p.limit - p.debt)
}

// moved ends a wait in which n bytes went to or came from the backend.
func (p *pace) moved(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	if p.started.IsZero() {
		return
	}
	p.debt += time.Since(p.started) - time.Duration(n)*time.Second/slowest
	p.debt = max(0, p.debt)
	p.started = time.Time{}
}

// stop ends the watch.
func (p *pace) stop() { p.timer.Stop() }
