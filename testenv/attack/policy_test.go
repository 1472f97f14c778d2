// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

// empty is a policy under which nobody may do anything.
const empty = "version: 1\ntrust_domain: test.sealgate\n"

// swap puts a policy in place of the file at once, as an editor would.
func swap(t *testing.T, g *gate.Gate, text string) {
	t.Helper()
	temp := filepath.Join(g.Dir, "next-policy.yaml")
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, g.PolicyFile()); err != nil {
		t.Fatal(err)
	}
}

// served is every operation that is served, as a request.
func served(key string) map[string]string {
	return map[string]string{
		"GetObject": get("/models/" + key), "HeadObject": strings.Replace(get("/models/"+key), "GET", "HEAD", 1),
		"PutObject":    strings.Replace(putRaw("/models/"+key, text), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1),
		"DeleteObject": strings.Replace(get("/models/"+key+"-gone"), "GET", "DELETE", 1), "ListObjectsV2": get("/models?list-type=2"), "ListObjects": get("/models"),
		"HeadBucket": strings.Replace(get("/models"), "GET", "HEAD", 1), "GetBucketLocation": get("/models?location"), "ListBuckets": get("/"),
	}
}

// Taking all rules away ends every operation, also on connections that are
// open, within two seconds and without a word to the gateway.
func TestRevocation(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	who := "/writer/revoked"
	put(t, g, who, "/models/k", []byte(text))
	for action, request := range served("k") {
		if a := raw(t, g, who, request); a.Status/100 != 2 {
			t.Fatalf("%s before: got %d %s", action, a.Status, a.Body)
		}
	}
	kept := open(t, g, who)
	kept.send(get("/models/k"))
	if a, err := kept.answer(http.MethodGet); err != nil || a.Status != http.StatusOK {
		t.Fatalf("got %d, %v", a.Status, err)
	}
	swap(t, g, empty)
	time.Sleep(2500 * time.Millisecond)
	l := newLedger(t, g)
	for action, request := range served("k") {
		path := map[bool]string{true: "models/k", false: "models"}[strings.Contains(action, "etObject") || strings.HasPrefix(action, "HeadObject") || action == "PutObject"]
		switch action {
		case "DeleteObject":
			path = "models/k-gone"
		case "ListBuckets":
			path = ""
		}
		l.add(action, who, raw(t, g, who, request), denied(action, path))
	}
	kept.send(get("/models/k"))
	a, err := kept.answer(http.MethodGet)
	if err != nil {
		t.Fatal(err)
	}
	l.add("on an open connection", who, a, denied("GetObject", "models/k"))
	l.check()
	swap(t, g, policyText)
	expectSoon(t, func() bool { return raw(t, g, who, get("/models/k")).Status == http.StatusOK }, "the rights that were given back")
}

// broken are policies that must not come into force. Each would let nobody
// in, so that one that did would show.
var broken = map[string]string{
	"no YAML":              "version: 1\ntrust_domain: [",
	"empty":                "",
	"half written":         policyText[:len(policyText)/3],
	"unknown key":          empty + "rolez: {}\n",
	"key twice":            empty + "roles: {}\nroles: {}\n",
	"unknown verb":         empty + "identities: {a: spiffe://test.sealgate/a}\nroles: {a: {who: [a], can: [{do: [everything], paths: [\"models/**\"]}]}}\n",
	"unknown identity":     empty + "roles: {a: {who: [b], can: [{do: [read], paths: [\"models/**\"]}]}}\n",
	"another trust domain": "version: 1\ntrust_domain: evil.example\n",
	"a foreign pattern":    empty + "identities: {a: spiffe://evil.example/a}\n",
	"a later version":      "version: 2\ntrust_domain: test.sealgate\n",
	"an anchor":            empty + "identities: &a {a: spiffe://test.sealgate/a}\n",
	"two documents":        empty + "---\n" + empty,
	"not UTF-8":            empty + "# \xff\n",
	"reserved name":        empty + "identities: {a: spiffe://test.sealgate/a}\nroles: {a: {who: [a], can: [{do: [read], paths: [\"models/.sealgate/**\"]}]}}\n",
	"the gateway's own ID": empty + "identities: {a: spiffe://test.sealgate/gateway}\nroles: {a: {who: [a], can: [{do: [read], paths: [\"models/**\"]}]}}\n",
	"a time zone of nowhere": empty + "identities: {a: spiffe://test.sealgate/a}\n" +
		"roles: {a: {who: [a], can: [{do: [read], paths: [\"models/**\"], when: {days: mon, tz: No/Where}}]}}\n",
}

