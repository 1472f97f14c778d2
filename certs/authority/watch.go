// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
)

const (
	// maxGrants bounds the SVIDs of one message: clients take 4 MiB at most.
	maxGrants = 64
	// pushJitter spreads the messages that a changed bundle causes.
	pushJitter = 500 * time.Millisecond
)

// errStopping makes clients come back: it must not be Canceled, which some take for
// their own and never do.
var errStopping = status.Error(codes.Unavailable, "the authority is shutting down")

// service is the SPIFFE Workload API.
type service struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	a    *Authority
	stop <-chan struct{} // closed when the server is to end
}

// view is what one caller may have at one moment.
type view struct {
	st     *state
	grants []grant
	caller *Caller
}

// look attests the caller anew. The error is a gRPC status.
func (s *service) look(ctx context.Context) (view, error) {
	c, st := callerOf(ctx), s.a.state.Load()
	entries, f, err := c.entitled(ctx, st.entries)
	switch {
	case err != nil:
		return view{}, status.Error(codes.PermissionDenied, err.Error())
	case len(entries) == 0:
		return view{}, status.Error(codes.PermissionDenied, c.refusal(f))
	}
	g := grants(entries)
	if len(g) > maxGrants {
		return view{}, status.Errorf(codes.Unavailable, "%d identities match this process; at most %d are served", len(g), maxGrants)
	}
	return view{st: st, grants: g, caller: c.public(f)}, nil
}

// watch keeps one stream up to date: it calls send at once, when same says that a
// view differs from the one last sent, and at the time that send returned. The
// caller is attested before each message and at least every longestSleep.
func (s *service) watch(ctx context.Context, same func(old, now view) bool, send func(view) (time.Time, error)) error {
	var sent view
	var again time.Time
	for {
		v, err := s.look(ctx)
		if err != nil {
			return err
		}
		if sent.st == nil || !same(sent, v) || !again.IsZero() && !s.a.cfg.Now().Before(again) {
			if again, err = send(v); err != nil {
				return err
			}
			sent = v
		}
		if err := s.sleep(ctx, v, again); err != nil {
			return err
		}
	}
}

// sleep waits for a change of the state, for the time again, or longestSleep.
func (s *service) sleep(ctx context.Context, v view, again time.Time) error {
	wait := longestSleep
	if !again.IsZero() {
		wait = max(0, min(wait, again.Sub(s.a.cfg.Now())))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-v.st.changed:
		return s.spread(ctx, v)
	case <-s.stop:
		return errStopping
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// spread delays what a changed bundle causes, by a random time, and nothing else: a
// changed entry must be felt at once.
func (s *service) spread(ctx context.Context, v view) error {
	now := s.a.state.Load()
	if now.bundle == v.st.bundle || !sameEntries(now.entries, v.st.entries) {
		return nil
	}
	select {
	case <-time.After(randomBelow(pushJitter)):
		return nil
	case <-s.stop:
		return errStopping
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// unavailable hides from a caller what it has no part in, and tells the operator.
func (s *service) unavailable(err error) error {
	s.a.cfg.Fault(err)
	return status.Error(codes.Unavailable, "nothing can be issued at present")
}
