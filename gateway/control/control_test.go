// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
)

// targetOf fills in the path of a row.
func targetOf(r route) string { return strings.ReplaceAll(r.path, "{name}", "main") }

// bodyFor gives a body that a row takes.
func bodyFor(r route) string {
	if r.maxBody > 0 {
		return "{}"
	}
	return ""
}

// auditorPolicy lets whoever runs the test read the audit trail.
func auditorPolicy(t *testing.T) string {
	t.Helper()
	return `version: 1
trust_domain: acme.ai
identities: {me: "local:uid/` + me(t) + `"}
roles: {auditor: {who: [me], can: {do: [read], paths: ["audit/**"]}}}
`
}

func TestRoutesAndDocumentAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, auditorPolicy(t))
	r := w.do(http.MethodGet, "/openapi.json", "")
	var doc struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil || r.status != http.StatusOK {
		t.Fatalf("got %d %v", r.status, err)
	}
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described[strings.ToUpper(method)+" "+path+" "+op.OperationID] = true
		}
	}
	for _, row := range table() {
		name := row.method + " " + row.path + " " + row.action
		if !described[name] {
			t.Errorf("%s is served, but not described", name)
		}
		delete(described, name)
		if _, ok := shapes[row.action]; !ok {
			t.Errorf("%s has no shape", row.action)
		}
		if row.timeout == 0 || row.event == "" || row.bucket == "" || row.do == nil {
			t.Errorf("%s is not complete", name)
		}
		if a := w.do(row.method, targetOf(row), bodyFor(row)); a.status != http.StatusOK {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
	}
	for name := range described {
		t.Errorf("%s is described, but not served", name)
	}
	if len(shapes) != len(table()) {
		t.Errorf("%d shapes for %d rows", len(shapes), len(table()))
	}
	if n := len(w.backend.asked()); n != len(table())-1 {
		t.Errorf("the backend was asked %d times, want %d", n, len(table())-1)
	}
}

// TestRecordsComeFirst: intent before the act, outcome before the answer.
func TestRecordsComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, auditorPolicy(t))
	for _, row := range table() {
		w.do(row.method, targetOf(row), bodyFor(row))
		last := w.rec.last(t)
		want := audit.Event{
			Event: row.event, Actor: "local:uid/" + me(t), ActorType: "human", Action: row.action, Bucket: row.bucket, Key: strings.TrimSuffix(row.key, "/"),
			Decision: "allow", AwaitOutcome: row.change,
		}
		if strings.HasSuffix(row.key, "/") {
			want.Key = row.key + "main"
		}
		got := last.event
		if got.RequestID == "" || got.Rule == "" || got.PolicyDigest != w.policy.Digest() {
			t.Errorf("%s: recorded without request, rule or policy: %+v", row.action, got)
		}
		got.Rule, got.RequestID, got.PolicyDigest = "", "", ""
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || last.ends != 1 || last.outcome.Status != 200 {
			t.Errorf("%s: recorded %+v, %d outcomes with %d, want %+v", row.action, got, last.ends, last.outcome.Status, want)
		}
	}
	for i, open := range w.backend.open {
		if open != 1 {
			t.Errorf("%s acted with %d intents on record", w.backend.calls[i], open)
		}
	}
	w.rec.failing.begin = audit.ErrClosed
	before := len(w.backend.asked())
	for _, row := range table() {
		w.do(row.method, targetOf(row), bodyFor(row)).want(t, Unavailable)
	}
	if n := len(w.backend.asked()) - before; n != 0 {
		t.Errorf("%d acts without a record", n)
	}
	w.rec.failing.begin, w.rec.failing.end = nil, audit.ErrDeadline
	w.do(http.MethodPost, "/v1/keks/main:rotate", "").want(t, Unavailable)
	if r := w.do(http.MethodGet, "/v1/keks", ""); r.status != http.StatusOK {
		t.Errorf("a read without an outcome: got %d %s", r.status, r.body)
	}
}

