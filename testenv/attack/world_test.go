// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

// shared is the gateway of all tests that do not change it. Each test has
// identities of its own below the ones of its policy, so that no test's
// denials are counted together with another's.
var shared *gate.Gate

func TestMain(m *testing.M) {
	os.Exit(gate.Main(m, gate.Options{Policy: policyText, Config: map[string]string{"limits": "{min_rate: 64KiB/s}"}},
		func(g *gate.Gate) { shared = g }))
}

const policyText = `version: 1
trust_domain: test.sealgate
identities:
  writer: spiffe://test.sealgate/writer/*
  reader: spiffe://test.sealgate/reader/*
  fetcher: spiffe://test.sealgate/fetcher/*
  creator: spiffe://test.sealgate/creator/*
  fraud: spiffe://test.sealgate/fraud/*
  tree: spiffe://test.sealgate/tree/*
  team: spiffe://test.sealgate/team/{team}
  guarded: spiffe://test.sealgate/guarded/*
roles:
  writer:
    who: [writer]
    can:
      - {do: [read, list, write, delete], paths: ["datasets/**", "models/**", "features/**", "raw/**"]}
  reader:
    who: [reader]
    can:
      - {do: [read, list], paths: ["datasets/open/**"]}
  fetcher:
    who: [fetcher]
    can:
      - {do: [read], paths: ["datasets/**"]}
  creator:
    who: [creator]
    can:
      - {do: [create, read, list], paths: ["models/new/**"]}
  fraud:
    who: [fraud]
    can:
      - {do: [read, list, write], paths: ["models/fraud/**"]}
  tree:
    who: [tree]
    can:
      - {do: [list], paths: ["raw/a/**", "raw/b/*", "raw/*/x/**", "raw/top", "raw/d/e/f/*/deep/**", "raw/b-/**"]}
      - {do: [read], paths: ["raw/z/**"]}
    cannot:
      - {do: [list], paths: ["raw/a/secret/**", "raw/*/x/hidden"], because: it is denied in the middle of what is granted}
  team:
    who: [team]
    can:
      - {do: [read, list, write], paths: ["features/{team}/**"]}
  guarded:
    who: [guarded]
    can:
      - {do: [read, write, list, delete], paths: ["models/guarded/**"]}
guardrails:
  - {name: no-golden-change, deny: [write, delete], paths: ["models/guarded/golden/**"]}
`

// id is the SPIFFE ID with a path in the gateway's trust domain.
func id(path string) string { return "spiffe://" + gate.TrustDomain + path }

// text is the body of most objects here.
const text = "the quick brown fox jumps over the lazy dog"

// put stores an object or fails the test.
func put(t testing.TB, g *gate.Gate, who, target string, body []byte) gate.Answer {
	t.Helper()
	a := g.Do(t, client(t, g, who), http.MethodPut, target, bytes.NewReader(body), int64(len(body)), nil)
	if a.Status != http.StatusOK {
		t.Fatalf("PUT %s by %s: got %d %s, want 200", target, who, a.Status, a.Body)
	}
	return a
}

var clients sync.Map // gate endpoint and path -> *http.Client

// client gives one client for an identity; all tests of it share connections.
func client(t testing.TB, g *gate.Gate, who string) *http.Client {
	t.Helper()
	key := g.Dir + who
	if c, ok := clients.Load(key); ok {
		return c.(*http.Client)
	}
	tr := &http.Transport{TLSClientConfig: g.TLS(t, g.CA.SVID(t, who, certstest.Options{})), DisableCompression: true, ExpectContinueTimeout: time.Second}
	c, _ := clients.LoadOrStore(key, &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }})
	return c.(*http.Client)
}

// dial opens a raw TLS connection that shows m.
func dial(t testing.TB, g *gate.Gate, m *certs.Material) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(g.Endpoint, "https://"), g.TLS(t, m))
	if err != nil {
		t.Fatalf("dialing: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second)) // a hang must not outlive the test
	return c
}

var materials sync.Map // path -> *certs.Material

func material(t testing.TB, g *gate.Gate, who string) *certs.Material {
	t.Helper()
	m, ok := materials.Load(g.Dir + who)
	if !ok {
		m, _ = materials.LoadOrStore(g.Dir+who, g.CA.SVID(t, who, certstest.Options{}))
	}
	return m.(*certs.Material)
}

// wire is one raw connection with its reader.
type wire struct {
	*tls.Conn
	in *bufio.Reader
}

func open(t testing.TB, g *gate.Gate, who string) *wire {
	t.Helper()
	c := dial(t, g, material(t, g, who))
	return &wire{c, bufio.NewReader(c)}
}

// send writes bytes as they stand. The gateway may have hung up already: what
// matters is what it answered.
func (w *wire) send(s string) { _, _ = io.WriteString(w, s) }

// answer reads the next answer to a request of that method.
func (w *wire) answer(method string) (gate.Answer, error) {
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return gate.Answer{}, err
	}
	defer resp.Body.Close()
	a := gate.Answer{Status: resp.StatusCode, Header: resp.Header}
	if resp.Close {
		a.Header.Set("Connection", "close") // ReadResponse takes it out
	}
	a.Body, a.Err = io.ReadAll(resp.Body)
	return a, nil
}

