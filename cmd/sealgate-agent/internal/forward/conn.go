// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/gateway/s3api/framing"
)

// listener gives connections whose request heads are seen before net/http
// sees them, and bounds how many there are.
type listener struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[*conn]struct{} // guarded by mu
}

// Accept gives the next connection for which there is room.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.wrap(raw); l.admit(c) {
			return c, nil
		}
		_ = raw.Close() // over the limit; its client tries again
	}
}

// admit makes room, if it must, by closing a connection that has not shown
// that it has the keys: whoever has none cannot crowd out those who do.
func (l *listener) admit(c *conn) bool {
	victim, room := l.enter(c)
	if victim != nil {
		_ = victim.Close() // nothing was served on it
	}
	return room
}

func (l *listener) enter(c *conn) (victim *conn, room bool) {
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
func (l *listener) unproven() *conn {
	for c := range l.open {
		if !c.proven.Load() {
			return c
		}
	}
	return nil
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// wrap asks the kernel at once who is at the other end of a unix socket: the
// answer is of the moment of the connect.
func (l *listener) wrap(raw net.Conn) *conn {
	c := &conn{Conn: raw, tap: framing.NewTap(raw), owner: l}
	if u, ok := raw.(*net.UnixConn); ok {
		c.unix = true
		c.uid, c.uidErr = peerUID(u)
	}
	return c
}

// conn is a client's connection.
type conn struct {
	net.Conn
	tap    *framing.Tap
	unix   bool
	uid    uint32 // of the peer of a unix socket
	uidErr error
	owner  *listener
	proven atomic.Bool // a request on it was signed with the keys
}

// Close makes room for another.
func (c *conn) Close() error {
	c.owner.forget(c)
	return c.Conn.Close()
}

// Read goes through the tap.
func (c *conn) Read(p []byte) (int, error) { return c.tap.Read(p) }

// CloseWrite lets net/http say farewell before it closes on a client that is
// still sending, so that the client can read the answer.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// connKey carries the conn from net/http's ConnContext to the handler.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// peerUID asks the kernel who connected.
func peerUID(c *net.UnixConn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, fmt.Errorf("asking who is at the other end of the socket: %w", failed)
	}
	return cred.Uid, nil
}
