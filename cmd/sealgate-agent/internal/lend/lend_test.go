// SPDX-License-Identifier: Apache-2.0

package lend_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/lend"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// gateway answers calls of the token service over mTLS.
func gateway(t *testing.T, ca *certstest.CA, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Listener = tls.NewListener(s.Listener, certs.ServerTLS(certs.ServerConfig{Source: ca.Source(t, "/gateway", certstest.Options{})}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s.Start()
	t.Cleanup(s.Close)
	return "https://" + s.Listener.Addr().String()
}

func TestSession(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	var form url.Values
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	endpoint := gateway(t, ca, func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.URL.RawQuery != "" {
			t.Errorf("the call: %v", r.URL)
		}
		form = r.PostForm
		s3api.WriteSession(w, s3api.AssumeRoleWithCertificate, s3api.Session{
			Credentials: s3api.Credentials{AccessKey: "SGSA1", Secret: "topsecret", Token: "token"}, Expires: expires,
		}, "ID")
	})
	l := lend.New(ca.Source(t, "/job", certstest.Options{}), endpoint, certs.ID{})
	s, err := l.Session(t.Context(), lend.Narrowing{Role: "trainer", Scope: "models/fraud/"})
	if err != nil || s.AccessKey != "SGSA1" || string(s.Secret) != "topsecret" || string(s.Token) != "token" || !s.Expires.Equal(expires) {
		t.Fatalf("%+v, %v", s, err)
	}
	if fmt.Sprintf("%v %+v", s, s) != strings.ReplaceAll(fmt.Sprintf("%v %+v", s, s), "topsecret", "") {
		t.Error("a session shows its secret")
	}
	want := url.Values{
		"Action": {"AssumeRoleWithCertificate"}, "Version": {"2011-06-15"}, "DurationSeconds": {"3600"}, "RoleSessionName": {"sealgate-agent"},
		"RoleArn": {"arn:sealgate:iam:::role/trainer"},
		"Policy":  {`{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"arn:aws:s3:::models/fraud/*"}],"Version":"2012-10-17"}`},
	}
	if form.Encode() != want.Encode() {
		t.Errorf("the call was %v, want %v", form, want)
	}
	if _, err := l.Session(t.Context(), lend.Narrowing{Scope: "models/a.bin"}); err != nil || !strings.Contains(form.Get("Policy"), `:::models/a.bin"`) || form.Has("RoleArn") {
		t.Errorf("one object: %v, %v", form, err)
	}
	for _, bad := range []lend.Narrowing{{Role: "a/b"}, {Role: "*"}, {Scope: "models"}, {Scope: "/x"}, {Scope: "models/*"}, {Scope: "models/${x}/"}} {
		if _, err := l.Session(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestSessionRefused(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	source := ca.Source(t, "/job", certstest.Options{})
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"session keys are off": {func(w http.ResponseWriter, _ *http.Request) {
			s3api.WriteSTSError(w, s3api.NewSTSError("AccessDenied", "session keys are off"), "ID")
		}, "session keys are off (AccessDenied)"},
		"an error of S3": {func(w http.ResponseWriter, r *http.Request) {
			s3api.WriteError(w, r, s3api.NotImplemented("STS"), "ID")
		}, "(NotImplemented)"},
		"no token service":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, "the gateway answered 404 Not Found text/plain ()"},
		"not its answer":     {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<a>SECRET") }, "it is not that of a token service"},
		"half of the answer": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<a><b>SECRET</b></a>") }, "a part of the session is missing"},
		"a redirect": {
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) },
			"the gateway answered 307 Temporary Redirect",
		},
	} {
		_, err := lend.New(source, gateway(t, ca, tt.answer), certs.ID{}).Session(t.Context(), lend.Narrowing{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	other := certs.MustParseID("spiffe://acme.ai/other")
	if _, err := lend.New(source, gateway(t, ca, nil), other).Session(t.Context(), lend.Narrowing{}); !errors.Is(err, &certs.RejectError{Reason: certs.ReasonUnexpectedID}) {
		t.Errorf("a server that is not the gateway: %v", err)
	}
}

// refusals are the reasons that a door has told. It tells them before it answers.
type refusals struct {
	mu  sync.Mutex
	all []string
}

func (r *refusals) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, reason)
}

// take gives what was told since the last time.
func (r *refusals) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.all = nil }()
	return r.all
}

// door opens one in front of sessions that a test makes up.
func door(t *testing.T, session func(context.Context, lend.Narrowing) (lend.Session, error)) (addr string, refused *refusals) {
	t.Helper()
	return doorOf(t, func() error { return nil }, session)
}

// most is how many connections a door of these tests takes at once.
const most = 32

