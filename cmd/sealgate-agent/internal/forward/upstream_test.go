// SPDX-License-Identifier: Apache-2.0

package forward_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/forward"
)

// What goes wrong on the way to the gateway is an S3 error with a reason.
func TestGatewayFailures(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, tt := range []struct {
		name   string
		setup  func(*testing.T) *world
		status int
		reason string
	}{
		{"nobody there", func(t *testing.T) *world {
			return newWorld(t, options{config: func(c *forward.Config) { c.Gateway = "https://" + closed.Addr().String() }})
		}, 503, "gateway_unreachable"},
		{"another of the trust domain", func(t *testing.T) *world { return newWorld(t, options{identity: "/not-the-gateway"}) }, 503, "gateway_untrusted"},
		{"not the configured one", func(t *testing.T) *world {
			return newWorld(t, options{config: func(c *forward.Config) { c.GatewayID = certs.MustParseID("spiffe://acme.ai/other") }})
		}, 503, "gateway_untrusted"},
		{"of a foreign authority", func(t *testing.T) *world {
			return newWorld(t, options{config: func(c *forward.Config) {
				c.Source = certstest.NewCA(t, "acme.ai").Source(t, "/job", certstest.Options{})
			}})
		}, 503, "gateway_untrusted"},
		{"the certificate is not taken", func(t *testing.T) *world {
			return newWorld(t, options{config: func(c *forward.Config) {
				// It knows the gateway, and the gateway does not know it.
				ca := certstest.NewCA(t, "partner.example")
				c.GatewayID = certs.MustParseID("spiffe://acme.ai/gateway")
				m, _ := c.Source.Current()
				foreign := ca.SVID(t, "/job", certstest.Options{Federated: []*certs.Bundle{m.Bundles[certs.MustParseTrustDomain("acme.ai")]}})
				s, err := certs.Static(foreign)
				if err != nil {
					t.Fatal(err)
				}
				c.Source = s
			}})
		}, 403, "certificate_refused"},
		{"no identity", func(t *testing.T) *world {
			w := newWorld(t, options{})
			w.source.Withdraw(errors.New("the issuer took it back"))
			return w
		}, 503, "no_identity"},
		{"it hangs up", func(t *testing.T) *world {
			return newWorld(t, options{handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }})
		}, 503, "gateway_unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := tt.setup(t)
			for _, size := range []int64{0, 1 << 20} {
				resp, body := w.do(t, w.signed(t, "PUT", "/b/k", bytes.NewReader(make([]byte, size)), size, http.Header{"X-Amz-Copy-Source": {"b/x"}}))
				if resp.StatusCode != tt.status || codeOf(t, body) == "" || tt.status == 503 && resp.Header.Get("Retry-After") == "" {
					t.Errorf("got %d %s %v, want %d", resp.StatusCode, body, resp.Header, tt.status)
				}
				if all := w.refusals(); all[len(all)-1].Reason != tt.reason {
					t.Errorf("reason %q, want %q: %s", all[len(all)-1].Reason, tt.reason, body)
				}
			}
		})
	}
}

// A new SVID is shown from the next request on, and what was opened with the
// old one is not used again.
func TestRotation(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var serials []string
	hold, held := make(chan struct{}), make(chan struct{})
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		serials = append(serials, certs.SerialHex(r.TLS.PeerCertificates[0].SerialNumber))
		mu.Unlock()
		if r.URL.Path == "/b/slow" {
			rw.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(rw).Flush()
			close(held)
			<-hold
			_, _ = io.WriteString(rw, "whole")
		}
	}})
	first, _ := w.source.Current()
	slow := make(chan string, 1)
	go func() {
		resp, err := w.client(t).Do(w.signed(t, "GET", "/b/slow", nil, 0, nil))
		if err != nil {
			slow <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		slow <- string(b)
	}()
	<-held
	w.do(t, w.signed(t, "GET", "/b/1", nil, 0, nil))
	second := w.ca.SVID(t, "/job", certstest.Options{})
	if err := w.source.Publish(second); err != nil {
		t.Fatal(err)
	}
	w.do(t, w.signed(t, "GET", "/b/2", nil, 0, nil))
	close(hold)
	if got := <-slow; got != "whole" {
		t.Errorf("what ran on the old connection: %s", got)
	}
	for range 5 { // the slow one has fallen idle by now: it must not be used
		w.do(t, w.signed(t, "GET", "/b/3", nil, 0, nil))
	}
	old, fresh := certs.SerialHex(first.Chain[0].SerialNumber), certs.SerialHex(second.Chain[0].SerialNumber)
	mu.Lock()
	defer mu.Unlock()
	want := []string{old, old, fresh, fresh, fresh, fresh, fresh, fresh}
	if strings.Join(serials, " ") != strings.Join(want, " ") {
		t.Errorf("certificates shown: %v, want %v", serials, want)
	}
	eventually(t, "one connection is left", func() bool {
		n := 0
		w.gateway.conns.Range(func(any, any) bool { n++; return true })
		return n == 1
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A gateway that finds the certificate expired is asked once more on a new
// connection, but never twice for a body of which it may hold a part.
func TestExpiredAtTheGateway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		method string
		size   int64
		expect string
		asked  int64
		status int
	}{
		{"no body", "GET", 0, "", 2, 200},
		{"a body that waits", "PUT", 5, "100-continue", 2, 200},
		{"a body under way", "PUT", 8 << 20, "", 1, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var conns sync.Map
			var asked atomic.Int64
			w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
				n := asked.Add(1)
				if _, same := conns.LoadOrStore(r.RemoteAddr, true); same {
					t.Error("asked again on the same connection")
				}
				if n == 1 {
					if tt.size > 1<<20 {
						_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
					}
					rw.Header().Set("X-Sealgate-Reason", "svid_expired")
					rw.Header().Set("Connection", "close")
					rw.WriteHeader(http.StatusForbidden)
					return
				}
				_, _ = io.Copy(rw, r.Body)
			}})
			h := http.Header{}
			if tt.expect != "" {
				h.Set("Expect", tt.expect)
			}
			resp, body := w.do(t, w.signed(t, tt.method, "/b/k", bytes.NewReader(make([]byte, tt.size)), tt.size, h))
			if resp.StatusCode != tt.status || asked.Load() != tt.asked || tt.status == 200 && int64(len(body)) != tt.size {
				t.Errorf("got %d with %d bytes after %d requests, want %d after %d", resp.StatusCode, len(body), asked.Load(), tt.status, tt.asked)
			}
		})
	}
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Sealgate-Reason", "svid_expired")
		rw.WriteHeader(http.StatusForbidden)
	}})
	if resp, _ := w.do(t, w.signed(t, "GET", "/b/k", nil, 0, nil)); resp.StatusCode != http.StatusForbidden || w.gateway.seen.Load() != 2 || w.reason(t) != "svid_expired" {
		t.Errorf("a gateway that always says so: %d after %d requests", resp.StatusCode, w.gateway.seen.Load())
	}
}

