// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	maxMessage        = 64 << 10 // bytes that a caller may send at once
	maxHeaders        = 8 << 10  // bytes
	streamsInConn     = 32
	handshakeTimeout  = 5 * time.Second
	idleTimeout       = 10 * time.Minute
	leastPingInterval = 5 * time.Second // clients may ask this often whether we live

	// longestSleep is how long a loop waits at most before it looks at the clock: a
	// machine that was suspended, or whose clock was set, is noticed by then.
	longestSleep = 30 * time.Second
	retryAfter   = 5 * time.Second // after a failed Step
)

// securityHeader must be "true" in every call (SPIFFE Workload Endpoint §5): a
// browser or a request forger cannot set it.
const securityHeader = "workload.spiffe.io"

// Serve answers the Workload API on ln, a listener of a unix socket, and rotates
// keys and the gateway's own SVID, until ctx ends. It closes ln. All streams have
// ended when it returns; the error is nil after ctx has ended.
func (a *Authority) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := a.server()
	workload.RegisterSpiffeWorkloadAPIServer(srv, &service{a: a, stop: ctx.Done()})
	var g errgroup.Group
	g.Go(func() error {
		defer cancel()
		return srv.Serve(listener{ln})
	})
	g.Go(func() error {
		a.maintain(ctx)
		srv.Stop()
		return nil
	})
	if err := g.Wait(); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serving the workload API: %w", err)
	}
	return nil
}

// maintain calls Step whenever it has something to do, until ctx ends.
func (a *Authority) maintain(ctx context.Context) {
	for {
		next, err := a.Step(ctx)
		wait := max(0, min(next.Sub(a.cfg.Now()), longestSleep))
		if err != nil {
			wait = retryAfter
			if ctx.Err() == nil {
				a.cfg.Fault(err)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// server sets every limit there is: who reaches the socket may be any user of the
// machine.
func (a *Authority) server() *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(attestor{host: a.host, gate: a.gate}),
		grpc.MaxConcurrentStreams(streamsInConn),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPingInterval, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(a.unary),
		grpc.StreamInterceptor(a.stream),
	)
}

func (a *Authority) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	end, err := a.admit(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	defer a.survive(info.FullMethod, &err)
	return next(ctx, req)
}

func (a *Authority) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	end, err := a.admit(ss.Context())
	if err != nil {
		return err
	}
	defer end()
	defer a.survive(info.FullMethod, &err)
	return next(srv, ss)
}

// survive ends one call when it panics, not the gateway.
func (a *Authority) survive(method string, err *error) {
	if p := recover(); p != nil {
		// The value is left out: nobody knows what is in it.
		a.cfg.Fault(fmt.Errorf("answering %s: panic of type %T", method, p))
		*err = status.Error(codes.Internal, "internal error")
	}
}

// admit lets a call through to its handler, or says why not. What comes first is
// cheapest: a flood of calls without the header is held back by the rate too.
func (a *Authority) admit(ctx context.Context) (end func(), err error) {
	c := callerOf(ctx)
	if c == nil || a.host.nobody(c.uid) {
		return nil, status.Error(codes.PermissionDenied, "this user is never served")
	}
	end, ok := a.gate.begin(c.uid)
	if !ok {
		return nil, status.Error(codes.ResourceExhausted, "too many calls or streams of this user")
	}
	if !hasSecurityHeader(ctx) {
		end()
		return nil, status.Errorf(codes.InvalidArgument, "security header missing from request: %s: true", securityHeader)
	}
	return end, nil
}

// hasSecurityHeader: once, and spelled so; a client that is unsure is not one.
func hasSecurityHeader(ctx context.Context) bool {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get(securityHeader)
	return len(values) == 1 && values[0] == "true"
}
