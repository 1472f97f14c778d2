// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net"
	"sync"
)

// cork writes the records of a TLS connection in large pieces. crypto/tls
// writes one record of 16 KiB at a time, and a system call for each is a tenth
// of what the gateway does for a large read. It holds memory only while
// something is held back.
type cork struct {
	net.Conn

	mu   sync.Mutex // guards all below, and the order of writes
	in   bool       // hold back
	out  *piece     // nil while nothing is held back
	held int        // bytes of out
	err  error      // sticky: bytes that crypto/tls believes written are lost
}

// pieceSize is room for a writeStep in full records: 5 bytes of header, 17 of
// type and tag each.
const pieceSize = writeStep + writeStep/oneRecord*(5+17)

// oneRecord is what crypto/tls puts into one record at most.
const oneRecord = 16 << 10

type piece [pieceSize]byte

var pieces = sync.Pool{New: func() any { return new(piece) }}

// hold keeps back what is written until flush, or until a piece is full.
func (c *cork) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = true
}

// Write writes, or holds back.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held+len(p) > pieceSize {
		c.push()
	}
	switch {
	case c.err != nil:
		return 0, c.err
	case !c.in || len(p) > pieceSize:
		return c.Conn.Write(p)
	case c.out == nil:
		c.out = pieces.Get().(*piece)
	}
	c.held += copy(c.out[c.held:], p)
	return len(p), nil
}

// flush writes what was held back, and later writes go out at once. What an
// error leaves unwritten no later write can make good: it stays.
func (c *cork) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
	c.push()
	return c.err
}

// push writes what was held back. The caller holds mu.
func (c *cork) push() {
	if c.out == nil {
		return
	}
	if c.err == nil {
		_, c.err = c.Conn.Write(c.out[:c.held])
	}
	pieces.Put(c.out)
	c.out, c.held = nil, 0
}
