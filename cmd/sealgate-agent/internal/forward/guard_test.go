// SPDX-License-Identifier: Apache-2.0

package forward_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/forward"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// Every demand of AGENT.md, "What it demands of a request": without it the
// request goes no further, and client, log and status hear why.
func TestDemands(t *testing.T) {
	t.Parallel()
	signedAt := func(at time.Time) func(*testing.T, *world) string {
		return func(t *testing.T, w *world) string {
			r := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: w.addr, Path: "/b/k"}, Host: w.addr, Header: http.Header{}}
			if err := s3api.SignHeader(r, w.keys, "us-east-1", "UNSIGNED-PAYLOAD", at); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			_ = r.Header.Write(&b) // a Builder does not fail
			return "GET /b/k HTTP/1.1\r\nHost: " + w.addr + "\r\n" + b.String() + "\r\n"
		}
	}
	with := func(change func(string) string, method, target string, extra ...string) func(*testing.T, *world) string {
		return func(t *testing.T, w *world) string { return change(w.head(t, method, target, extra...)) }
	}
	replace := func(old, now string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				return "the test changes nothing: " + s
			}
			return strings.Replace(s, old, now, 1)
		}
	}
	unsigned := func(s string) string {
		lines := strings.SplitAfter(s, "\r\n")
		kept := ""
		for _, l := range lines {
			if !strings.HasPrefix(l, "Authorization:") {
				kept += l
			}
		}
		return kept
	}
	for _, tt := range []struct {
		name, method string
		text         func(*testing.T, *world) string
		status       int
		code, reason string
		closed       bool
	}{
		{"HTTP/1.0", "GET", with(replace("HTTP/1.1", "HTTP/1.0"), "GET", "/b/k"), 400, "InvalidRequest", "old_protocol", true},
		{"two lengths", "PUT", with(replace("\r\nHost", "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nHost"), "PUT", "/b/k"), 400, "InvalidRequest", "framing", true},
		{"a bare line feed", "GET", with(replace("\r\nHost", "\nHost"), "GET", "/b/k"), 400, "InvalidRequest", "framing", true},
		{"a folded line", "GET", with(replace("\r\nHost", "\r\nX-A: a\r\n b\r\nHost"), "GET", "/b/k"), 400, "InvalidRequest", "framing", true},
		{"Connection names a header", "PUT", with(replace("\r\nHost", "\r\nConnection: close, If-None-Match\r\nHost"), "PUT", "/b/k"), 400, "InvalidRequest", "framing", true},
		{"CONNECT", "CONNECT", with(replace("GET /b/k", "CONNECT db.internal:5432"), "GET", "/b/k"), 405, "MethodNotAllowed", "connect", true},
		{"absolute form", "GET", with(replace("GET /b/k", "GET http://169.254.169.254/b/k"), "GET", "/b/k"), 400, "InvalidRequest", "target", true},
		{"the server itself", "OPTIONS", with(replace("OPTIONS /b/k", "OPTIONS *"), "OPTIONS", "/b/k"), 400, "InvalidRequest", "target", true},
		{"two slashes", "GET", with(replace("GET /b/k", "GET //db.internal/k"), "GET", "/b/k"), 400, "InvalidRequest", "target", true},
		{"a name that leads here", "GET", func(t *testing.T, w *world) string {
			_, port, _ := net.SplitHostPort(w.addr)
			r := w.signedFor(t, "rebind.example:"+port, "GET", "/b/k", nil, 0, nil)
			var b strings.Builder
			_ = r.Header.Write(&b) // a Builder does not fail
			return "GET /b/k HTTP/1.1\r\nHost: " + r.Host + "\r\n" + b.String() + "\r\n"
		}, 403, "AccessDenied", "unknown_host", false},
		{"unsigned", "GET", with(unsigned, "GET", "/b/k"), 403, "AccessDenied", "unsigned", false},
		{"unsigned HEAD", "HEAD", with(unsigned, "HEAD", "/b/k"), 403, "", "unsigned", false},
		{"presigned", "GET", func(t *testing.T, w *world) string {
			u, err := s3api.Presign("GET", &url.URL{Scheme: "http", Host: w.addr, Path: "/b/k"}, nil, w.keys, "us-east-1", time.Now(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n"
		}, 400, "InvalidRequest", "presigned", false},
		{"version 2", "GET", with(func(s string) string { return replace("\r\n\r\n", "\r\nAuthorization: AWS a:b\r\n\r\n")(unsigned(s)) }, "GET", "/b/k"), 400, "InvalidRequest", "signature_form", false},
		{"version 2 on HEAD", "HEAD", with(func(s string) string { return replace("\r\n\r\n", "\r\nAuthorization: AWS a:b\r\n\r\n")(unsigned(s)) }, "HEAD", "/b/k"), 403, "", "signature_form", false},
		{"another service", "POST", with(replace("/s3/aws4_request", "/sts/aws4_request"), "POST", "/"), 400, "InvalidRequest", "service", false},
		{"another key", "GET", with(replace("Credential=SGAG", "Credential=SGAX"), "GET", "/b/k"), 403, "InvalidAccessKeyId", "unknown_key", false},
		{"another secret", "GET", func(t *testing.T, w *world) string {
			other := &world{addr: w.addr, keys: w.keys}
			other.keys.Secret = forward.NewKeys().Secret
			return other.head(t, "GET", "/b/k")
		}, 403, "SignatureDoesNotMatch", "signature_mismatch", false},
		{"another path", "GET", with(replace("GET /b/k", "GET /b/j"), "GET", "/b/k"), 403, "SignatureDoesNotMatch", "signature_mismatch", false},
		{"another method", "DELETE", with(replace("GET /b/k", "DELETE /b/k"), "GET", "/b/k"), 403, "SignatureDoesNotMatch", "signature_mismatch", false},
		{"a header that is not signed", "GET", with(replace("\r\nHost", "\r\nX-Amz-Copy-Source: /b/secret\r\nHost"), "GET", "/b/k"), 403, "AccessDenied", "signature_mismatch", false},
		{"signed an hour ago", "GET", signedAt(time.Now().Add(-time.Hour)), 403, "RequestTimeTooSkewed", "clock_skew", false},
		{"signed for later", "GET", signedAt(time.Now().Add(time.Hour)), 403, "RequestTimeTooSkewed", "clock_skew", false},
		{"a body of unknown length", "PUT", with(func(s string) string { return s }, "PUT", "/b/k"), 411, "MissingContentLength", "no_length", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{})
			resp, body := w.raw(t, tt.method, tt.text(t, w))
			if resp.StatusCode != tt.status {
				t.Errorf("got %d %q, want %d", resp.StatusCode, body, tt.status)
			}
			if tt.code != "" {
				if got := codeOf(t, body); got != tt.code {
					t.Errorf("code %s, want %s", got, tt.code)
				}
			}
			if resp.Close != tt.closed {
				t.Errorf("connection closed: %t, want %t", resp.Close, tt.closed)
			}
			if got := w.reason(t); got != tt.reason {
				t.Errorf("reason %q, want %q", got, tt.reason)
			}
			if n := w.gateway.seen.Load(); n != 0 {
				t.Errorf("the gateway saw %d requests", n)
			}
			for _, r := range w.refusals() {
				if strings.ContainsAny(r.Path, "?&=") || strings.Contains(r.Message, string(w.keys.Secret)) {
					t.Errorf("a refusal tells too much: %+v", r)
				}
			}
		})
	}
}