// me is the caller's name: tests run as root or as the gateway's own user.
func me(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		return fmt.Sprint(os.Getuid())
	}
	return strings.TrimSpace(string(out))
}

func TestWhatIsNoRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, target := range []string{"/", "/v1", "/v1/keks/", "/v1/keks/:rotate", "/v1/keks/a/b:rotate", "/v1/keks/a%2Fb:rotate", "/v1/keks/a:b:rotate", "/v1/../v1/keks", "//v1/keks", "/v1/keks/main:rotate/", "/V1/keks"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w.do(method, target, "").want(t, NotFound)
		}
	}
	w.do(http.MethodDelete, "/v1/keks", "").want(t, NotFound)
	if n := len(w.backend.asked()); n != 0 {
		t.Errorf("the backend was asked %v", w.backend.asked())
	}
}

func TestWebPagesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.do(http.MethodPost, "/v1/keks/main:rotate", "", "Origin", "https://evil.example").want(t, Denied)
	if e := w.rec.lastDenial(t); e.Action != "kek-rotate" || e.Decision != "deny" || len(w.backend.asked()) != 0 {
		t.Errorf("recorded %+v, asked %v", e, w.backend.asked())
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	tests := []struct {
		name, method, target, body string
		want                       Code
	}{
		{"body where none is", http.MethodPost, "/v1/config:reload", "x", TooLarge},
		{"too large", http.MethodPost, "/v1/certs/entries", `{"unit":"` + strings.Repeat("x", smallDoc) + `"}`, TooLarge},
		{"nothing", http.MethodPost, "/v1/certs/entries", "", Invalid},
		{"null", http.MethodPost, "/v1/certs/entries", "null", Invalid},
		{"list", http.MethodPost, "/v1/certs/entries", "[]", Invalid},
		{"unknown name", http.MethodPost, "/v1/certs/entries", `{"spiffe":"x"}`, Invalid},
		{"other case", http.MethodPost, "/v1/certs/entries", `{"SPIFFE_ID":"x"}`, Invalid},
		{"twice", http.MethodPost, "/v1/certs/entries", `{"uid":1,"uid":0}`, Invalid},
		{"twice inside", http.MethodPost, "/v1/policy:explain", `{"with":{"a":"1","a":"2"}}`, Invalid},
		{"two values", http.MethodPost, "/v1/certs/entries", `{} {}`, Invalid},
		{"other type", http.MethodPost, "/v1/certs/entries", `{"uid":"root"}`, Invalid},
		{"negative", http.MethodPost, "/v1/certs/entries", `{"uid":-1}`, Invalid},
		{"no time", http.MethodPost, "/v1/policy:explain", `{"at":"yesterday"}`, Invalid},
		{"cut", http.MethodPost, "/v1/certs/entries", `{"uid":1`, Invalid},
		{"unknown filter", http.MethodGet, "/v1/audit/records?whom=x", "", Denied},
	}
	for _, tt := range tests {
		r := w.do(tt.method, tt.target, tt.body)
		r.want(t, tt.want)
		if strings.Contains(r.body, "Go ") || strings.Contains(r.body, "json:") || strings.Contains(r.body, "2006") {
			t.Errorf("%s: speaks of Go: %s", tt.name, r.body)
		}
	}
	if n := len(w.backend.asked()); n != 0 {
		t.Errorf("the backend was asked %v", w.backend.asked())
	}
	if r := w.do(http.MethodPost, "/v1/certs/entries", `{"spiffe_id":"spiffe://acme.ai/x","uid":7,"dns":["a","b"]}`); r.status != 200 || *w.backend.entry.UID != 7 || len(w.backend.entry.DNS) != 2 {
		t.Errorf("a good one: got %d %s", r.status, r.body)
	}
}

func TestLocalOperatorSeesNoAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.do(http.MethodGet, "/v1/audit/records", "").want(t, Denied)
	if e := w.rec.lastDenial(t); e.Reason != "no_grant" {
		t.Errorf("recorded %+v", e)
	}
	named := newWorld(t, auditorPolicy(t))
	if r := named.do(http.MethodGet, "/v1/audit/records?who=x&limit=7&since=2027-03-02T09:14:31Z", ""); r.status != http.StatusOK || named.backend.query.Who != "x" || named.backend.query.Limit != 7 {
		t.Errorf("named by the policy: got %d %s, asked %+v", r.status, r.body, named.backend.query)
	}
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "since=now", "whom=x", "who=a&who=b", "%zz"} {
		named.do(http.MethodGet, "/v1/audit/records?"+q, "").want(t, Invalid)
	}
}

func TestErrorsOfTheBackend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.backend.err = errors.New("unwrapping under arn:aws:kms:secret-place")
	r := w.do(http.MethodGet, "/v1/keks", "")
	r.want(t, Internal)
	if strings.Contains(r.body, "arn:") {
		t.Errorf("the answer tells: %s", r.body)
	}
	if last := w.rec.last(t); last.outcome.Status != 500 || !strings.Contains(last.outcome.Error, "arn:") {
		t.Errorf("outcome: %+v", last.outcome)
	}
	w.backend.err = fmt.Errorf("rotating: %w", Fail(Conflict, "a rotation is running already"))
	w.do(http.MethodPost, "/v1/keks/main:rotate", "").want(t, Conflict)
	w.backend.panic = true
	r = w.do(http.MethodPost, "/v1/keks/main:rotate", "")
	r.want(t, Internal)
	if last := w.rec.last(t); last.ends != 1 || last.outcome.Status != 500 || strings.Contains(last.outcome.Error+r.body, "secret") {
		t.Errorf("after a panic: %d outcomes, %+v", last.ends, last.outcome)
	}
}

// TestOutcomeOutlivesTheCaller: what was done is recorded though nobody waits.
func TestOutcomeOutlivesTheCaller(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	ctx, leave := context.WithCancel(context.Background())
	c := &call{s: &Server{config: Config{Audit: rec}}, row: route{
		action: "kek-rotate", change: true, timeout: time.Minute,
		do: func(context.Context, *call, []byte) (any, error) { leave(); return struct{}{}, nil },
	}}
	c.r, _ = http.NewRequestWithContext(ctx, http.MethodPost, "http://x/", nil)
	if _, err := c.act(audit.Event{AwaitOutcome: true}, nil, nil); err != nil {
		t.Errorf("the outcome was lost with the caller: %v", err)
	}
	if last := rec.last(t); last.ends != 1 || last.outcome.Status != http.StatusOK {
		t.Errorf("%d outcomes, %+v", last.ends, last.outcome)
	}
}

func TestIdempotencyKeyActsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	const add = "/v1/certs/entries"
	first := w.do(http.MethodPost, add, `{"uid":7}`, "Idempotency-Key", "k")
	again := w.do(http.MethodPost, add, `{"uid":7}`, "Idempotency-Key", "k")
	if first.status != http.StatusOK || again.body != first.body || len(w.backend.asked()) != 1 {
		t.Errorf("got %d %s, then %s, asked %v", first.status, first.body, again.body, w.backend.asked())
	}
	if last := w.rec.last(t); last.event.Detail["repeated"] != "true" || last.ends != 1 {
		t.Errorf("the repetition is recorded as %+v", last.event)
	}
	w.do(http.MethodPost, add, `{"uid":8}`, "Idempotency-Key", "k").want(t, Conflict)
	w.do(http.MethodPost, add, `{"uid":8}`, "Idempotency-Key", strings.Repeat("k", 256)).want(t, Invalid)
	w.rec.failing.end = audit.ErrDeadline
	asked := len(w.backend.asked())
	w.do(http.MethodPost, add, `{"uid":6}`, "Idempotency-Key", "unrecorded").want(t, Unavailable)
	w.rec.failing.end = nil
	if r := w.do(http.MethodPost, add, `{"uid":6}`, "Idempotency-Key", "unrecorded"); r.status != http.StatusOK || len(w.backend.asked()) != asked+1 {
		t.Errorf("what was done, but not recorded: got %d, done %d times", r.status, len(w.backend.asked())-asked)
	}
	w.backend.err = Fail(Conflict, "not now")
	w.do(http.MethodPost, add, `{"uid":9}`, "Idempotency-Key", "failed").want(t, Conflict)
	w.backend.err = nil
	if r := w.do(http.MethodPost, add, `{"uid":9}`, "Idempotency-Key", "failed"); r.status != http.StatusOK {
		t.Errorf("after a failure: got %d %s", r.status, r.body)
	}
}

