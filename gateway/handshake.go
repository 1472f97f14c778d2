// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net"
	"time"
)

// handshakeTimeout bounds a TLS handshake, from the moment the connection was
// accepted.
const handshakeTimeout = 5 * time.Second

// errNoSlot ends a handshake that waited too long for its turn.
var errNoSlot = errors.New("waiting for a handshake slot: too many handshakes at once")

// turn is a connection whose handshake takes turns with others: it holds one
// of few slots while it computes, and none while it waits for its peer. So a
// crowd of handshakes cannot take the CPU from requests, and peers that stall
// cannot keep others out.
type turn struct {
	net.Conn
	slots chan struct{}

	ctx   context.Context // of the handshake; nil before and after it
	holds bool
}

// begin and end frame the handshake. They and the reads between them are made
// by one goroutine.
func (t *turn) begin(ctx context.Context) { t.ctx = ctx }

func (t *turn) end() {
	t.release()
	t.ctx = nil
}

func (t *turn) release() {
	if t.holds {
		<-t.slots
		t.holds = false
	}
}

// Read waits for the peer without a slot, and for a slot before what came is
// worked on.
func (t *turn) Read(p []byte) (int, error) {
	if t.ctx == nil {
		return t.Conn.Read(p)
	}
	t.release()
	n, err := t.Conn.Read(p)
	if err != nil {
		return n, err
	}
	select {
	case t.slots <- struct{}{}:
		t.holds = true
		return n, nil
	case <-t.ctx.Done():
		return 0, errNoSlot
	}
}
