// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/room"
	"github.com/sealgate/sealgate/gateway/s3api/framing"
)

// listener gives connections whose request heads are seen before net/http
// sees them.
type listener struct{ *room.Listener }

// Accept gives the next connection for which there is room.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return wrap(c.(*room.Conn)), nil
}

// wrap asks the kernel at once who is at the other end of a unix socket: the
// answer is of the moment of the connect.
func wrap(raw *room.Conn) *conn {
	c := &conn{Conn: raw, tap: framing.NewTap(raw)}
	if u, ok := raw.Conn.(*net.UnixConn); ok {
		c.unix = true
		c.uid, c.uidErr = peerUID(u)
	}
	return c
}

// conn is a client's connection.
type conn struct {
	*room.Conn
	tap    *framing.Tap
	unix   bool
	uid    uint32 // of the peer of a unix socket
	uidErr error
}

// Read goes through the tap.
func (c *conn) Read(p []byte) (int, error) { return c.tap.Read(p) }

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
