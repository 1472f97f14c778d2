// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"net"
	"os"
	"runtime/debug"
	"testing"
	"time"

	wl "github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// rawClient is a Workload API client that adds nothing by itself.
func rawClient(tb testing.TB, socket string) wl.SpiffeWorkloadAPIClient {
	tb.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return wl.NewSpiffeWorkloadAPIClient(conn)
}

func withHeader(ctx context.Context, values ...string) context.Context {
	md := metadata.MD{}
	md.Set(securityHeader, values...)
	return metadata.NewOutgoingContext(ctx, md)
}

// TestSecurityHeader: without it every call is InvalidArgument.
func TestSecurityHeader(t *testing.T) {
	t.Parallel()
	_, socket := started(t, mine(t, "/job/a"))
	c := rawClient(t, socket)
	calls := map[string]func(context.Context) error{
		"FetchX509SVID": func(ctx context.Context) error {
			s, err := c.FetchX509SVID(ctx, &wl.X509SVIDRequest{})
			return firstMessage(s, err)
		},
		"FetchX509Bundles": func(ctx context.Context) error {
			s, err := c.FetchX509Bundles(ctx, &wl.X509BundlesRequest{})
			return firstMessage(s, err)
		},
		"FetchJWTBundles": func(ctx context.Context) error {
			s, err := c.FetchJWTBundles(ctx, &wl.JWTBundlesRequest{})
			return firstMessage(s, err)
		},
		"FetchJWTSVID": func(ctx context.Context) error {
			_, err := c.FetchJWTSVID(ctx, &wl.JWTSVIDRequest{Audience: []string{"a"}})
			return err
		},
		"ValidateJWTSVID": func(ctx context.Context) error {
			_, err := c.ValidateJWTSVID(ctx, &wl.ValidateJWTSVIDRequest{Audience: "a", Svid: "x"})
			return err
		},
	}
	for name, call := range calls {
		for _, header := range []struct {
			name   string
			values []string
		}{{"missing", nil}, {"false", []string{"false"}}, {"twice", []string{"true", "true"}}, {"capital", []string{"True"}}} {
			t.Run(name+"/"+header.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(withHeader(t.Context(), header.values...), 5*time.Second)
				defer cancel()
				if err := call(ctx); status.Code(err) != codes.InvalidArgument || !wantText(err, "security header") {
					t.Errorf("want InvalidArgument for the header, got %v", err)
				}
			})
		}
	}
}

func firstMessage[T any](s grpc.ServerStreamingClient[T], err error) error {
	if err != nil {
		return err
	}
	_, err = s.Recv()
	return err
}

// TestNobodyWithoutEntry: no call answers a process that no entry matches.
func TestNobodyWithoutEntry(t *testing.T) {
	t.Parallel()
	_, socket := started(t, Entry{SPIFFE: testID(t, "/other"), UID: new(uint32(4242))})
	c, ctx := rawClient(t, socket), withHeader(t.Context(), "true")
	svids, err := c.FetchX509SVID(ctx, &wl.X509SVIDRequest{})
	wantCode(t, "FetchX509SVID", codes.PermissionDenied, firstMessage(svids, err))
	bundles, err := c.FetchX509Bundles(ctx, &wl.X509BundlesRequest{})
	wantCode(t, "FetchX509Bundles", codes.PermissionDenied, firstMessage(bundles, err))
	jwks, err := c.FetchJWTBundles(ctx, &wl.JWTBundlesRequest{})
	wantCode(t, "FetchJWTBundles", codes.PermissionDenied, firstMessage(jwks, err))
	_, err = c.FetchJWTSVID(ctx, &wl.JWTSVIDRequest{Audience: []string{"a"}})
	wantCode(t, "FetchJWTSVID", codes.PermissionDenied, err)
	_, err = c.ValidateJWTSVID(ctx, &wl.ValidateJWTSVIDRequest{Audience: "a", Svid: "x"})
	wantCode(t, "ValidateJWTSVID", codes.PermissionDenied, err)
	wit, err := c.FetchWITSVID(ctx, &wl.WITSVIDRequest{})
	wantCode(t, "FetchWITSVID", codes.Unimplemented, firstMessage(wit, err))
}

func wantCode(tb testing.TB, call string, want codes.Code, err error) {
	tb.Helper()
	if status.Code(err) != want {
		tb.Errorf("%s: want %v, got %v", call, want, err)
	}
}

// limited starts an authority with small limits and an entry for this user.
func limited(t *testing.T, l Limits) (*Authority, string) {
	t.Helper()
	cfg := testConfig(t)
	cfg.Limits = l
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	return a, serve(t, a)
}

