// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net"
	"sync"
	"sync/atomic"
)

// inbound reads what comes for a TLS connection in large pieces while a long
// body comes. crypto/tls reads one record at a time, and a system call for each
// is a fifth of what receiving costs. Memory is held only while bulk is set or
// something of a piece is left: a connection that rests holds none.
type inbound struct {
	net.Conn

	// bulk: more of a body is to come than a piece holds.
	bulk   atomic.Bool
	closed atomic.Bool

	// One goroutine reads at a time: crypto/tls sees to that.
	piece  *inboundPiece // nil while nothing is left
	lo, hi int           // what is left of it
}

type inboundPiece [256 << 10]byte

var inboundPieces = sync.Pool{New: func() any { return new(inboundPiece) }}

// Read gives what is left of a piece first.
func (i *inbound) Read(p []byte) (int, error) {
	if i.closed.Load() {
		return 0, net.ErrClosed // nothing of a connection that was cut is served any more
	}
	if i.lo == i.hi {
		if !i.bulk.Load() {
			return i.Conn.Read(p)
		}
		if err := i.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, i.piece[i.lo:i.hi])
	if i.lo += n; i.lo == i.hi {
		i.drop()
	}
	return n, nil
}

func (i *inbound) fill() error {
	i.piece = inboundPieces.Get().(*inboundPiece)
	n, err := i.Conn.Read(i.piece[:])
	if n == 0 {
		i.drop()
		return err
	}
	i.lo, i.hi = 0, n
	return nil // an error comes again
}

func (i *inbound) drop() {
	inboundPieces.Put(i.piece)
	i.piece, i.lo, i.hi = nil, 0, 0
}

// Close implements net.Conn.
func (i *inbound) Close() error {
	i.closed.Store(true)
	return i.Conn.Close()
}
