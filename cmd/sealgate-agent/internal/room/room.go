// SPDX-License-Identifier: Apache-2.0

// Package room bounds how many connections a door of the agent has open, so
// that whoever has none of its secrets cannot crowd out those who do
// (AGENT.md, "Forwarder" and "Container credentials").
package room

import (
	"net"
	"sync"
	"sync/atomic"
)

// Listener gives at most so many connections at once.
type Listener struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[*Conn]struct{} // guarded by mu
}

// New bounds l to most connections.
func New(l net.Listener, most int) *Listener {
	return &Listener{Listener: l, most: most, open: map[*Conn]struct{}{}}
}

// Accept gives the next connection for which there is room: always a *Conn.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := (&Conn{Conn: raw, owner: l}); l.admit(c) {
			return c, nil
		}
		_ = raw.Close() // over the limit; its client tries again
	}
}

// admit makes room, if it must, by closing a connection that has proven
// nothing yet.
func (l *Listener) admit(c *Conn) bool {
	victim, ok := l.enter(c)
	if victim != nil {
		_ = victim.Close() // nothing was served on it
	}
	return ok
}

func (l *Listener) enter(c *Conn) (victim *Conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.most {
		if victim = l.unproven(); victim == nil {
			return nil, false
		}
		delete(l.open, victim)
	}
	l.open[c] = struct{}{}
	return victim, true
}

// unproven is called with mu held.
func (l *Listener) unproven() *Conn {
	for c := range l.open {
		if !c.proven.Load() {
			return c
		}
	}
	return nil
}

func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// Conn is a client's connection.
type Conn struct {
	net.Conn
	owner  *Listener
	proven atomic.Bool
}

// Prove says that a request on it has shown the door's secret: it makes room
// for nobody any more.
func (c *Conn) Prove() { c.proven.Store(true) }

// Close makes room for another.
func (c *Conn) Close() error {
	c.owner.forget(c)
	return c.Conn.Close()
}

// CloseWrite lets net/http say farewell before it closes on a client that is
// still sending, so that the client can read the answer.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}
