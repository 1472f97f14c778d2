// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wl "github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// stream is the server's side of a stream, without a connection: connections cannot
// be used where time is simulated.
type stream[T any] struct {
	grpc.ServerStream
	ctx context.Context
	mu  sync.Mutex
	got []*T
	at  []time.Time
}

func newStream[T any](ctx context.Context, c *caller) *stream[T] {
	return &stream[T]{ctx: peer.NewContext(ctx, &peer.Peer{AuthInfo: attested{caller: c}})}
}

func (s *stream[T]) Context() context.Context { return s.ctx }

func (s *stream[T]) Send(m *T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.at = append(s.got, m), append(s.at, time.Now())
	return nil
}

func (s *stream[T]) messages() ([]*T, []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*T(nil), s.got...), append([]time.Time(nil), s.at...)
}

// running maintains a in a bubble until the test's function ends.
func running(a *Authority) (*service, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.maintain(ctx) })
	return &service{a: a, stop: ctx.Done()}, func() { cancel(); wg.Wait() }
}

func leafOf(t *testing.T, m *wl.X509SVIDResponse) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(m.Svids[0].X509Svid)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// TestStreamsRotate: over 90 days every SVID on a stream is replaced at half its
// life, by one with another key, and every SVID verifies at any moment of its life
// with the bundle that was published then.
func TestStreamsRotate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(t)
		cfg.SVIDTTL = 12 * time.Hour
		a := mustOpen(t, cfg)
		mustAdd(t, a, Entry{SPIFFE: testID(t, "/job/a"), UID: new(uint32(7))})
		srv, stop := running(a)
		ctx, cancel := context.WithCancel(t.Context())
		s := newStream[wl.X509SVIDResponse](ctx, &caller{uid: 7})
		var wg sync.WaitGroup
		wg.Go(func() { srv.FetchX509SVID(&wl.X509SVIDRequest{}, s) }) //nolint:errcheck // ends with the test
		roots := map[string]bool{}
		for range 90 * 24 {
			time.Sleep(time.Hour)
			m, _ := s.messages()
			checkVerifies(t, a, leafOf(t, m[len(m)-1]), time.Now())
			for _, c := range a.state.Load().bundle.X509 {
				roots[c.SerialNumber.String()] = true
			}
		}
		cancel()
		wg.Wait()
		stop()
		m, at := s.messages()
		checkSpacing(t, m, at)
		if n := len(roots); n < 6 || n > 7 {
			t.Errorf("want about 6 roots in 90 days of half lives of 15, got %d", n)
		}
	})
}

// checkVerifies also holds the gateway's own SVID to the bundle, and the size of
// the bundle to two roots.
func checkVerifies(t *testing.T, a *Authority, leaf *x509.Certificate, now time.Time) {
	t.Helper()
	b := a.state.Load().bundle
	if n := len(b.X509); n < 1 || n > 2 {
		t.Fatalf("%d roots at %s", n, now)
	}
	own, err := a.Source().Current()
	if err != nil {
		t.Fatalf("at %s: %v", now, err)
	}
	if own.Bundles[testDomain] != b {
		t.Fatalf("at %s the gateway has another bundle", now)
	}
	for _, c := range []*x509.Certificate{leaf, own.Chain[0]} {
		o := x509.VerifyOptions{Roots: b.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := c.Verify(o); err != nil {
			t.Fatalf("at %s: %v", now, err)
		}
	}
}

// checkSpacing: messages come at 45 to 55 % of the life or for a changed bundle,
// every change of the bundle is in one, and no key is used twice. A certificate ends
// on a whole second, so a life can be a second shorter than configured.
func checkSpacing(t *testing.T, m []*wl.X509SVIDResponse, at []time.Time) {
	t.Helper()
	const longest, shortest = 12 * time.Hour * 55 / 100, (12*time.Hour - time.Second) * 45 / 100
	keys, changes := map[string]bool{}, 0
	for i, msg := range m {
		keys[string(leafOf(t, msg).RawSubjectPublicKeyInfo)] = true
		if i == 0 {
			continue
		}
		changed := string(msg.Svids[0].Bundle) != string(m[i-1].Svids[0].Bundle)
		if changed {
			changes++
		}
		gap := at[i].Sub(at[i-1])
		if gap > longest || gap < shortest && !changed {
			t.Errorf("message %d came after %s; the bundle has changed: %v", i, gap, changed)
		}
	}
	if len(keys) != len(m) {
		t.Errorf("%d messages have %d keys", len(m), len(keys))
	}
	if changes < 10 || changes > 12 {
		t.Errorf("want messages for about 11 changes of the bundle, got %d", changes)
	}
}

// TestIdleStreamIsWatched: a stream on which nothing changes is looked at every 30 s,
// and ends when its process has ended, even if somebody else holds the socket.
func TestIdleStreamIsWatched(t *testing.T) {
	t.Parallel()
	c, kill := pinnedChild(t)
	synctest.Test(t, func(t *testing.T) {
		a := mustOpen(t, testConfig(t))
		mustAdd(t, a, Entry{SPIFFE: testID(t, "/job/a"), UID: new(uint32(7))})
		srv, stop := running(a)
		defer stop()
		s := newStream[wl.JWTBundlesResponse](t.Context(), c)
		done := make(chan error, 1)
		go func() { done <- srv.FetchJWTBundles(&wl.JWTBundlesRequest{}, s) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		kill()
		start := time.Now()
		if err := <-done; status.Code(err) != codes.PermissionDenied || time.Since(start) > longestSleep {
			t.Errorf("want PermissionDenied within 30 s, got %v after %s", err, time.Since(start))
		}
		if m, _ := s.messages(); len(m) != 1 {
			t.Errorf("want one message, got %d", len(m))
		}
	})
}

// pinnedChild is a caller of uid 7 whose process is a child of this one.
func pinnedChild(t *testing.T) (_ *caller, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := workloadCmd(self, "wait", "")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { stdin.Close(); cmd.Wait() }) //nolint:errcheck // it only waits
	t.Cleanup(kill)
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Skipf("needs pidfd_open: %v", err)
	}
	p, err := pin(cmd.Process.Pid, os.NewFile(uintptr(fd), "pidfd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return &caller{uid: 7, pid: cmd.Process.Pid, process: p}, kill
}

// TestShutdownIsUnavailable: streams end with a code that makes clients come back.
func TestShutdownIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := mustOpen(t, testConfig(t))
		mustAdd(t, a, Entry{SPIFFE: testID(t, "/job/a"), UID: new(uint32(7))})
		srv, stop := running(a)
		done := make(chan error, 1)
		go func() {
			done <- srv.FetchX509SVID(&wl.X509SVIDRequest{}, newStream[wl.X509SVIDResponse](context.Background(), &caller{uid: 7}))
		}()
		synctest.Wait()
		stop()
		if err := <-done; status.Code(err) != codes.Unavailable {
			t.Errorf("want Unavailable, got %v", err)
		}
	})
}

