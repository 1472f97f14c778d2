// SPDX-License-Identifier: Apache-2.0

package gateway

import "sync"

// gather collects what net/http writes of one small answer. Header and body
// would be two records and two system calls, here and at the client; for objects
// of a few KiB that is a good part of the whole.
//
// Only the goroutine that serves the request uses it.
type gather struct {
	on   bool
	held int
	buf  *gathered // nil while nothing is held
}

// smallAnswer is the longest body of an answer that is gathered, in bytes: with
// its header it fits into one record.
const smallAnswer = oneRecord - 4<<10

type gathered [oneRecord]byte

var gatherings = sync.Pool{New: func() any { return new(gathered) }}

// take keeps p back, or reports that there is no room, or no wish, to.
func (g *gather) take(p []byte) bool {
	if !g.on || g.held+len(p) > oneRecord {
		return false
	}
	if g.buf == nil {
		g.buf = gatherings.Get().(*gathered)
	}
	g.held += copy(g.buf[g.held:], p)
	return true
}

// drop gives back the memory once what was held is written.
func (g *gather) drop() {
	if g.buf != nil {
		gatherings.Put(g.buf)
	}
	g.buf, g.held = nil, 0
}

// gather keeps back what is written until release, or until it is no small
// answer.
func (c *conn) gather() { c.small.on = true }

// release writes what was kept back, and later writes go out at once.
func (c *conn) release() error {
	c.small.on = false
	return c.pushSmall()
}

func (c *conn) pushSmall() error {
	if c.small.held == 0 {
		return nil
	}
	defer c.small.drop()
	_, err := c.tls.Write(c.small.buf[:c.small.held])
	return err
}