// A second request that hides behind a chunked body is never served: the answer
// to the first is the last, or what hides is refused.
func TestPipelinedBehindABody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		behind  string // what comes after the hidden head
		answers int
	}{"a head": {"", 2}, "a head and more": {"POST", 1}} {
		w := newWorld(t, options{handler: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }})
		first := strings.Replace(w.head(t, "PUT", "/b/k"), "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1)
		c := w.dial(t)
		if _, err := c.Write([]byte(first + "1\r\na\r\n0\r\n\r\n" + w.head(t, "DELETE", "/b/other") + tt.behind)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		b, _ := io.ReadAll(c) // cut or closed
		all := string(b)
		if n := w.gateway.seen.Load(); n != 1 || strings.Count(all, "HTTP/1.1 200") != 1 || strings.Count(all, "HTTP/1.1 ") > tt.answers || !strings.Contains(all, "\r\nConnection: close\r\n") {
			t.Errorf("%s: the gateway saw %d requests, want the first alone: %s", name, n, all)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	var path string
	w := newWorld(t, options{config: func(c *forward.Config) { c.Domain = "s3.local" }, handler: func(_ http.ResponseWriter, r *http.Request) { path = r.RequestURI }})
	_, port, _ := net.SplitHostPort(w.addr)
	for host, want := range map[string]string{
		"127.0.0.1:" + port: "/k%2Fa?x=1", "localhost:" + port: "/k%2Fa?x=1", "LocalHost.:" + port: "/k%2Fa?x=1", "[::1]:" + port: "/k%2Fa?x=1", "s3.local:" + port: "/k%2Fa?x=1",
		"models.localhost:" + port: "/models/k%2Fa?x=1", "my.models.s3.local:" + port: "/my.models/k%2Fa?x=1", "Models.s3.local:" + port: "/models/k%2Fa?x=1",
		"localhost": "/k%2Fa?x=1", "127.0.0.1": "/k%2Fa?x=1", "models.localhost": "/models/k%2Fa?x=1", "rebind.example": "", "s3.local.evil": "",
		"localhost:1": "", "127.0.0.1:1": "", "models.localhost:1": "", "127.0.0.2:" + port: "", "s3.local.evil:" + port: "", "xs3.local:" + port: "", "-.localhost:" + port: "", "..localhost:" + port: "",
		"169.254.169.254": "", "evil@localhost:" + port: "", "a%2fb.localhost:" + port: "",
	} {
		path = ""
		r := w.signed(t, "GET", "/k%2Fa?x=1", nil, 0, nil)
		r.Host = host
		if err := s3api.SignHeader(r, w.keys, "r", "UNSIGNED-PAYLOAD", time.Now()); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		_ = r.Header.Write(&b) // a Builder does not fail
		resp, _ := w.raw(t, "GET", "GET /k%2Fa?x=1 HTTP/1.1\r\nHost: "+host+"\r\n"+b.String()+"\r\n")
		if path != want || (want == "") != (resp.StatusCode >= 400) {
			t.Errorf("%s: %d, the gateway saw %q, want %q", host, resp.StatusCode, path, want)
		}
	}
}

// The kernel says who is at the other end of a socket; keys alone are not
// enough.
func TestUnixPeer(t *testing.T) {
	t.Parallel()
	own := newWorld(t, options{unix: true, config: func(c *forward.Config) { c.UID = uint32(os.Getuid()) }})
	if resp, body := own.do(t, own.signed(t, "GET", "/b/k", nil, 0, nil)); resp.StatusCode != http.StatusOK {
		t.Errorf("the configured user: %d %s", resp.StatusCode, body)
	}
	other := newWorld(t, options{unix: true, config: func(c *forward.Config) { c.UID = uint32(os.Getuid()) + 1 }})
	resp, body := other.do(t, other.signed(t, "GET", "/b/k", nil, 0, nil))
	if resp.StatusCode != http.StatusForbidden || codeOf(t, body) != "AccessDenied" || other.reason(t) != "peer_uid" || other.gateway.seen.Load() != 0 {
		t.Errorf("another user: %d %s, %+v", resp.StatusCode, body, other.refusals())
	}
}

// A listener that other machines reach is refused, whatever the caller checked.
func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "0.0.0.0:0") // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := forward.New(forward.Config{Gateway: "https://localhost:1"}, l); err == nil || !strings.Contains(err.Error(), "other machines") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "http://localhost:1", "https://", "https://h:1/path", "localhost:1"} {
		if _, err := forward.New(forward.Config{Gateway: bad}, l); err == nil {
			t.Errorf("%q was taken as a gateway", bad)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	a, b := forward.NewKeys(), forward.NewKeys()
	if a == b || a.Secret == b.Secret || len(a.Secret) != 40 || len(a.AccessKey) != 20 || !strings.HasPrefix(a.AccessKey, "SGAG") {
		t.Errorf("%s with %d characters of secret, then %s", a.AccessKey, len(a.Secret), b.AccessKey)
	}
}

// Whoever has no key cannot crowd out those who do: connections that never
// signed make room, and those that did are never cut for new ones.
func TestConnections(t *testing.T) {
	t.Parallel()
	const most = 4
	w := newWorld(t, options{config: func(c *forward.Config) { c.Connections = most }})
	served := func(c net.Conn, br *bufio.Reader) error {
		if _, err := io.WriteString(c, w.head(t, "GET", "/b/k")); err != nil {
			return err
		}
		resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s, %w", resp.Status, err)
		}
		return nil
	}
	var idle []net.Conn
	for range 3 * most { // of somebody who has no key
		idle = append(idle, w.dial(t))
	}
	var kept []net.Conn
	var readers []*bufio.Reader
	for i := range most {
		c := w.dial(t)
		br := bufio.NewReader(c)
		if err := served(c, br); err != nil {
			t.Fatalf("client %d beside idle connections: %v", i, err)
		}
		kept, readers = append(kept, c), append(readers, br)
	}
	for i, c := range idle {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("idle connection %d: %v, want it closed", i, err)
		}
	}
	c := w.dial(t)
	if err := served(c, bufio.NewReader(c)); err == nil {
		t.Error("one too many was served")
	}
	for i := range kept {
		if err := served(kept[i], readers[i]); err != nil {
			t.Errorf("client %d was cut: %v", i, err)
		}
	}
	kept[0].Close() // makes room, as soon as the agent has seen it
	until := time.Now().Add(time.Minute)
	for {
		c := w.dial(t)
		err := served(c, bufio.NewReader(c))
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("no room after a client has gone: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
