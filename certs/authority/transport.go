// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

var (
	errNotUnix   = errors.New("the Workload API answers on unix sockets only: nowhere else does the kernel say who is calling")
	errTooMany   = errors.New("too many connections")
	errNoClients = errors.New("these credentials are a server's")
)

// attestor finds out who is calling before gRPC reads a byte from it. It takes the
// place of TLS: the unix socket needs none, and what is known of the caller stays
// bound to its connection.
type attestor struct {
	host *host
	gate *gate
}

var _ credentials.TransportCredentials = attestor{}

// attested is the [credentials.AuthInfo] of a connection.
type attested struct {
	credentials.CommonAuthInfo
	caller *caller
}

// AuthType names the way of attestation.
func (attested) AuthType() string { return "unix-peer" }

// ServerHandshake attests the caller of one connection.
func (at attestor) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	cc, ok := conn.(*callerConn)
	if !ok {
		return nil, nil, errNotUnix
	}
	c, err := at.host.peerOf(cc.UnixConn)
	if err != nil {
		return nil, nil, err
	}
	release, ok := at.gate.connect(c.uid)
	if !ok {
		c.close()
		return nil, nil, errTooMany
	}
	cc.atEnd(func() { c.close(); release() })
	return cc, attested{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, c}, nil
}

// listener hands out connections that know their caller, from the first moment on:
// whichever way gRPC ends one, its caller is let go.
type listener struct{ net.Listener }

// Accept waits for the next connection of a unix socket.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close() // the error that led here is the one to tell
		return nil, errNotUnix
	}
	return &callerConn{UnixConn: unixConn}, nil
}

// callerConn lets go of its caller when it is closed.
type callerConn struct {
	*net.UnixConn

	mu     sync.Mutex
	closed bool   // guarded by mu
	end    func() // guarded by mu; nil before the caller is known
}

// atEnd has f called when the connection is closed, at once if it is.
func (c *callerConn) atEnd(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		f()
		return
	}
	c.end = f
}

// Close ends the connection. It may be called more than once.
func (c *callerConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.end != nil {
		c.end()
		c.end = nil
	}
	return c.UnixConn.Close()
}

// ClientHandshake is refused: this is a server's side.
func (attestor) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errNoClients
}

// Info describes the protocol.
func (attestor) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "unix-peer"}
}

// Clone returns at: it has no state of its own.
func (at attestor) Clone() credentials.TransportCredentials { return at }

// OverrideServerName is refused: there are no names here.
func (attestor) OverrideServerName(string) error { return errNoClients }

// callerOf returns who is calling; nil only if the connection did not come through
// the attestor.
func callerOf(ctx context.Context) *caller {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(attested)
	if !ok {
		return nil
	}
	return info.caller
}
