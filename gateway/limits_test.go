// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// begin sends the head of a request on a raw connection.
func begin(t testing.TB, c net.Conn, lines ...string) {
	t.Helper()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// response reads the status and body of one answer.
func response(t testing.TB, r *bufio.Reader, method string) (int, []byte, error) {
	t.Helper()
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

func (w *world) requestsInFlight() (n float64) { return w.metric("sealgate_http_inflight") }

// counted is raw for a connection that the gateway knows to be there: with TLS
// 1.3 a client is done before the server has seen its certificate.
func (w *world) counted(path string) net.Conn {
	w.t.Helper()
	c := w.raw(path)
	begin(w.t, c, "HEAD /data HTTP/1.1", "Host: h")
	if status, _, err := response(w.t, bufio.NewReader(c), http.MethodHead); status != http.StatusOK || err != nil {
		w.t.Fatalf("a first request: got %d %v, want 200", status, err)
	}
	return c
}

func TestConnectionsOfOneIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{limits: Limits{PerIdentity: 2, Requests: 1}})
	w.counted("/writer")
	w.counted("/writer")
	// More connections than Requests: each one's refusal must leave nothing
	// behind that counts as a request.
	for range 4 {
		third := w.raw("/writer")
		begin(t, third, "HEAD /data HTTP/1.1", "Host: h")
		if status, _, err := response(t, bufio.NewReader(third), http.MethodHead); status != http.StatusServiceUnavailable || err != nil {
			t.Fatalf("a connection over the limit: got %d %v, want 503", status, err)
		}
		_ = third.Close()
	}
	if e := w.lastDenial(); e.Detail["s3_error"] != "SlowDown" {
		t.Errorf("the refusal is recorded as %+v", e)
	}
	if r := w.do(w.client("/reader"), http.MethodHead, "/data", nil); r.status != http.StatusOK {
		t.Errorf("another identity: got %d", r.status)
	}
	w2 := newWorld(t, worldOptions{limits: Limits{PerIdentity: 1, Requests: 1}})
	first := w2.counted("/writer")
	over := w2.raw("/writer")
	begin(t, over, "HEAD /data HTTP/1.1", "Host: h")
	if status, _, _ := response(t, bufio.NewReader(over), http.MethodHead); status != http.StatusServiceUnavailable {
		t.Fatalf("got %d, want 503", status)
	}
	begin(t, first, "HEAD /data HTTP/1.1", "Host: h")
	if status, _, _ := response(t, bufio.NewReader(first), http.MethodHead); status != http.StatusOK {
		t.Errorf("the one within the limit, after a refusal of another: got %d, want 200", status)
	}
}

func TestConnectionsOfTheListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{limits: Limits{Connections: 2}})
	first := w.raw("/writer")
	w.raw("/reader")
	conf := w.clientTLS("/reader", certstest.Options{})
	if c, err := w.dial(t.Context(), conf); err == nil {
		_ = c.Close()
		t.Fatal("a third connection was taken in")
	}
	_ = first.Close()
	w.eventually("the place of a closed connection", func() bool {
		c, err := w.dial(t.Context(), conf)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func TestRequestsOfOneIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{limits: Limits{Requests: 1}})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("x"))
	w.store.Add(storetest.Rule{Op: storetest.Get, Times: 1, Delay: time.Second})
	var wg sync.WaitGroup
	wg.Go(func() { w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("x")) })
	w.eventually("the slow request", func() bool { return w.store.Calls(storetest.Get) > 0 })
	w.do(w.client("/writer"), http.MethodGet, "/data/k", nil).want(t, http.StatusServiceUnavailable, "SlowDown")
	if r := w.do(w.client("/reader"), http.MethodGet, "/data/k", nil); r.status != http.StatusOK {
		t.Errorf("another identity: got %d", r.status)
	}
	wg.Wait()
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("x"))
	w.endedOnce()
}

// TestStalledHandshakesHoldNothing: peers that say nothing, or stop in the
// middle of a handshake, take no slot from those that go on.
func TestStalledHandshakesHoldNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	for i := range 60 {
		c, err := w.dialRaw()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if i%2 == 0 { // half of them begin a record and stop
			_, _ = c.Write([]byte{22, 3, 1, 2, 0, 1})
		}
	}
	start := time.Now()
	if r := w.do(w.client("/writer"), http.MethodHead, "/data", nil); r.status != http.StatusOK {
		t.Fatalf("got %d %v", r.status, r.err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("a handshake waited %v for those that stall", took)
	}
}