func doorOf(t *testing.T, identity func() error, session func(context.Context, lend.Narrowing) (lend.Session, error)) (addr string, refused *refusals) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not wait
	if err != nil {
		t.Fatal(err)
	}
	refused = &refusals{}
	d, err := lend.NewDoor(lend.DoorConfig{
		Identity: identity, Session: session, Token: "the-token", Connections: most, Log: slog.New(slog.DiscardHandler),
		Refused: func(_ int, _, reason, _ string) { refused.add(reason) },
	}, l)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String(), refused
}

func ask(t *testing.T, method, url, host, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// Every demand of the door: without it the gateway is not even asked.
func TestDoorDemands(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	addr, refused := door(t, func(context.Context, lend.Narrowing) (lend.Session, error) {
		asked.Add(1)
		return lend.Session{Credentials: s3api.Credentials{AccessKey: "SGSA1", Secret: "s", Token: "t"}, Expires: time.Now().Add(time.Hour)}, nil
	})
	_, port, _ := net.SplitHostPort(addr)
	for _, tt := range []struct {
		method, path, host, token string
		status                    int
		reason                    string
	}{
		{"GET", "/creds", "", "", 403, "token"},
		{"GET", "/creds", "", "the-tokem", 403, "token"},
		{"GET", "/creds", "", "the-token2", 403, "token"},
		{"GET", "/creds", "", "Bearer the-token", 403, "token"},
		{"GET", "/creds", "rebind.example:" + port, "the-token", 403, "unknown_host"},
		{"GET", "/creds", "localhost", "the-token", 403, "unknown_host"},
		{"GET", "/", "", "the-token", 404, "path"},
		{"GET", "/creds/x", "", "the-token", 404, "path"},
		{"POST", "/creds", "", "the-token", 405, "method"},
		{"GET", "/creds?roel=x", "", "the-token", 400, "query"},
		{"GET", "/creds?role=a&role=b", "", "the-token", 400, "query"},
		{"GET", "/creds?scope=models", "", "the-token", 400, "query"},
	} {
		code, body := ask(t, tt.method, "http://"+addr+tt.path, tt.host, tt.token)
		var e struct{ Code, Message string }
		if code != tt.status || json.Unmarshal([]byte(body), &e) != nil || e.Code != tt.reason || e.Message == "" {
			t.Errorf("%+v: got %d %s", tt, code, body)
		}
		if told := refused.take(); !slices.Equal(told, []string{tt.reason}) {
			t.Errorf("%+v: told %v", tt, told)
		}
		if strings.Contains(body, "the-token") {
			t.Errorf("%+v: the token is told: %s", tt, body)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the gateway was asked %d times", asked.Load())
	}
	for _, host := range []string{"", "localhost:" + port, "127.0.0.1:" + port} {
		code, body := ask(t, "GET", "http://"+addr+"/creds?role=a", host, "the-token")
		var c map[string]string
		if code != 200 || json.Unmarshal([]byte(body), &c) != nil || c["AccessKeyId"] != "SGSA1" || c["SecretAccessKey"] != "s" || c["Token"] != "t" || c["Expiration"] == "" {
			t.Errorf("%s: %d %s", host, code, body)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("the gateway was asked %d times for one narrowing, want once", asked.Load())
	}
}

// A gateway that hangs holds nobody up for longer than one call takes, however
// many wait, and whoever goes does not take the call along.
func TestDoorAsksOnceForAll(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	hang := make(chan struct{})
	addr, _ := door(t, func(ctx context.Context, _ lend.Narrowing) (lend.Session, error) {
		asked.Add(1)
		select {
		case <-hang:
		case <-ctx.Done():
		}
		return lend.Session{}, errors.New("no answer")
	})
	first, leave := context.WithCancel(t.Context())
	var left, rest sync.WaitGroup
	left.Go(func() {
		req, err := http.NewRequestWithContext(first, http.MethodGet, "http://"+addr+"/creds", http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "the-token")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Error("it was answered")
		}
	})
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		rest.Go(func() {
			if code, _ := ask(t, "GET", "http://"+addr+"/creds", "", "the-token"); code != http.StatusServiceUnavailable {
				t.Errorf("a gateway that gave no answer: %d", code)
			}
		})
	}
	leave()
	left.Wait()
	time.Sleep(200 * time.Millisecond) // so that the twenty wait; were they late, they would ask once more
	close(hang)
	rest.Wait()
	if n := asked.Load(); n > 10 {
		t.Errorf("21 callers made it ask %d times", n)
	}
}

// What was lent to one identity is not handed out as another.
func TestDoorOfAnIdentityThatIsGone(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	identity := func() error {
		if gone.Load() {
			return fmt.Errorf("%w: another one now", certs.ErrNoMaterial)
		}
		return nil
	}
	addr, _ := doorOf(t, identity, func(context.Context, lend.Narrowing) (lend.Session, error) {
		return lend.Session{Credentials: s3api.Credentials{AccessKey: "k", Secret: "s", Token: "t"}, Expires: time.Now().Add(time.Hour)}, nil
	})
	if code, body := ask(t, "GET", "http://"+addr+"/creds", "", "the-token"); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	gone.Store(true)
	if code, body := ask(t, "GET", "http://"+addr+"/creds", "", "the-token"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no_identity") {
		t.Errorf("%d %s", code, body)
	}
}

// A session is not handed out any more when half of its life is over, and a
// failure is not remembered.
func TestDoorAsksAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	addr, _ := door(t, func(_ context.Context, n lend.Narrowing) (lend.Session, error) {
		k := asked.Add(1)
		if n.Role == "off" {
			return lend.Session{}, &lend.Error{Status: 403, Code: "AccessDenied", Message: "session keys are off"}
		}
		if n.Role == "down" {
			return lend.Session{}, errors.New("connection refused")
		}
		life := 400 * time.Millisecond
		return lend.Session{Credentials: s3api.Credentials{AccessKey: fmt.Sprint(k), Secret: "s", Token: "t"}, Expires: time.Now().Add(life)}, nil
	})
	ask(t, "GET", "http://"+addr+"/creds", "", "the-token")
	time.Sleep(300 * time.Millisecond)
	if _, body := ask(t, "GET", "http://"+addr+"/creds", "", "the-token"); !strings.Contains(body, `"AccessKeyId":"2"`) {
		t.Errorf("an old session was handed out: %s", body)
	}
	for range 2 {
		if code, body := ask(t, "GET", "http://"+addr+"/creds?role=off", "", "the-token"); code != 403 || !strings.Contains(body, "session keys are off") {
			t.Errorf("%d %s", code, body)
		}
		if code, _ := ask(t, "GET", "http://"+addr+"/creds?role=down", "", "the-token"); code != 503 {
			t.Errorf("a gateway that is away: %d", code)
		}
	}
	if asked.Load() != 6 {
		t.Errorf("asked %d times, want 6", asked.Load())
	}
}

