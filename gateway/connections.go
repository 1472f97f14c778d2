// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api/framing"
	"github.com/sealgate/sealgate/gateway/session"
)

// Limits bound what one listener and one identity may hold. The zero value
// of a field means its default.
type Limits struct {
	// Connections is the most connections of the listener. Default 10,000.
	Connections int
	// PerIdentity is the most connections of one SPIFFE ID. Default 256.
	PerIdentity int
	// Requests is the most requests in flight of one SPIFFE ID. Default 512.
	Requests int
	// MinRate is the least progress of a transfer in bytes per second, in
	// windows of 30 s, in both directions. Default 16 KiB/s.
	MinRate int64
	// MaxOverrun is how long a transfer that began while the certificate was
	// valid may go on after it expired. Default 5 minutes.
	MaxOverrun time.Duration
}

// unauthenticated is the most connections whose handshake is not complete.
const unauthenticated = 512

func (l Limits) withDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 10_000
	}
	if l.PerIdentity == 0 {
		l.PerIdentity = 256
	}
	if l.Requests == 0 {
		l.Requests = 512
	}
	if l.MinRate == 0 {
		l.MinRate = 16 << 10
	}
	if l.MaxOverrun == 0 {
		l.MaxOverrun = 5 * time.Minute
	}
	return l
}

// connections is every connection of a listener: it accepts, counts, and
// cuts those whose identity was denied.
type connections struct {
	net.Listener
	tls      certs.ServerConfig
	config   *tls.Config
	limits   func() Limits // in force now
	sessions bool          // clients sign instead of showing a certificate
	// recheck says whether a session that a request runs on still holds.
	recheck    func(*session.Session, time.Time) error
	handshakes chan struct{} // slots, see turn

	mu       sync.Mutex         // guards all below
	open     map[*conn]certs.ID // zero ID: handshake not complete
	byID     map[certs.ID]int
	requests map[certs.ID]int
	pending  int
}

func newConnections(l net.Listener, c certs.ServerConfig, limits func() Limits, handshakes int) *connections {
	return &connections{
		Listener: l, tls: c, config: certs.ServerTLS(c), limits: limits,
		handshakes: make(chan struct{}, handshakes),
		open:       map[*conn]certs.ID{}, byID: map[certs.ID]int{}, requests: map[certs.ID]int{},
	}
}

// newSessionConnections is for clients that sign.
func newSessionConnections(l net.Listener, g *Gateway, handshakes int) *connections {
	cs := newConnections(l, g.config.TLS, g.inForce, handshakes)
	cs.sessions, cs.config = true, sessionTLS(g.config.SessionCertificate, g.config.TLS.Source)
	return cs
}

// sessionTLS is the TLS of the listener for session keys: nobody is asked for
// a certificate, and none that is offered means anything.
func sessionTLS(own func() (*tls.Certificate, error), svid certs.Source) *tls.Config {
	if own == nil {
		own = func() (*tls.Certificate, error) {
			m, err := svid.Current()
			if err != nil {
				return nil, err
			}
			return m.TLS(), nil
		}
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own() },
	}
}

// Accept gives the next connection within the limits. Those over them are
// closed without an answer: there is no identity yet that could be told.
func (cs *connections) Accept() (net.Conn, error) {
	for {
		raw, err := cs.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := cs.wrap(raw)
		if cs.admit(c) {
			return c, nil
		}
		_ = raw.Close() // over the limit: nothing to report it to
	}
}

func (cs *connections) wrap(raw net.Conn) *conn {
	in := &inbound{Conn: raw}
	cork := &cork{Conn: in}
	turn := &turn{Conn: cork, slots: cs.handshakes}
	t := tls.Server(turn, cs.config)
	return &conn{tls: t, turn: turn, in: in, cork: cork, tap: framing.NewTap(t), owner: cs}
}

func (cs *connections) admit(c *conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.open) >= cs.limits().Connections || cs.pending >= unauthenticated {
		return false
	}
	cs.open[c] = certs.ID{}
	cs.pending++
	return true
}

// authenticated counts a connection as that of the first identity that was
// proven on it.
func (cs *connections) authenticated(c *conn, id certs.ID) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if first, there := cs.open[c]; !there || !first.IsZero() {
		return
	}
	cs.pending--
	cs.open[c] = id
	cs.byID[id]++
	c.over = cs.byID[id] > cs.limits().PerIdentity
}

func (cs *connections) forget(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	id, there := cs.open[c]
	if !there {
		return
	}
	delete(cs.open, c)
	if id.IsZero() {
		cs.pending--
		return
	}
	release(cs.byID, id)
}

// refused reports handshakes that crypto/tls ended before the certificate was
// looked at; those that certs.Verify refused were reported there.
func (cs *connections) refused(err error, remote net.Addr) {
	if cs.tls.Rejected == nil || certs.ReasonOf(err) != "" {
		return
	}
	reason := certs.Reason("handshake_failed")
	if strings.Contains(err.Error(), "didn't provide a certificate") { // crypto/tls has no value for it
		reason = "no_certificate"
	}
	cs.tls.Rejected(reason, remote)
}

// enter counts a request of an identity; false when it has too many.
func (cs *connections) enter(id certs.ID) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.requests[id] >= cs.limits().Requests {
		return false
	}
	cs.requests[id]++
	return true
}

func (cs *connections) leave(id certs.ID) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	release(cs.requests, id)
}

func release(counts map[certs.ID]int, id certs.ID) {
	if counts[id]--; counts[id] <= 0 {
		delete(counts, id)
	}
}

// sweepEvery is how often certificates of open connections are looked at:
// wall-clock time, so that a machine that slept notices at once.
const sweepEvery = time.Second

// sweep aborts connections whose identity was denied, whose trust domain is
// gone, or whose certificate or session expired longer ago than MaxOverrun,
// until ctx ends. A running transfer dies with its connection.
func (cs *connections) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		changed := cs.tls.Denials.Changed()
		for _, c := range cs.authenticatedConns() {
			if why := cs.mustEnd(c, time.Now()); why != "" {
				c.abort(why)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

func (cs *connections) mustEnd(c *conn, now time.Time) string {
	if c.guard != nil {
		if why := cs.mustEndGuarded(c, now); why != "" {
			return why
		}
	}
	s := c.running.Load()
	if s == nil {
		return ""
	}
	err := cs.recheck(s, now)
	switch {
	case err == nil || errors.Is(err, certs.ErrNotReady):
		return ""
	case !errors.Is(err, session.ErrExpired):
		return audit.AbortRevoked
	case now.After(s.Expires.Add(cs.limits().MaxOverrun)):
		return audit.AbortSession
	}
	return ""
}

func (cs *connections) mustEndGuarded(c *conn, now time.Time) string {
	err := c.guard.Recheck(now)
	switch {
	case err == nil || errors.Is(err, certs.ErrNotReady): // nobody was revoked: new requests get 503
		return ""
	case !errors.Is(err, certs.ErrExpired):
		return audit.AbortRevoked
	case now.After(c.guard.Peer().NotAfter.Add(cs.limits().MaxOverrun)):
		return audit.AbortExpired
	}
	return ""
}

func (cs *connections) authenticatedConns() []*conn {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	all := make([]*conn, 0, len(cs.open))
	for c, id := range cs.open {
		if !id.IsZero() {
			all = append(all, c)
		}
	}
	return all
}

func (cs *connections) abortAll(why string) {
	cs.mu.Lock()
	all := make([]*conn, 0, len(cs.open))
	for c := range cs.open {
		all = append(all, c)
	}
	cs.mu.Unlock()
	for _, c := range all {
		c.abort(why)
	}
}