// TestOwnSVIDExpires: if nothing can be recorded, the gateway's identity ends with
// its certificate, and comes back with the record.
func TestOwnSVIDExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec, faults := &issues{}, 0
		cfg := testConfig(t)
		cfg.Record, cfg.Fault = rec.record, func(error) { faults++ }
		a := mustOpen(t, cfg)
		_, stop := running(a)
		rec.failWith(errors.New("disk full"))
		time.Sleep(59 * time.Minute)
		if _, err := a.Source().Current(); err != nil {
			t.Errorf("before its end: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if m, err := a.Source().Current(); err == nil {
			t.Errorf("after its end: %v", m.NotAfter)
		}
		rec.failWith(nil)
		time.Sleep(retryAfter + time.Second)
		if _, err := a.Source().Current(); err != nil {
			t.Errorf("after recovery: %v", err)
		}
		stop()
		if faults == 0 {
			t.Error("no fault was told")
		}
	})
}

// TestRestartsChangeNothing: an authority that is opened anew for every step goes
// through the same states, at the same times, as one that runs on.
func TestRestartsChangeNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steady, restarted := testConfig(t), testConfig(t)
		a := mustOpen(t, steady)
		mustOpen(t, restarted)
		sawRetired := false
		for i := range 160 {
			// Long steps, and short ones where keys overlap.
			time.Sleep(6*time.Hour + time.Duration(i%7-3)*97*time.Minute)

			if _, err := a.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			b := mustOpen(t, restarted)
			if want, got := shape(a), shape(b); want != got {
				t.Fatalf("want %s, got %s", want, got)
			}
			for _, k := range append(b.state.Load().keys.x509, b.state.Load().keys.jwt...) {
				sawRetired = sawRetired || k.state == retired
				if (k.state == retired) != (k.private == nil) {
					t.Fatalf("a key that is %s has a private key: %v", k.state, k.private != nil)
				}
			}
			if again := mustOpen(t, restarted); fmt.Sprint(b.Status()) != fmt.Sprint(again.Status()) {
				t.Fatalf("opened twice at one time: %v, then %v", b.Status(), again.Status())
			}
		}
		if n := a.Status().Sequence; n < 10 || !sawRetired {
			t.Errorf("the keys did not rotate: sequence %d, a retired one seen: %v", n, sawRetired)
		}
	})
}

// shape is the state of the keys without what is random.
func shape(a *Authority) string {
	st := a.Status()
	for i := range st.Keys {
		st.Keys[i].KeyID = ""
	}
	return fmt.Sprint(st.Sequence, st.Keys)
}