// slowObject makes a GET of the key k last: the store drips.
func (w *world) slowObject(c *http.Client, size int) {
	w.t.Helper()
	w.put(c, "/data/k", noise(1, size))
	w.store.Add(storetest.Rule{Op: storetest.Get, Key: "k", Body: storetest.Drip(70_000, 50*time.Millisecond)})
}

func TestDenialCutsARunningTransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.slowObject(c, 10<<20)
	id := certs.MustParseID("spiffe://acme.ai/writer")
	var denied time.Time
	cut := make(chan reply)
	go func() { cut <- w.do(c, http.MethodGet, "/data/k", nil) }()
	w.eventually("the stream", func() bool { return w.store.Calls(storetest.Get) > 0 })
	time.Sleep(100 * time.Millisecond)
	denied = time.Now()
	if err := w.denials.Deny(certs.Rule{Kind: certs.DenyID, ID: id}); err != nil {
		t.Fatal(err)
	}
	r := <-cut
	if took := time.Since(denied); r.err == nil || took > time.Second {
		t.Errorf("the stream ended after %v with error %v, want an error within a second", took, r.err)
	}
	if rec := w.last(); rec.outcome.Abort != audit.AbortRevoked {
		t.Errorf("outcome: abort %q, want %q", rec.outcome.Abort, audit.AbortRevoked)
	}
	if _, err := w.dial(t.Context(), w.clientTLS("/writer", certstest.Options{})); err == nil {
		if again := w.do(c, http.MethodHead, "/data", nil); again.err == nil && again.status == 200 {
			t.Error("a denied identity is served on a new connection")
		}
	}
	w.endedOnce()
}

func TestDenialOfAnOpenConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	cs := newConnections(nil, w.g.config.TLS, func() Limits { return Limits{}.withDefaults() }, 1)
	c := w.raw("/writer")
	m := w.ca.SVID(t, "/writer", certstest.Options{})
	state := c.ConnectionState()
	state.PeerCertificates = m.Chain
	guard, err := certs.NewGuard(w.g.config.TLS, state)
	if err != nil {
		t.Fatal(err)
	}
	open := &conn{guard: guard, owner: cs}
	now := time.Now()
	after := m.NotAfter
	steps := []struct {
		name string
		now  time.Time
		want string
	}{
		{"valid", now, ""},
		{"expired within the overrun", after.Add(time.Minute), ""},
		{"expired beyond it", after.Add(6 * time.Minute), "svid_expired"},
	}
	for _, s := range steps {
		if got := cs.mustEnd(open, s.now); got != s.want {
			t.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
	}
	w.own.Withdraw(errors.New("the test says so"))
	if got := cs.mustEnd(open, now); got != "" {
		t.Errorf("own identity lost: got %q, want the transfer to go on", got)
	}
	if err := w.own.Publish(w.ca.SVID(t, "/gateway", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	_ = w.denials.Deny(certs.Rule{Kind: certs.DenyID, ID: m.ID})
	if got := cs.mustEnd(open, after.Add(time.Minute)); got != audit.AbortRevoked {
		t.Errorf("denied and expired: got %q, want %q", got, audit.AbortRevoked)
	}
}

func TestPanicEndsOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{limits: Limits{Requests: 1}})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("x"))
	w.store.Add(storetest.Rule{Op: storetest.Get, Times: 2, Object: func(*store.Object) { panic("holding a secret") }})
	for range 2 { // the client retries once by itself on a connection it had used
		if r := w.do(w.client("/writer"), http.MethodGet, "/data/k", nil); r.err == nil {
			t.Errorf("got %d, want a connection that is cut", r.status)
		}
	}
	if rec := w.last(); rec.outcome.Abort != audit.AbortPanic || rec.outcome.Status != 500 {
		t.Errorf("outcome: %+v", rec.outcome)
	}
	w.eventually("the end of the request", func() bool { return w.requestsInFlight() == 0 })
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("x"))
	if log := w.log.String(); strings.Contains(log, "secret") || !strings.Contains(log, "panic while serving") {
		t.Errorf("log: %s", log)
	}
	if got := w.metric("sealgate_panics_total"); got != 2 {
		t.Errorf("%v panics counted, want 2", got)
	}
	w.endedOnce()
}

func TestDrainLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{drain: 20 * time.Second})
	c := w.client("/writer")
	w.slowObject(c, 1<<20)
	got := make(chan reply)
	go func() { got <- w.do(c, http.MethodGet, "/data/k", nil) }()
	w.eventually("the stream", func() bool { return w.store.Calls(storetest.Get) > 0 })
	go w.stop()
	(<-got).wantBody(t, http.StatusOK, noise(1, 1<<20))
	w.end()
}

func TestDrainEndsAndCutsWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{drain: 200 * time.Millisecond})
	c := w.client("/writer")
	w.slowObject(c, 20<<20)
	got := make(chan reply, 1)
	go func() { got <- w.do(c, http.MethodGet, "/data/k", nil) }()
	w.eventually("the stream", func() bool { return w.store.Calls(storetest.Get) > 0 })
	start := time.Now()
	w.end()
	// Serve has returned: no record may be open any more.
	w.rec.mu.Lock()
	last := *w.rec.intents[len(w.rec.intents)-1]
	w.rec.mu.Unlock()
	if last.ends != 1 || last.outcome.Abort != audit.AbortShutdown {
		t.Errorf("when Serve returned: %d outcomes, abort %q", last.ends, last.outcome.Abort)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if r := <-got; r.err == nil {
		t.Errorf("the client got %d whole", r.status)
	}
}

func TestDenialCutsWhileDraining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{drain: time.Minute})
	c := w.client("/writer")
	w.slowObject(c, 20<<20)
	got := make(chan reply, 1)
	go func() { got <- w.do(c, http.MethodGet, "/data/k", nil) }()
	w.eventually("the stream", func() bool { return w.store.Calls(storetest.Get) > 0 })
	w.stop()
	time.Sleep(50 * time.Millisecond)
	_ = w.denials.Deny(certs.Rule{Kind: certs.DenyID, ID: certs.MustParseID("spiffe://acme.ai/writer")})
	start := time.Now()
	if r := <-got; r.err == nil || time.Since(start) > time.Second {
		t.Errorf("after %v: %d, error %v", time.Since(start), r.status, r.err)
	}
}

// slowPeers run under a clock of their own, over pipes.
func TestSlowPeersAreCut(t *testing.T) {
	t.Parallel()
	t.Run("reader", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{listener: newPipeListener(), limits: Limits{MinRate: 16 << 10}})
			c := w.client("/writer")
			w.put(c, "/data/k", noise(1, 4<<20))
			slow := w.raw("/writer")
			_ = slow.SetDeadline(time.Time{})
			begin(t, slow, "GET /data/k HTTP/1.1", "Host: h")
			start, buf, n := time.Now(), make([]byte, 4096), 0
			for {
				got, err := slow.Read(buf)
				n += got
				if err != nil {
					break
				}
				time.Sleep(time.Second) // 4 KiB/s
			}
			if took := time.Since(start); took < 20*time.Second || took > 3*time.Minute || n > 2<<20 {
				t.Errorf("cut after %v and %d bytes", took, n)
			}
			if rec := w.last(); rec.outcome.Abort != audit.AbortClientTimeout {
				t.Errorf("outcome: abort %q, want %q", rec.outcome.Abort, audit.AbortClientTimeout)
			}
			w.end()
		})
	})
	t.Run("writer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{listener: newPipeListener(), limits: Limits{MinRate: 16 << 10}})
			slow := w.raw("/writer")
			_ = slow.SetDeadline(time.Time{})
			begin(t, slow, "PUT /data/k HTTP/1.1", "Host: h", "Content-Length: 4000000")
			go func() {
				for {
					if _, err := slow.Write(make([]byte, 1024)); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			start := time.Now()
			status, body, err := response(t, bufio.NewReader(slow), http.MethodPut)
			if took := time.Since(start); status != 400 || !bytes.Contains(body, []byte("RequestTimeout")) || took > time.Minute {
				t.Errorf("after %v: got %d %s %v, want 400 RequestTimeout", took, status, body, err)
			}
			if _, err := w.mem.Head(context.Background(), "k"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the key holds something: %v", err)
			}
			_ = slow.Close()
			w.end()
		})
	})
	t.Run("slow store, patient client", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{listener: newPipeListener()})
			c := w.client("/writer")
			snap := w.g.Current()
			w.g.Use(&Snapshot{Policy: snap.Policy, Keys: snap.Keys, Buckets: map[string]Bucket{"data": {Store: slowCommit{w.mem}}}})
			w.put(c, "/data/k", []byte("x"))
			w.end()
		})
	})
}

// slowCommit takes two minutes after a body has come: the deadline of the
// body must not end the request.
type slowCommit struct{ store.Store }

func (s slowCommit) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return store.Object{}, err
	}
	select {
	case <-time.After(2 * time.Minute):
	case <-ctx.Done():
	}
	return s.Store.Put(ctx, key, bytes.NewReader(b), o)
}