// closed reports whether the gateway ends the connection with nothing more to
// say.
func (w *wire) closed() bool {
	_ = w.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := w.in.Read(make([]byte, 1))
	return n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// raw sends one request as it stands on a connection of its own.
func raw(t testing.TB, g *gate.Gate, who, request string) gate.Answer {
	t.Helper()
	w := open(t, g, who)
	defer w.Close()
	w.send(request)
	method, _, _ := strings.Cut(request, " ")
	a, err := w.answer(method)
	if err != nil {
		t.Fatalf("%.80q: no answer: %v", request, err)
	}
	return a
}

// want is what a request must be answered, and what its record must say.
// Empty fields are not looked at.
type want struct {
	status   int
	code     string // S3 error code in the body, or on the record of a refusal
	reason   string
	action   string
	path     string // BUCKET/KEY on the record
	event    string
	decision string // allow or deny; default deny
	outcome  int    // status on the outcome record, of allowed requests
	abort    string // on the outcome record
	cause    string // part of the error on the outcome record
}

// denied is the most common one.
func denied(action, path string) want {
	return want{status: http.StatusForbidden, code: "AccessDenied", reason: "no_grant", action: action, path: path}
}

// refused is a request that is not understood, or not served.
func refused(status int, code string) want {
	return want{status: status, code: code, event: "request.refused"}
}

// ledger collects answers and then looks all of them up on the record, in one
// pass over the log.
type ledger struct {
	t     testing.TB
	g     *gate.Gate
	items []entry
}

type entry struct {
	name, who, request string
	want               want
}

func newLedger(t testing.TB, g *gate.Gate) *ledger {
	t.Helper()
	return &ledger{t: t, g: g}
}

// add checks an answer now and its record later.
func (l *ledger) add(name, who string, a gate.Answer, w want) {
	l.t.Helper()
	if a.Status != w.status {
		l.t.Errorf("%s: got %d %.300q, want %d", name, a.Status, a.Body, w.status)
	}
	if got := errorOf(a).Code; w.code != "" && a.Status >= 300 && len(a.Body) > 0 && got != w.code {
		l.t.Errorf("%s: got code %q, want %q: %.300q", name, got, w.code, a.Body)
	}
	if got := a.Header.Get("X-Sealgate-Reason"); w.reason != "" && got != w.reason {
		l.t.Errorf("%s: got reason %q, want %q", name, got, w.reason)
	}
	rid := a.Header.Get("X-Amz-Request-Id")
	if rid == "" {
		l.t.Errorf("%s: the answer %d has no request id", name, a.Status)
		return
	}
	if w.decision == "" {
		w.decision = "deny"
	}
	l.items = append(l.items, entry{name, who, rid, w})
}

// check looks everything up. Outcomes of reads follow their answer lazily,
// and many denials of one identity are counted each second, so it may have to
// look again.
func (l *ledger) check() {
	l.t.Helper()
	var missing []string
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if missing = l.missing(); len(missing) == 0 {
			return
		}
	}
	for _, m := range missing {
		l.t.Error(m)
	}
}

func (l *ledger) missing() []string {
	byID, outcomes, counted := l.load()
	var out []string
	for _, e := range l.items {
		r, ok := byID[e.request]
		switch {
		case !ok && e.want.decision == "deny" && counted[id(e.who)+" "+e.want.action+" "+e.want.path+" "+e.want.reason]:
		case !ok:
			out = append(out, e.name+": no record of the request")
		default:
			if wrong := e.compare(r, outcomes[r.Seq]); wrong != "" {
				out = append(out, e.name+": on the record, "+wrong)
			}
		}
	}
	return out
}

func (l *ledger) load() (byID map[string]audit.Record, outcomes map[uint64]audit.Record, counted map[string]bool) {
	byID, outcomes, counted = map[string]audit.Record{}, map[uint64]audit.Record{}, map[string]bool{}
	for _, r := range l.g.Records(l.t, audit.SearchQuery{}) {
		switch r.Phase {
		case audit.PhaseOutcome:
			outcomes[r.Of] = r
		case audit.PhaseSummary:
			for _, d := range r.Denied {
				counted[r.Actor+" "+d] = true
			}
		default:
			if r.RequestID != "" {
				byID[r.RequestID] = r
			}
		}
	}
	return byID, outcomes, counted
}

func (e entry) compare(r, outcome audit.Record) string {
	w := e.want
	for _, c := range []struct{ what, got, want string }{
		{"actor", r.Actor, id(e.who)},
		{"decision", r.Decision, w.decision},
		{"reason", r.Reason, w.reason},
		{"action", r.Action, w.action},
		{"path", r.Path(), w.path},
		{"event", r.Event, w.event},
		{"abort", outcome.Abort, w.abort},
	} {
		if c.want != "" && c.got != c.want {
			return c.what + " is " + c.got + ", want " + c.want
		}
	}
	if w.event == "request.refused" && w.code != "" && r.Detail["s3_error"] != w.code {
		return "S3 error is " + r.Detail["s3_error"] + ", want " + w.code
	}
	if !strings.Contains(outcome.Error, w.cause) {
		return "error is " + outcome.Error + ", want " + w.cause
	}
	if w.outcome != 0 && outcome.Status != w.outcome {
		return "outcome is " + http.StatusText(outcome.Status) + ", want " + http.StatusText(w.outcome)
	}
	return ""
}

// s3Error is the body of an error.
type s3Error struct {
	XMLName                    xml.Name `xml:"Error"`
	Code, Message              string
	Resource, RequestID, Extra string
}

func errorOf(a gate.Answer) s3Error {
	var e s3Error
	_ = xml.Unmarshal(a.Body, &e) // a body that is no error has no code
	return e
}

// metric is a series of /metrics by its name and labels as they stand there.
func metric(t testing.TB, g *gate.Gate, series string) string {
	t.Helper()
	resp, err := http.Get(g.Metrics + "/metrics") //nolint:noctx // ends with the gateway
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			return rest
		}
	}
	return "0"
}

// sorted is a copy in byte order.
func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