// A policy with a fault never comes into force, by a signal or by itself, and
// the gateway says so; the one in force stays.
func TestBrokenPolicies(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	put(t, g, "/writer/broken", "/models/k", []byte(text))
	said := 0
	for name, text := range broken {
		before := len(g.Log())
		swap(t, g, text)
		g.Hup(t)
		expectSoon(t, func() bool { return strings.Contains(g.Log()[before:], "the running config stays in force") }, name+": a line that says so")
		said++
		if a := raw(t, g, "/writer/broken", get("/models/k")); a.Status != http.StatusOK {
			t.Errorf("%s: got %d, want 200 under the policy that was in force", name, a.Status)
		}
	}
	if err := os.Remove(g.PolicyFile()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond) // the file is looked at each second
	if a := raw(t, g, "/writer/broken", get("/models/k")); a.Status != http.StatusOK {
		t.Errorf("no file: got %d, want 200 under the policy that was in force", a.Status)
	}
	failed := 0
	intents := map[uint64]bool{}
	for _, r := range g.Records(t, audit.SearchQuery{Event: "config.reload"}) {
		if intents[r.Seq] = r.Phase == audit.PhaseIntent; r.Phase == audit.PhaseOutcome && r.Error != "" {
			failed++
		}
	}
	if failed < said {
		t.Errorf("%d failed reloads are on the record, want at least %d", failed, said)
	}
	// A good one comes into force again, by itself, within two seconds.
	swap(t, g, empty)
	start := time.Now()
	expectSoon(t, func() bool { return raw(t, g, "/writer/broken", get("/models/k")).Status == http.StatusForbidden }, "the good policy")
	if took := time.Since(start); took > 4*time.Second { // two, on a machine that does nothing else
		t.Errorf("the good policy took %s", took)
	}
}

