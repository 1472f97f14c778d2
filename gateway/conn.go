// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/s3api/framing"
	"github.com/sealgate/sealgate/gateway/session"
)

// conn is one client connection: TLS, the tap on its request heads, and the
// guard that re-checks its certificate before each request. net/http sees a
// plain connection: what it would make of TLS is decided here, once.
type conn struct {
	tls   *tls.Conn
	turn  *turn // what tls reads from
	in    *inbound
	cork  *cork // what tls writes to
	small gather
	tap   *framing.Tap
	owner *connections

	once   sync.Once
	failed error
	guard  *certs.Guard // set by the handshake, before any request; nil where clients sign
	over   bool         // this identity has too many connections

	// cut holds the reason why the gateway closed this connection in the
	// middle of something, nil while it did not.
	cut atomic.Pointer[string]
	// running is the session of the request that is being served, nil without.
	running atomic.Pointer[session.Session]
}

func (c *conn) handshake() error {
	c.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
		defer cancel()
		c.turn.begin(ctx)
		defer c.turn.end()
		if c.failed = c.tls.HandshakeContext(ctx); c.failed != nil {
			c.owner.refused(c.failed, c.tls.RemoteAddr())
			return
		}
		if c.owner.sessions {
			return // who it is, each request says
		}
		c.guard, c.failed = certs.NewGuard(c.owner.tls, c.tls.ConnectionState())
		if c.failed == nil {
			c.owner.authenticated(c, c.guard.Peer().ID)
		}
	})
	return c.failed
}

// Read completes the handshake first; later reads go through the tap.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.handshake(); err != nil {
		return 0, err
	}
	return c.tap.Read(p)
}

// Write refuses where the handshake failed: net/http answers 400 to what it
// could not read, and crypto/tls would begin another handshake for that.
func (c *conn) Write(p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	if c.small.take(p) {
		return len(p), nil
	}
	if err := c.pushSmall(); err != nil {
		return 0, err
	}
	if len(p) <= oneRecord {
		return c.tls.Write(p)
	}
	c.cork.hold()
	n, err := c.tls.Write(p)
	if ferr := c.cork.flush(); err == nil {
		err = ferr // n still counts what may have gone out: never less than the peer got
	}
	return n, err
}

// CloseWrite lets net/http say farewell before it closes on a client that is
// still sending, so that the client can read the answer.
func (c *conn) CloseWrite() error { return c.tls.CloseWrite() }

// Close ends the connection and frees its place in the limits.
func (c *conn) Close() error {
	c.owner.forget(c)
	return c.tls.Close()
}

// abort closes at once, without the TLS farewell that a peer could take for
// a clean end, and keeps why.
func (c *conn) abort(why string) {
	c.cut.CompareAndSwap(nil, &why)
	c.owner.forget(c)
	_ = c.tls.NetConn().Close() // the peer must see an error, whatever this one says
}

func (c *conn) LocalAddr() net.Addr                { return c.tls.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr               { return c.tls.RemoteAddr() }
func (c *conn) SetDeadline(t time.Time) error      { return c.tls.SetDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.tls.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.tls.SetWriteDeadline(t) }

// connKey carries the conn from net/http's ConnContext to the handler. The
// identity itself never travels in a context: it is asked of the conn.
type connKey struct{}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
