// SPDX-License-Identifier: Apache-2.0

// Package forward is the agent's door for S3 clients: it takes plain HTTP from
// programs of this machine that sign with the agent's own keys, and passes it
// on to the gateway over mTLS, streaming (AGENT.md, "Forwarder").
//
// Nothing is decided here about objects: the gateway does that, for the
// agent's identity. What is decided here is who may use that identity.
package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/room"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// AccessKeyPrefix begins every access key of an agent. Such a key means
// nothing to any other server.
const AccessKeyPrefix = "SGAG"

// NewKeys makes the key pair of one start: 200 bits of secret.
func NewKeys() s3api.Credentials {
	return s3api.Credentials{
		AccessKey: AccessKeyPrefix + rand.Text()[:16],
		Secret:    s3api.Secret((rand.Text() + rand.Text())[:40]), // base32: 5 bits a character
	}
}

// Config shapes a forwarder.
type Config struct {
	// Source is who the agent is. Required.
	Source certs.Source
	// Gateway is the address of the gateway's mTLS listener, https://HOST:PORT. Required.
	Gateway string
	// GatewayID is whom the gateway must prove to be. Zero: /gateway of the
	// agent's own trust domain.
	GatewayID certs.ID
	// Keys are what clients sign with. Required.
	Keys s3api.Credentials
	// Domain is a further domain of virtual-host addressing, in lower case.
	// "": localhost alone.
	Domain string
	// UID may use a unix socket. It means nothing for TCP.
	UID uint32
	// Connections is how many clients may have open at once. Required.
	Connections int
	// Log gets one line for each refusal. Required.
	Log *slog.Logger
	// Refused, if not nil, is told of each refusal. It must not block.
	Refused func(Refusal)
}

// Refusal is a request that was not served: by the forwarder or, with the
// gateway's request id, by the gateway.
type Refusal struct {
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Path      string    `json:"path"` // as it was sent, without the query
	Status    int       `json:"status"`
	Code      string    `json:"code,omitempty"` // of S3; "" when the gateway's body holds it
	Reason    string    `json:"reason"`
	Message   string    `json:"message,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
}

// Forwarder serves one listener. Its methods may be called by many goroutines.
type Forwarder struct {
	conf  Config
	hosts hosts
	pool  *pool
	pins  pins

	served, refused atomic.Int64
}

// New checks c and gives a forwarder for l, which must not be reachable from
// other machines.
func New(c Config, l net.Listener) (*Forwarder, error) {
	u, err := url.Parse(c.Gateway)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is not the address of a gateway; write https://HOST:PORT", c.Gateway)
	}
	h, err := newHosts(l.Addr(), c.Domain)
	if err != nil {
		return nil, err
	}
	return &Forwarder{conf: c, hosts: h, pool: newPool(c.Source, c.GatewayID, u.Host)}, nil
}

// Served counts the requests that were passed on, refused those that were not.
func (f *Forwarder) Served() (served, refused int64) { return f.served.Load(), f.refused.Load() }

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10 // as the gateway takes them
)

// Serve takes connections of l until ctx ends; then running requests have
// drain to end. It returns nil after ctx ended.
func (f *Forwarder) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler: http.HandlerFunc(f.serve), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		Protocols: protocols, DisableGeneralOptionsHandler: true, ConnContext: withConn,
		ErrorLog: slog.NewLogLogger(f.conf.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener{room.New(l, f.conf.Connections)}) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	defer f.pool.close()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		_ = s.Close() // what did not end in time is cut: its client sees that
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serve is the one way in for every request.
func (f *Forwarder) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{f: f, w: w, r: r, c: connOf(r.Context()), control: http.NewResponseController(w)}
	x.body = newBody(r, x.c.tap)
	if ref := x.admit(); ref != nil {
		x.refuse(ref)
		return
	}
	f.served.Add(1)
	x.forward()
}