// TestAnotherUser asks as a user who is neither root nor the gateway's own.
func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user: run the tests as root to include this one")
	}
	t.Parallel()
	const text = `version: 1
trust_domain: acme.ai
identities: {op: "local:uid/4242"}
roles:
  op:
    who: [op]
    can:
      - {do: [key-rotate], paths: ["gateway/keks/*"]}
      - {do: [status-read], paths: ["gateway/keyrings"]}
    cannot: {do: [key-rotate], paths: ["gateway/keks/golden"], because: it never moves}
`
	w := newWorld(t, text)
	tests := []struct {
		method, target string
		status         int
		reason         string
	}{
		{http.MethodGet, "/v1/keyrings", 200, ""},
		{http.MethodGet, "/v1/keks", 403, "no_grant"},
		{http.MethodPost, "/v1/keks/main:rotate", 200, ""},
		{http.MethodPost, "/v1/keks/golden:rotate", 403, "role_cannot"},
		{http.MethodPost, "/v1/config:reload", 403, "no_grant"},
		{http.MethodGet, "/v1/audit/records", 403, "no_grant"},
	}
	for _, tt := range tests {
		status, body := w.asUser(4242, tt.method, tt.target)
		if status != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.target, status, body, tt.status)
		}
		if tt.status != http.StatusForbidden {
			continue
		}
		if e := w.rec.lastDenial(t); e.Actor != "local:uid/4242" || e.Reason != tt.reason || !strings.Contains(body, `"reason":"`+tt.reason+`"`) {
			t.Errorf("%s %s: recorded %+v, answered %s", tt.method, tt.target, e, body)
		}
	}
	if got, want := w.backend.asked(), []string{"Keyrings", "RotateKEK main"}; !slices.Equal(got, want) {
		t.Errorf("the backend was asked %v, want %v", got, want)
	}
}

// asUser sends a request from a child process of another user.
func (w *world) asUser(uid uint32, method, target string) (int, string) {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		w.t.Fatal(err)
	}
	copied := strings.TrimSuffix(w.socket, "/s") + "/test" // go test's own folder is closed to others
	// A fork in between would keep the file open for writing: "text file busy".
	syscall.ForkLock.RLock()
	err = os.WriteFile(copied, binary, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run=^TestChildAsks$")
	cmd.Env = []string{"CONTROL_SOCKET=" + w.socket, "CONTROL_METHOD=" + method, "CONTROL_TARGET=" + target}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("asking as %d: %v %s", uid, err, out)
	}
	status, body := 0, ""
	if _, err := fmt.Sscanf(string(out), "answer %d %s", &status, &body); err != nil {
		w.t.Fatalf("child said %q: %v", out, err)
	}
	_, body, _ = strings.Cut(string(out), " ")
	return status, body
}

// TestChildAsks is the child of asUser, and nothing by itself.
func TestChildAsks(t *testing.T) {
	socket := os.Getenv("CONTROL_SOCKET")
	if socket == "" {
		return
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := http.NewRequest(os.Getenv("CONTROL_METHOD"), "http://control"+os.Getenv("CONTROL_TARGET"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(c); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	fmt.Fprintf(os.Stdout, "answer %d %s\n", res.StatusCode, body)
	if err != nil {
		t.Fatal(err)
	}
}