// One ETag, one object: pieces of two are never handed on.
func TestPins(t *testing.T) {
	t.Parallel()
	object := "aa"
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Etag", `"e-1"`)
		rw.Header().Set("X-Sealgate-Object", object)
		_, _ = io.WriteString(rw, "bytes of "+object)
	}})
	get := func(method, target string) (int, string) {
		resp, body := w.do(t, w.signed(t, method, target, nil, 0, nil))
		return resp.StatusCode, body
	}
	if code, _ := get("HEAD", "/models/k"); code != 200 {
		t.Fatal(code)
	}
	object = "bb"
	if code, body := get("GET", "/models/other"); code != 200 || body != "bytes of bb" {
		t.Errorf("another key: %d %s", code, body)
	}
	for _, target := range []string{"/models/k", "/models/%6b", "/models/k?partNumber=1"} { // however the key is spelled
		if code, body := get("GET", target); code != 500 || strings.Contains(body, "bytes") || codeOf(t, body) != "InternalError" {
			t.Errorf("%s: the other object under the same ETag: %d %s", target, code, body)
		}
	}
	if all := w.refusals(); all[0].Reason != "mixed_versions" {
		t.Errorf("%+v", all)
	}
	object = "aa"
	if code, body := get("GET", "/models/k"); code != 200 || body != "bytes of aa" {
		t.Errorf("the first object: %d %s", code, body)
	}
}

// A gateway that comes back is used again, and what the gateway refuses is
// noted with its reason.
func TestGatewayComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Sealgate-Reason", "no_grant")
		rw.Header().Set("X-Amz-Request-Id", "ID")
		rw.WriteHeader(http.StatusForbidden)
	}})
	w.do(t, w.signed(t, "HEAD", "/b/k", nil, 0, nil))
	if all := w.refusals(); len(all) != 1 || all[0].Reason != "no_grant" || all[0].RequestID != "ID" || all[0].Path != "/b/k" {
		t.Errorf("%+v", all)
	}
	w.gateway.conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true }) // as a restart does
	w.gateway.answer(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) })
	if resp, body := w.do(t, w.signed(t, "GET", "/b/k", nil, 0, nil)); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// An identity that is gone opens nothing, not even what is open already.
func TestIdentityWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	if resp, body := w.do(t, w.signed(t, "GET", "/b/k", nil, 0, nil)); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	w.source.Withdraw(errors.New("the issuer took it back"))
	if resp, _ := w.do(t, w.signed(t, "GET", "/b/k", nil, 0, nil)); resp.StatusCode != http.StatusServiceUnavailable || w.reason(t) != "no_identity" || w.gateway.seen.Load() != 1 {
		t.Errorf("%d, %+v, the gateway saw %d requests", resp.StatusCode, w.refusals(), w.gateway.seen.Load())
	}
}

// TestMain puts a proxy into the environment at which nobody answers.
func TestMain(m *testing.M) {
	if err := os.Setenv("HTTPS_PROXY", "http://127.0.0.1:1"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A proxy variable leads nobody away: by this address of the machine itself a
// client that reads them asks the proxy.
func TestProxyVariables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{config: func(c *forward.Config) { c.Gateway = strings.Replace(c.Gateway, "127.0.0.1", "0.0.0.0", 1) }})
	if resp, body := w.do(t, w.signed(t, "GET", "/b/k", nil, 0, nil)); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
