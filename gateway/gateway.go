// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
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

// Serve answers on l until ctx ends, then lets running requests finish for at
// most drain and cuts what is left. It returns once every request has ended,
// its record included; nil after such an end.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	cs := newConnections(l, g.config.TLS, func() Limits { return *g.limits.Load() }, 2*runtime.NumCPU())
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

// principals caches the compiled rights of identities under one policy.
type principals struct {
	mu sync.Mutex
	m  map[certs.ID]*policy.Principal
}

// maxPrincipals bounds the cache, which begins anew when it is full.
const maxPrincipals = 10_000

func (s *Snapshot) principal(id certs.ID) *policy.Principal {
	s.principals.mu.Lock()
	defer s.principals.mu.Unlock()
	if p, ok := s.principals.m[id]; ok {
		return p
	}
	p := s.Policy.Principal(id)
	if s.principals.m == nil || len(s.principals.m) >= maxPrincipals {
		s.principals.m = map[certs.ID]*policy.Principal{}
	}
	s.principals.m[id] = p
	return p
}
