// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// big is more than all the buffers between a backend and a client hold.
const big = 64 << 20

// TestBackendKilledMidGet: a client never takes the part that came for the
// whole.
func TestBackendKilledMidGet(t *testing.T) {
	t.Parallel()
	server := servers.NewVersitygw(t)
	s := newSite(t, server)
	c := s.Client(t, "/writer")
	data := randomBytes(big)
	if a := s.put(t, c, "models/big", data, nil); a.Status != http.StatusOK {
		t.Fatalf("put: %d %s", a.Status, a.Body)
	}
	resp, err := c.Get(s.Endpoint + "/models/big") //nolint:noctx // the test's own deadline ends it
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	head := make([]byte, 1<<20)
	if _, err := io.ReadFull(resp.Body, head); err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != big {
		t.Fatalf("the first MiB: %d, length %d, %v", resp.StatusCode, resp.ContentLength, err)
	}
	server.Kill()
	rest, err := io.ReadAll(resp.Body)
	if err == nil {
		t.Errorf("the body ended well after %d bytes of %d", len(head)+len(rest), big)
	}
	if got := slices.Concat(head, rest); len(got) >= big || !bytes.Equal(got, data[:len(got)]) {
		t.Errorf("%d bytes came, and they differ or are all", len(got))
	}
	if a := s.get(t, c, "models/big", nil); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("get without a backend: %d, Retry-After %q, want 503 and when to come back", a.Status, a.Header.Get("Retry-After"))
	}
	server.Restart(t)
	if a := s.get(t, c, "models/big", nil); a.Status != http.StatusOK || !bytes.Equal(a.Body, data) {
		t.Errorf("get with the backend again: %d, %d bytes", a.Status, len(a.Body))
	}
	s.recorded(t, "models/big", func(r audit.Record) bool {
		return r.Phase == audit.PhaseOutcome && r.Abort != "" && r.BytesSent >= 1<<20 && r.BytesSent < big
	})
}

// recorded wants an outcome on a path that fits.
func (s *site) recorded(t *testing.T, path string, fits func(audit.Record) bool) {
	t.Helper()
	var last []audit.Record
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		last = s.Records(t, audit.SearchQuery{Path: path})
		for _, r := range last {
			if fits(r) {
				return
			}
		}
	}
	t.Errorf("no record fits among %+v", last)
}

// TestBackendKilledMidPut: the client hears of it, and nothing is there.
func TestBackendKilledMidPut(t *testing.T) {
	t.Parallel()
	server := servers.NewVersitygw(t)
	s := newSite(t, server)
	c := s.Client(t, "/writer")
	old := randomBytes(100_000)
	if a := s.put(t, c, "models/over", old, nil); a.Status != http.StatusOK {
		t.Fatalf("put: %d %s", a.Status, a.Body)
	}
	data := randomBytes(big)
	for _, path := range []string{"models/new", "models/over"} {
		killed := &killer{Reader: bytes.NewReader(data), at: big / 2, kill: server.Kill}
		a, err := s.Try(c, http.MethodPut, "/"+path, killed, big, nil)
		if err == nil && a.Status != http.StatusServiceUnavailable {
			t.Errorf("put %s: %d %s, want 503", path, a.Status, a.Body)
		}
		if err != nil { // hung up on while it still sent: as good, if less polite
			t.Logf("put %s: %v", path, err)
		}
		server.Restart(t)
	}
	if a := s.get(t, c, "models/new", nil); a.Status != http.StatusNotFound {
		t.Errorf("get of what was never put: %d", a.Status)
	}
	if a := s.get(t, c, "models/over", nil); a.Status != http.StatusOK || !bytes.Equal(a.Body, old) {
		t.Errorf("get of what was there before: %d, %d bytes", a.Status, len(a.Body))
	}
	for o := range server.Client(t).ListObjects(t.Context(), s.buckets["models"], minio.ListObjectsOptions{Recursive: true}) {
		if o.Key != "over" && !strings.HasPrefix(o.Key, ".sealgate/") {
			t.Errorf("the backend holds %s", o.Key)
		}
	}
	if a := s.put(t, c, "models/new", data, nil); a.Status != http.StatusOK {
		t.Errorf("put again: %d %s", a.Status, a.Body)
	}
}

// killer is a body that does something when half of it was read.
type killer struct {
	io.Reader
	at   int
	kill func()
	done bool
}

func (k *killer) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p[:min(len(p), 1<<20)])
	if k.at -= n; k.at <= 0 && !k.done {
		k.done = true
		k.kill()
	}
	return n, err
}

// front is a proxy before a server: it passes on what the test lets through.
func front(t *testing.T, s *servers.Server, before func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = r.In.Host // it is signed
	}, FlushInterval: -1}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestBackendIgnoresConditions: a backend that overwrites whatever it was
