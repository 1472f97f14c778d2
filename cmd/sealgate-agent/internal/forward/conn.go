// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/gateway/s3api/framing"
)

// listener gives connections whose request heads are seen before net/http
// sees them.
type listener struct{ net.Listener }

// Accept asks the kernel at once who is at the other end of a unix socket: the
// answer is of the moment of the connect.
func (l listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, tap: framing.NewTap(raw)}
	if u, ok := raw.(*net.UnixConn); ok {
		c.unix = true
		c.uid, c.uidErr = peerUID(u)
	}
	return c, nil
}

// conn is a client's connection.
type conn struct {
	net.Conn
	tap    *framing.Tap
	unix   bool
	uid    uint32 // of the peer of a unix socket
	uidErr error
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
