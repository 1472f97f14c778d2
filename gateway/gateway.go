// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// Config is what a Gateway is made of. All fields but Log are required.
type Config struct {
	// TLS verifies client certificates and presents the gateway's own.
	TLS certs.ServerConfig
	// Limits bound connections, requests and slow peers, until Limit changes
	// them.
	Limits Limits
	// Audit records each request before it has an effect.
	Audit audit.Recorder
	// Metrics counts.
	Metrics *Metrics
	// State keeps what is known of multipart uploads. Nil: there are none, and
	// what needs it is answered 501.
	State *state.DB
	// AbandonAfter is how long an upload may rest before it is given up. Zero
	// means DefaultAbandonAfter.
	AbandonAfter time.Duration
	// Self is the gateway's own SPIFFE ID, for what it does by itself.
	Self string
	// Buckets makes and removes buckets on demand. Nil means that the buckets
	// of the snapshot are all there are.
	Buckets Buckets
	// Domain is that of virtual-host addressing on the mTLS listener: BUCKET.Domain.
	// "" is path style only.
	Domain string
	// SessionDomain is likewise that of the listener for session keys.
	SessionDomain string
	// SessionCertificate is what the listener for session keys presents. Nil
	// means the gateway's own SVID.
	SessionCertificate func() (*tls.Certificate, error)
	// Deployment is bound into every session.
	Deployment envelope.ID
	// Log takes one line a request. Nil means slog.Default.
	Log *slog.Logger
}

// Snapshot is everything a request is decided on. It is loaded once per
// request and replaced whole, so no request sees two policies.
type Snapshot struct {
	// Policy decides. Nil refuses every request.
	Policy *policy.Policy
	// Keys opens and seals. Nil answers 503.
	Keys *rotation.Set
	// Buckets maps logical names to stores.
	Buckets map[string]Bucket
	// STS says how sessions are made. Nil: session keys are off.
	STS *STS

	principals principals
}

// Bucket is one logical bucket.
type Bucket struct {
	// Store holds the ciphertext.
	Store store.Store
	// Conditional says that the store honours conditions on writes; without
	// it, requests that need them are refused.
	Conditional bool
	// Created is what listings of buckets show.
	Created time.Time
}

// Gateway serves S3 to identified clients. Its methods may be called
// concurrently.
type Gateway struct {
	config Config
	snap   atomic.Pointer[Snapshot]
	limits atomic.Pointer[Limits]
	pins   pins

	manifests manifests

	lateAfter time.Duration // as the constant; tests have less patience
}

// New makes a gateway that refuses everything until Use was called.
func New(c Config) *Gateway {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.AbandonAfter <= 0 {
		c.AbandonAfter = DefaultAbandonAfter
	}
	g := &Gateway{config: c, lateAfter: lateAfter}
	g.snap.Store(&Snapshot{})
	g.Limit(c.Limits)
	return g
}

// Limit replaces the limits; what is open already stays.
func (g *Gateway) Limit(l Limits) {
	l = l.withDefaults()
	g.limits.Store(&l)
}

// Use replaces the snapshot that new requests are decided on.
func (g *Gateway) Use(s *Snapshot) { g.snap.Store(s) }

// Current gives the snapshot in force.
func (g *Gateway) Current() *Snapshot { return g.snap.Load() }

// Serve answers S3 over mutual TLS on l until ctx ends, then lets running requests finish for at
// most drain and cuts what is left. It returns once every request has ended,
// its record included; nil after such an end.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	return g.serveOn(ctx, newConnections(l, g.config.TLS, g.inForce, 2*runtime.NumCPU()), drain)
}

// ServeSessions answers clients that sign with session keys, over TLS that
// asks for no certificate; else it is like Serve.
func (g *Gateway) ServeSessions(ctx context.Context, l net.Listener, drain time.Duration) error {
	return g.serveOn(ctx, newSessionConnections(l, g, 2*runtime.NumCPU()), drain)
}

func (g *Gateway) inForce() Limits { return *g.limits.Load() }

func (g *Gateway) serveOn(ctx context.Context, cs *connections, drain time.Duration) error {
	cs.recheck = g.recheckSession
	srv := g.server()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A denial cuts while requests drain, too: the sweep ends last.
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { cs.sweep(sweeping) })
	wg.Go(func() {
		defer stop()
		<-ctx.Done()
		if shutdown(srv, drain) != nil {
			cs.abortAll(audit.AbortShutdown)
			_ = shutdown(srv, outcomeTimeout) // what still hangs has no connection and no answer left
		}
	})
	err := srv.Serve(cs)
	cancel()
	wg.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving s3: %w", err)
	}
	return nil
}

func (g *Gateway) server() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(g.serve),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    32 << 10,
		// "OPTIONS *" would be answered by net/http itself, without a record.
		DisableGeneralOptionsHandler: true,

		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:    slog.NewLogLogger(g.config.Log.Handler(), slog.LevelDebug), // broken peers are no news
	}
}

// shutdown waits at most so long for running requests; an error means that
// some have not ended.
func shutdown(srv *http.Server, wait time.Duration) error {
	ctx, stop := context.WithTimeout(context.Background(), wait)
	defer stop()
	return srv.Shutdown(ctx)
}

// principals caches the compiled rights of identities and sessions under one
// policy. Sessions that were narrowed have a cache of their own: whoever makes
// ever new ones takes nothing from others.
type principals struct {
	mu       sync.Mutex
	whole    map[certs.ID]*policy.Principal
	narrowed map[rights]*policy.Principal
}

// rights is whose they are, and how they were narrowed.
type rights struct {
	id           certs.ID
	role, scopes string
}

// maxPrincipals and maxNarrowed bound the caches. One that is full begins
// anew.
const (
	maxPrincipals = 10_000
	maxNarrowed   = 1_000
)

func (s *Snapshot) principal(id certs.ID) *policy.Principal {
	return cached(&s.principals.mu, &s.principals.whole, maxPrincipals, id, func() *policy.Principal {
		return s.Policy.Session(id, policy.Narrowing{})
	})
}

// narrowed is the principal of a session.
func (s *Snapshot) narrowed(id certs.ID, n policy.Narrowing) *policy.Principal {
	if n.IsZero() {
		return s.principal(id)
	}
	key := rights{id: id, role: n.Role}
	if n.Scopes != nil {
		key.scopes = fmt.Sprint(n.Scopes)
	}
	return cached(&s.principals.mu, &s.principals.narrowed, maxNarrowed, key, func() *policy.Principal { return s.Policy.Session(id, n) })
}

// cached compiles outside the lock: nobody waits for the rights of others. Who
// compiles what another one just did takes the first.
func cached[K comparable](mu *sync.Mutex, in *map[K]*policy.Principal, most int, key K, compile func() *policy.Principal) *policy.Principal {
	mu.Lock()
	p, ok := (*in)[key]
	mu.Unlock()
	if ok {
		return p
	}
	p = compile()
	mu.Lock()
	defer mu.Unlock()
	if first, ok := (*in)[key]; ok {
		return first
	}
	if *in == nil || len(*in) >= most {
		*in = map[K]*policy.Principal{}
	}
	(*in)[key] = p
	return p
}