// asked to leave alone is refused, unless the config says that it is known.
func TestBackendIgnoresConditions(t *testing.T) {
	t.Parallel()
	server := servers.Versitygw(t)
	endpoint := front(t, server, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && r.Header.Get("If-None-Match") != "" {
			bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			_ = server.Client(t).RemoveObject(r.Context(), bucket, key, minio.RemoveObjectOptions{}) // as if it had not looked
		}
		return true
	})
	o, _ := backendOptions(t, server, endpoint, "")
	if _, err := gate.New(t, o); err == nil || !strings.Contains(err.Error(), "exit code 1") ||
		!strings.Contains(err.Error(), "its storage ignores conditions on writes; ") || !strings.Contains(err.Error(), "conditional_writes: false") {
		t.Errorf("starting: %v, want a refusal that says what to do", err)
	}
	o, st := backendOptions(t, server, endpoint, ", conditional_writes: false")
	st.Gate = gate.Start(t, o)
	writer, creator := st.Client(t, "/writer"), st.Client(t, "/creator")
	if a := st.put(t, writer, "models/new/a", []byte("first"), nil); a.Status != http.StatusOK {
		t.Fatalf("an unconditional put: %d %s", a.Status, a.Body)
	}
	for name, a := range map[string]gate.Answer{
		"if-none-match":       st.put(t, writer, "models/new/a", []byte("again"), http.Header{"If-None-Match": {"*"}}),
		"if-match":            st.put(t, writer, "models/new/a", []byte("again"), http.Header{"If-Match": {`"x"`}}),
		"a grant to create":   st.put(t, creator, "models/new/a", []byte("again"), nil),
		"a grant, if-none...": st.put(t, creator, "models/new/b", []byte("again"), http.Header{"If-None-Match": {"*"}}),
	} {
		if a.Status != http.StatusNotImplemented && a.Status != http.StatusForbidden {
			t.Errorf("%s: %d %s, want a refusal", name, a.Status, a.Body)
		}
	}
	if a := st.get(t, writer, "models/new/a", nil); string(a.Body) != "first" {
		t.Errorf("it holds %q", a.Body)
	}
}

// TestCredentialRotation replaces the credential file; from the moment on the
// old one is refused by the backend, and within two seconds requests go on.
func TestCredentialRotation(t *testing.T) {
	t.Parallel()
	server := servers.MinIO(t)
	var allowed atomic.Value
	allowed.Store(server.AccessKey)
	endpoint := front(t, server, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+allowed.Load().(string)+"/") {
			return true
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code><Message>revoked</Message></Error>")
		return false
	})
	o, st := backendOptions(t, server, endpoint, "")
	st.Gate = gate.Start(t, o)
	c := st.Client(t, "/writer")
	if a := st.put(t, c, "models/a", []byte("before"), nil); a.Status != http.StatusOK {
		t.Fatalf("put: %d %s", a.Status, a.Body)
	}
	next := session(t, server)
	allowed.Store(next.AccessKeyID)
	if a := st.put(t, c, "models/a", []byte("lost"), nil); a.Status/100 == 2 {
		t.Errorf("put with a revoked credential: %d", a.Status)
	}
	// A file that is half written, or open to others, is not used.
	if err := os.WriteFile(st.credential, []byte(`{"access_key": "x`), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := st.get(t, c, "models/a", nil); a.Status/100 == 2 {
		t.Errorf("get with half a credential: %d", a.Status)
	}
	writeCredential(t, st.credential, next.AccessKeyID, next.SecretAccessKey, next.SessionToken)
	if err := os.Chmod(st.credential, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 25 {
		if a := st.get(t, c, "models/a", nil); a.Status/100 == 2 {
			t.Fatalf("get with a credential that everybody may read: %d", a.Status)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := os.Chmod(st.credential, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for {
		if a := st.put(t, c, "models/a", []byte("after"), nil); a.Status == http.StatusOK {
			break
		}
		if time.Since(start) > 2*time.Second {
			t.Fatalf("the new credential is not used after %s: %s", time.Since(start), st.Log())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if a := st.get(t, c, "models/a", nil); string(a.Body) != "after" {
		t.Errorf("it holds %q", a.Body)
	}
}

// session gets temporary credentials from MinIO.
func session(t *testing.T, s *servers.Server) credentials.Value {
	t.Helper()
	sts, err := credentials.NewSTSAssumeRole(s.Endpoint, credentials.STSAssumeRoleOptions{
		AccessKey: s.AccessKey, SecretKey: s.SecretKey, DurationSeconds: 900, Location: s.Region,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := sts.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	if err != nil {
		t.Fatalf("temporary credentials: %v", err)
	}
	return v
}
