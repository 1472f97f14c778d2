// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sealgate/sealgate/certs"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	answerTimeout    = 5 * time.Minute
	idleUpstream     = 30 * time.Second // shorter than any gateway keeps a connection
	bufferSize       = 64 << 10         // of one direction of one connection
	maxIdle          = 64
)

// pool holds the connections to the gateway: one set for each generation of
// the agent's identity, so that no request begins on a connection that was
// opened with an older certificate.
type pool struct {
	source  certs.Source
	gateway certs.ID // zero: of the own trust domain
	host    string   // HOST:PORT

	mu         sync.Mutex
	generation uint64 // of transport
	transport  *http.Transport
}

func newPool(source certs.Source, gateway certs.ID, host string) *pool {
	return &pool{source: source, gateway: gateway, host: host}
}

// current gives the transport of the identity in force. The error wraps
// certs.ErrNoMaterial.
func (p *pool) current() (*http.Transport, error) {
	m, err := p.source.Current()
	if err != nil {
		return nil, err
	}
	expect := p.gateway
	if expect.IsZero() {
		if expect, err = m.ID.TrustDomain().Join("/gateway"); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.transport == nil || p.generation != m.Generation {
		p.replace(newTransport(p.source, expect), m.Generation)
	}
	return p.transport, nil
}

// renew drops the connections of t, if nobody did so before.
func (p *pool) renew(t *http.Transport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.transport == t {
		p.replace(nil, 0)
	}
}

func (p *pool) close() { p.renew(p.now()) }

func (p *pool) now() *http.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.transport
}

// replace is called with mu held. Connections of the old transport that are in
// use close when they fall idle: it gets no further requests.
func (p *pool) replace(t *http.Transport, generation uint64) {
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
	p.transport, p.generation = t, generation
}

// newTransport reads no proxy variable and asks for no compression: what it
// carries is what the client and the gateway said to each other.
func newTransport(source certs.Source, gateway certs.ID) *http.Transport {
	config := certs.ClientTLS(source, gateway)
	config.DynamicRecordSizingDisabled = true // bodies are large, and read whole
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: config}
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
			defer cancel()
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &upstream{Conn: c, failed: make(chan struct{})}, nil
		},
		DisableCompression: true, MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleUpstream,
		ResponseHeaderTimeout: answerTimeout,
		// The client is told to go on when the gateway said so, never by a timer.
		ExpectContinueTimeout: answerTimeout,
		ReadBufferSize:        bufferSize,
	}
}

// upstream is one connection to the gateway.
type upstream struct {
	net.Conn
	once   sync.Once
	err    error         // of reading, before failed is closed
	failed chan struct{} // closed when reading has failed
}

// Read keeps what reading failed with: with TLS 1.3 that is where the gateway
// says that it does not take our certificate.
func (u *upstream) Read(p []byte) (int, error) {
	n, err := u.Conn.Read(p)
	if err != nil {
		u.once.Do(func() { u.err = err; close(u.failed) })
	}
	return n, err
}

// alertPatience is how long a write that failed waits for the reason.
const alertPatience = time.Second

// why gives the gateway's own reason for a write that failed, if it gave one:
// a broken pipe tells nobody anything.
func (u *upstream) why(err error) error {
	t := time.NewTimer(alertPatience)
	defer t.Stop()
	select {
	case <-u.failed:
		if op, ok := errors.AsType[*net.OpError](u.err); ok && op.Op == "remote error" {
			return u.err
		}
	case <-t.C:
	}
	return err
}

func (u *upstream) Write(p []byte) (int, error) {
	n, err := u.Conn.Write(p)
	if err != nil {
		err = u.why(err)
	}
	return n, err
}

// ReadFrom carries a body: net/http hands it over here once the head is sent.
// What came is written before more is asked for.
func (u *upstream) ReadFrom(r io.Reader) (int64, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var sum int64
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			w, werr := u.Write((*buf)[:n])
			sum += int64(w)
			if werr != nil {
				return sum, werr
			}
		}
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
	}
}
