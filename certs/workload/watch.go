// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealgate/sealgate/certs"
)

// watch is one watch on a connection of its own, from dialing to its first error.
// It always returns an error.
func (s *Source) watch(ctx context.Context) error {
	client, err := dial(ctx, s.conf.Socket)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is left to be told
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watcher{source: s, end: cancel, stale: time.AfterFunc(s.timing.first, func() {
		cancel(fmt.Errorf("watching %s: %w: no message came", s.conf.Socket, ErrUnavailable))
	})}
	defer w.stale.Stop()
	// It returns because the watcher ends ctx at the first error; what it returns is
	// at best that error again.
	_ = client.WatchX509Context(ctx, w)
	return context.Cause(ctx)
}

// watcher gives what go-spiffe receives to a source.
type watcher struct {
	source *Source
	end    context.CancelCauseFunc
	stale  *time.Timer
}

// OnX509ContextUpdate takes a message. One that does not check ends the watch: the
// next one begins with the whole state anew.
func (w *watcher) OnX509ContextUpdate(x *workloadapi.X509Context) {
	s := w.source
	m, err := material(x, s.conf.ID)
	if err == nil {
		err = s.took(m)
	}
	if err != nil {
		w.end(err)
		return
	}
	s.conf.Report(nil)
	w.stale.Reset(max(time.Until(staleAt(m)), s.timing.first))
}

// OnX509ContextWatchError ends the watch, so that it is begun again by Run: left to
// itself, the client returns for good on some codes and waits by its own rule on others.
func (w *watcher) OnX509ContextWatchError(err error) { w.end(classify(w.source.conf.Socket, err)) }

// staleAt is when an issuer must have sent a successor of m: they do at half life.
func staleAt(m *certs.Material) time.Time {
	return m.NotAfter.Add(-m.NotAfter.Sub(m.NotBefore) / 4)
}

func dial(ctx context.Context, socket string) (*workloadapi.Client, error) {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(socket))
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w: %w", socket, ErrUnavailable, err)
	}
	return client, nil
}

// classify puts the client's error into one of ours. The status message is the
// issuer's and is quoted once.
func classify(socket string, err error) error {
	st, ok := status.FromError(err)
	switch {
	case !ok && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading a message of %s: %w", socket, err)
	case st.Code() == codes.PermissionDenied:
		return fmt.Errorf("watching %s: %w: %s", socket, ErrDenied, st.Message())
	}
	return fmt.Errorf("watching %s: %w: %s (%s)", socket, ErrUnavailable, st.Message(), st.Code())
}