// Requests that race reloads see one policy or the other, whole: what both
// allow is never refused, what both refuse never allowed.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	always := strings.Replace(policyText, "datasets/open/**", "datasets/racing/**", 1)
	other := strings.Replace(always, "models/new/**", "models/newer/**", 1)
	g := gate.Start(t, gate.Options{Policy: always})
	put(t, g, "/writer/racing", "/datasets/racing/a", []byte(text))
	put(t, g, "/writer/racing", "/datasets/never/a", []byte(text))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var n atomic.Int64
	for i := range 3 {
		c := client(t, g, fmt.Sprintf("/reader/racing%d", i))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a, err := g.Try(c, http.MethodGet, "/datasets/racing/a", nil, 0, nil); err != nil || a.Status != http.StatusOK {
					t.Errorf("what both allow: got %d %s, %v", a.Status, a.Body, err)
					return
				}
				if a, err := g.Try(c, http.MethodHead, "/datasets/never/a", nil, 0, nil); err != nil || a.Status != http.StatusForbidden {
					t.Errorf("what both refuse: got %d, %v", a.Status, err)
					return
				}
				n.Add(1)
			}
		})
	}
	for i := range 12 {
		swap(t, g, map[bool]string{true: other, false: always}[i%2 == 0])
		g.Hup(t)
		time.Sleep(150 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	if n.Load() < 20 {
		t.Errorf("only %d requests raced", n.Load())
	}
	digests := map[string]bool{}
	for _, r := range g.Records(t, audit.SearchQuery{Who: id("/reader/*")}) {
		if r.Decision != "" && r.Phase != audit.PhaseSummary {
			digests[r.PolicyDigest] = true
		}
	}
	if len(digests) != 2 {
		t.Errorf("the records name %d policies, want 2", len(digests))
	}
}

// Hours and days are those of the zone that the rule names.
func TestHours(t *testing.T) {
	t.Parallel()
	rule := func(when string) string {
		return empty + `identities: {a: "spiffe://test.sealgate/hours/*", w: "spiffe://test.sealgate/writer/*"}
roles:
  w: {who: [w], can: [{do: [write], paths: ["models/**"]}]}
  a: {who: [a], can: [{do: [read], paths: ["models/**"], when: ` + when + `}]}
`
	}
	now := time.Now().UTC()
	hours := func(from, to time.Duration) string {
		return `{hours: "` + now.Add(from).Format("15:04") + "-" + now.Add(to).Format("15:04") + `", tz: UTC}`
	}
	day := func(d int) string {
		return strings.ToLower(now.AddDate(0, 0, d).Weekday().String()[:3])
	}
	g := gate.Start(t, gate.Options{Policy: rule(hours(-2*time.Hour, 2*time.Hour))})
	put(t, g, "/writer/hours", "/models/k", []byte(text))
	l := newLedger(t, g)
	for i, c := range []struct {
		when string
		want want
	}{
		{hours(-2*time.Hour, 2*time.Hour), want{status: http.StatusOK, decision: "allow"}},
		{hours(2*time.Hour, 4*time.Hour), want{status: http.StatusForbidden, reason: "outside_hours", action: "GetObject", path: "models/k"}},
		{hours(-4*time.Hour, -2*time.Hour), want{status: http.StatusForbidden, reason: "outside_hours"}},
		{"{days: [" + day(2) + ", " + day(3) + "], tz: UTC}", want{status: http.StatusForbidden, reason: "outside_hours"}},
		{"{days: [" + day(-1) + ", " + day(0) + ", " + day(1) + "], tz: UTC}", want{status: http.StatusOK, decision: "allow"}},
		{"{mfa: true}", want{status: http.StatusForbidden, reason: "condition_unmet"}},
		{"{login_within: 15m}", want{status: http.StatusForbidden, reason: "condition_unmet"}},
	} {
		before := reloads(t, g)
		swap(t, g, rule(c.when))
		g.Hup(t)
		expectSoon(t, func() bool { return reloads(t, g) > before }, "a reload")
		who := "/hours/" + itoa(i)
		l.add(c.when, who, raw(t, g, who, get("/models/k")), c.want)
	}
	l.check()
}

// reloads counts those that are complete.
func reloads(t *testing.T, g *gate.Gate) int {
	t.Helper()
	return len(outcomes(t, g, "local:gateway", "config-reload"))
}

// Who may only create can never overwrite, whatever condition is sent; who
// may only do some things can do no other.
func TestCreateOnly(t *testing.T) {
	t.Parallel()
	who := "/creator/only"
	put(t, shared, "/writer/only", "/models/new/there", []byte(text))
	etag := raw(t, shared, who, get("/models/new/there")).Header.Get("ETag")
	l := newLedger(t, shared)
	send := func(key, header string) gate.Answer {
		return raw(t, shared, who, "PUT /models/new/"+key+" HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"+header+"\r\n\r\nevil")
	}
	l.add("create", who, send("fresh", "If-None-Match: *"), want{status: http.StatusOK, decision: "allow", action: "PutObject", path: "models/new/fresh"})
	l.add("create again", who, send("fresh", "If-None-Match: *"), want{status: http.StatusPreconditionFailed, decision: "allow", outcome: http.StatusPreconditionFailed})
	l.add("create over", who, send("there", "If-None-Match: *"), want{status: http.StatusPreconditionFailed, decision: "allow"})
	l.add("overwrite", who, send("there", "X-A: b"), denied("PutObject", "models/new/there"))
	l.add("overwrite what matches", who, send("there", "If-Match: "+etag), denied("PutObject", "models/new/there"))
	l.add("write what is new", who, send("other", "X-A: b"), denied("PutObject", "models/new/other"))
	l.add("two conditions", who, send("there", "If-None-Match: *\r\nIf-Match: "+etag), refused(http.StatusNotImplemented, "NotImplemented"))
	l.add("delete", who, raw(t, shared, who, strings.Replace(get("/models/new/there"), "GET", "DELETE", 1)), denied("DeleteObject", "models/new/there"))
	l.add("elsewhere", who, raw(t, shared, who, "PUT /models/old/x HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 4\r\n\r\nevil"), denied("PutObject", "models/old/x"))
	l.check()
	for key, want := range map[string]string{"there": text, "fresh": "evil"} {
		if a := raw(t, shared, who, get("/models/new/"+key)); string(a.Body) != want {
			t.Errorf("%s holds %q", key, a.Body)
		}
	}
	// Many that create the same key at once: one wins.
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		c := client(t, shared, "/creator/race"+itoa(i%4))
		wg.Go(func() {
			body := strings.Repeat(string(rune('a'+i)), 100_000)
			a, err := shared.Try(c, http.MethodPut, "/models/new/race", strings.NewReader(body), int64(len(body)), http.Header{"If-None-Match": {"*"}})
			switch {
			case err != nil:
				t.Error(err)
			case a.Status == http.StatusOK:
				won.Add(1)
			case a.Status != http.StatusPreconditionFailed:
				t.Errorf("racing create: got %d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	a := raw(t, shared, who, get("/models/new/race"))
	if won.Load() != 1 || len(a.Body) != 100_000 || strings.Trim(string(a.Body), string(a.Body[:1])) != "" {
		t.Errorf("%d of the racing creates won, and %d bytes are there", won.Load(), len(a.Body))
	}
}

// A guardrail and a role's cannot win over every grant.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	who := "/guarded/a"
	put(t, shared, "/writer/golden", "/models/guarded/silver", []byte(text))
	l := newLedger(t, shared)
	for _, by := range []string{who, "/writer/golden"} {
		a := raw(t, shared, by, putRaw("/models/guarded/golden/x", "evil"))
		l.add("write", by, a, want{status: http.StatusForbidden, code: "AccessDenied", reason: "guardrail", action: "PutObject", path: "models/guarded/golden/x"})
		a = raw(t, shared, by, "PUT /models/guarded/golden/x HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 4\r\n\r\nevil")
		l.add("create", by, a, want{status: http.StatusForbidden, reason: "guardrail", action: "PutObject"})
		a = raw(t, shared, by, strings.Replace(get("/models/guarded/golden/x"), "GET", "DELETE", 1))
		l.add("delete", by, a, want{status: http.StatusForbidden, reason: "guardrail", action: "DeleteObject"})
		l.add("beside", by, raw(t, shared, by, get("/models/guarded/silver")), wantAllowed("GetObject"))
	}
	l.check()
}