func TestDoorOnlyLoopback(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "0.0.0.0:0") // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := lend.NewDoor(lend.DoorConfig{}, l); err == nil {
		t.Error("it was opened to other machines")
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

// A proxy variable leads nobody away, and half a session is none.
func TestSessionWithoutProxy(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	whole := s3api.Session{Credentials: s3api.Credentials{AccessKey: "SGSA1", Secret: "s", Token: "t"}, Expires: time.Now().Add(time.Hour)}
	given := whole
	endpoint := gateway(t, ca, func(w http.ResponseWriter, _ *http.Request) {
		s3api.WriteSession(w, s3api.AssumeRoleWithCertificate, given, "ID")
	})
	l := lend.New(ca.Source(t, "/job", certstest.Options{}), strings.Replace(endpoint, "127.0.0.1", "0.0.0.0", 1), certs.ID{})
	if _, err := l.Session(t.Context(), lend.Narrowing{}); err != nil {
		t.Errorf("by an address that a proxy would be asked for: %v", err)
	}
	for name, cut := range map[string]func(*s3api.Session){
		"access key": func(s *s3api.Session) { s.Credentials.AccessKey = "" }, "secret": func(s *s3api.Session) { s.Credentials.Secret = "" }, "token": func(s *s3api.Session) { s.Credentials.Token = "" },
	} {
		given = whole
		cut(&given)
		if s, err := l.Session(t.Context(), lend.Narrowing{}); err == nil || !strings.Contains(err.Error(), "a part of the session is missing") {
			t.Errorf("without its %s: %+v, %v", name, s, err)
		}
	}
}

// Credentials are kept by nobody on the way, and a target with a name of its own
// does not stand for the Host.
func TestDoorRaw(t *testing.T) {
	t.Parallel()
	addr, refused := door(t, func(context.Context, lend.Narrowing) (lend.Session, error) {
		return lend.Session{Credentials: s3api.Credentials{AccessKey: "SGSA1", Secret: "s", Token: "t"}, Expires: time.Now().Add(time.Hour)}, nil
	})
	send := func(target, host string) *http.Response {
		c, err := net.Dial("tcp", addr) //nolint:noctx // on this machine
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: the-token\r\nConnection: close\r\n\r\n", target, host)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if resp := send("/creds", addr); resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
	if resp := send("http://"+addr+"/creds", "rebind.example"); resp.StatusCode != http.StatusForbidden || !slices.Equal(refused.take(), []string{"unknown_host"}) {
		t.Errorf("an absolute target: %s", resp.Status)
	}
}