// TestStreamCaps: streams over the cap are refused, over however many connections,
// and places come back when streams end.
func TestStreamCaps(t *testing.T) {
	t.Parallel()
	a, socket := limited(t, Limits{StreamsPerUID: 10, RatePerUID: 1e6, Burst: 1e6})
	ctx, cancel := context.WithCancel(withHeader(t.Context(), "true"))
	open, refused := 0, 0
	for range 20 {
		c := rawClient(t, socket)
		for range 5 {
			s, err := c.FetchX509Bundles(ctx, &wl.X509BundlesRequest{})
			switch err := firstMessage(s, err); status.Code(err) {
			case codes.OK:
				open++
			case codes.ResourceExhausted:
				refused++
			default:
				t.Fatal(err)
			}
		}
	}
	if open != 10 || refused != 90 {
		t.Errorf("want 10 open and 90 refused, got %d and %d", open, refused)
	}
	if st := a.Status(); st.Streams != 10 || st.Refused < 90 {
		t.Errorf("want 10 streams and 90 refused in the status, got %+v", st)
	}
	cancel()
	waitUntil(t, "all places are free", func() bool { return a.Status().Streams == 0 })
	if _, err := client(t, socket).FetchX509Context(t.Context()); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

// TestTotalStreamCap: the cap on all users together holds too.
func TestTotalStreamCap(t *testing.T) {
	t.Parallel()
	_, socket := limited(t, Limits{Streams: 1, RatePerUID: 1e6, Burst: 1e6})
	ctx := withHeader(t.Context(), "true")
	first, err := rawClient(t, socket).FetchX509Bundles(ctx, &wl.X509BundlesRequest{})
	wantCode(t, "the first", codes.OK, firstMessage(first, err))
	second, err := rawClient(t, socket).FetchX509Bundles(ctx, &wl.X509BundlesRequest{})
	wantCode(t, "the second", codes.ResourceExhausted, firstMessage(second, err))
}

// TestRate: one user's calls are held to its rate; another's are not touched by it.
func TestRate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := newGate(Limits{Streams: 100, StreamsPerUID: 100, RatePerUID: 2, Burst: 3}, func() time.Time { return now })
	calls := func(uid uint32, n int) (let int) {
		for range n {
			if end, ok := g.begin(uid); ok {
				let++
				end()
			}
		}
		return let
	}
	if got := calls(1, 10); got != 3 {
		t.Errorf("at once: want 3 calls let through, got %d", got)
	}
	if got := calls(2, 10); got != 3 {
		t.Errorf("another user: want 3, got %d", got)
	}
	now = now.Add(time.Second)
	if got := calls(1, 10); got != 2 {
		t.Errorf("after 1 s: want 2, got %d", got)
	}
	now = now.Add(-time.Hour)
	if got := calls(1, 10); got != 0 {
		t.Errorf("with the clock set back: want 0, got %d", got)
	}
}

// TestBucketsAreBounded: a user namespace full of users does not grow the gate.
func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := newGate(Limits{Streams: 100, StreamsPerUID: 100, RatePerUID: 1000, Burst: 1}, func() time.Time { return now })
	for uid := range uint32(20_000) {
		now = now.Add(time.Millisecond)
		if end, ok := g.begin(uid); ok {
			end()
		}
	}
	if n := len(g.buckets); n > sweepAt+1 {
		t.Errorf("%d buckets are kept", n)
	}
	if len(g.streams.each) != 0 {
		t.Errorf("%d users are still counted", len(g.streams.each))
	}
}

// TestConnectionCap: connections over the cap are closed, and places come back.
func TestConnectionCap(t *testing.T) {
	t.Parallel()
	a, socket := limited(t, Limits{ConnsPerUID: 4})
	var conns []net.Conn
	for range 4 {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	waitUntil(t, "4 connections are counted", func() bool { return a.Status().Conns == 4 })
	over, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	over.SetReadDeadline(time.Now().Add(3 * time.Second)) //nolint:errcheck // cannot fail on an open socket
	if _, err := over.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the fifth connection is not closed: %v", err)
	}
	for _, c := range conns {
		c.Close()
	}
	waitUntil(t, "all places are free", func() bool { return a.Status().Conns == 0 })
	if _, err := client(t, socket).FetchX509Context(t.Context()); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

// TestDescriptorsComeBack: whichever way a connection ends, its pidfd is closed.
func TestDescriptorsComeBack(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector would close what we forgot
	a, socket := started(t, mine(t, "/job/a"))
	descriptors := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("needs /proc: %v", err)
		}
		return len(d)
	}
	before := descriptors()
	for i := range 30 {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
	}
	waitUntil(t, "all connections are gone", func() bool { return a.Status().Conns == 0 && descriptors() <= before })
}

// TestPanicEndsOneCall: a panic in a hook is an error of one call.
func TestPanicEndsOneCall(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	armed, faults := false, make(chan error, 10)
	cfg.Record = func(context.Context, Issue) error {
		if armed {
			panic("secret")
		}
		return nil
	}
	cfg.Fault = func(err error) { faults <- err }
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	armed = true
	socket := serve(t, a)
	_, err := client(t, socket).FetchX509Context(t.Context())
	wantCode(t, "with a panic", codes.Internal, err)
	if err := <-faults; err == nil || wantText(err, "secret") {
		t.Errorf("want a fault without the value, got %v", err)
	}
	waitUntil(t, "the place is free", func() bool { return a.Status().Streams == 0 })
}
