// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/policy"
)

// maxSocketPath is the longest path of a unix socket on Linux.
const maxSocketPath = 107

// bind takes the addresses before anything is made: a start that fails for a
// port leaves nothing behind. Who connects waits until the gateway serves.
func (s *system) bind(context.Context) (err error) {
	if s.s3, err = s.bindTCP("s3_mtls", s.cfg.Listeners.S3.Address); err != nil {
		return err
	}
	if l := s.cfg.Listeners.Session; l.Enabled {
		if s.sessions, err = s.bindTCP("s3_session_keys", l.Address); err != nil {
			return err
		}
	}
	if s.metricsListener, err = s.bindTCP("metrics", s.cfg.Listeners.Metrics.Address); err != nil {
		return err
	}
	if address := s.cfg.Listeners.Control.Address; address != "" {
		s.controlListener, err = s.bindTCP("control", address)
	}
	return err
}

func (s *system) bindTCP(name, address string) (net.Listener, error) {
	l, err := listenTCP(name, address)
	if err != nil {
		return nil, err
	}
	s.onClose(func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // whoever served on it closed it
			return err
		}
		return nil
	})
	return l, nil
}

// listen begins to serve, S3 last: what it stands on is up by then.
func (s *system) listen(ctx context.Context) error {
	if err := s.serveControl(ctx); err != nil {
		return err
	}
	s.metrics.MustRegister(gauges{s})
	h := &gateway.Health{Gatherer: s.metrics, Checks: s.checks(), Log: s.log}
	s.run(func() error { return h.Serve(ctx, s.metricsListener) })
	drain := s.cfg.Limits.Drain
	s.run(func() error { return s.gateway.Serve(ctx, s.s3, drain) })
	if s.sessions != nil {
		s.run(func() error { return s.gateway.ServeSessions(ctx, s.sessions, drain) })
	}
	s.run(func() error { return s.watchPolicy(ctx) })
	return nil
}

func listenTCP(name, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		owner := ""
		if pid, what := cli.PortOwner(address); pid != 0 {
			owner = fmt.Sprintf(" by pid %d (%s)", pid, what)
		}
		return nil, fail(exitFailed, fmt.Errorf("listening for %s on %s: address in use%s", name, address, owner), "stop it or set listeners."+name+".address")
	}
	return nil, fail(exitFailed, fmt.Errorf("listening for %s on %s: %w", name, address, rootCause(err)), "set listeners."+name+".address")
}

// checks are the dependencies that /readyz names.
func (s *system) checks() []gateway.Check {
	return []gateway.Check{
		{Name: "audit", Ask: func(context.Context) error {
			if st := s.audit.State(); st.Health != audit.Healthy {
				return errors.New(st.Why)
			}
			return nil
		}},
		{Name: "identity", Ask: func(context.Context) error { _, err := s.identity.Current(); return err }},
		{Name: "policy", Ask: func(context.Context) error {
			if s.gateway.Current().Policy == nil {
				return errors.New("none yet")
			}
			return nil
		}},
		{Name: "keys", Ask: func(context.Context) error {
			if s.gateway.Current().Keys == nil {
				return errors.New("not unwrapped yet")
			}
			return nil
		}},
		{Name: "state", Ask: func(ctx context.Context) error { _, err := s.db.Epoch(ctx); return err }},
	}
}

// serveControl serves administration on the socket, and over TCP where that is
// configured.
func (s *system) serveControl(ctx context.Context) error {
	srv := control.New(control.Config{
		Backend: &backend{s}, Policy: func() *policy.Policy { return s.gateway.Current().Policy }, Audit: s.audit, TLS: s.tls, Log: s.log,
	})
	l, err := listenUnix(s.cfg.ControlSocket())
	if err != nil {
		return err
	}
	s.run(func() error { return srv.Serve(ctx, l) })
	if t := s.controlListener; t != nil {
		s.run(func() error { return srv.Serve(ctx, tls.NewListener(t, certs.ServerTLS(s.tls))) })
	}
	return nil
}

func checkSocket(path string) error {
	if len(path) <= maxSocketPath {
		return nil
	}
	return fail(exitUsage, fmt.Errorf("listening on %s: the path of a socket has at most %d bytes, this one has %d", path, maxSocketPath, len(path)),
		"name a shorter directory with --data")
}

// listenUnix listens on a socket that only this user may open. The data
// directory is locked, so a socket that lies there is a dead one's.
func listenUnix(path string) (net.Listener, error) {
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, rootCause(err))
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protecting %s: %w", path, err), l.Close())
	}
	return l, nil
}
