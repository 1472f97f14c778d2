// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// segments are few and alike, so that random keys meet random rules.
var segments = []string{"a", "b", "ab", "a-", "a0", "B", "é", "", ".sealgate", "secret"}

func randomKeys(r *rand.Rand, n int) []string {
	keys := map[string]bool{}
	for range n {
		var parts []string
		for range 1 + r.IntN(4) {
			parts = append(parts, segments[r.IntN(len(segments))])
		}
		if key := strings.Join(parts, "/"); key != "" {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// randomPolicy grants and denies list on random patterns.
func randomPolicy(r *rand.Rand) string {
	pattern := func() string {
		words := []string{"a", "b", "ab", "a-", "*", "*", "secret"}
		parts := []string{"data"}
		for range r.IntN(3) {
			parts = append(parts, words[r.IntN(len(words))])
		}
		return `"` + strings.Join(append(parts, []string{"**", "**", "*", "a"}[r.IntN(4)]), "/") + `"`
	}
	patterns := func(n int) string {
		var out []string
		for range n {
			out = append(out, pattern())
		}
		return strings.Join(out, ", ")
	}
	text := "version: 1\ntrust_domain: acme.ai\nidentities: {me: spiffe://acme.ai/me}\nroles:\n  r:\n    who: [me]\n"
	text += "    can: [{do: [list], paths: [" + patterns(1+r.IntN(3)) + "]}]\n"
	if r.IntN(2) == 0 {
		text += "    cannot: [{do: [list], paths: [" + patterns(1+r.IntN(2)) + "]}]\n"
	}
	return text
}

// question is one listing.
type question struct {
	prefix, delimiter, after string
	max                      int
}

// bruteForce gives the names of a listing: every key decided on its own, then
// rolled up. It is what the lister must equal, whatever it asks of the store.
func bruteForce(who *policy.Principal, keys []string, q question) (names []string, more bool) {
	for _, key := range keys {
		rest, below := strings.CutPrefix(key, q.prefix)
		if !below || !who.Decide(policy.Query{Verb: policy.VerbList, Bucket: "data", Key: key, Now: testTime}).Allowed() {
			continue
		}
		name := key
		if head, _, found := strings.Cut(rest, q.delimiter); found && q.delimiter != "" {
			name = q.prefix + head + q.delimiter
		}
		if name <= q.after || len(names) > 0 && names[len(names)-1] == name {
			continue
		}
		if len(names) == q.max {
			return names, true
		}
		names = append(names, name)
	}
	return names, false
}

var testTime = time.Date(2027, 3, 2, 9, 0, 0, 0, time.UTC)

func TestListerEqualsBruteForce(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 150 {
		keys := randomKeys(r, 40)
		s := &storetest.Mem{}
		for _, key := range keys {
			body := strings.Repeat("x", int(envelope.StoredSize(3)))
			if _, err := s.Put(context.Background(), key, strings.NewReader(body), store.PutOptions{Size: int64(len(body))}); err != nil {
				t.Fatal(err)
			}
		}
		text := randomPolicy(r)
		p, faults := policy.Parse("p", []byte(text))
		if p == nil {
			t.Fatal(faults)
		}
		who := p.Principal(certs.MustParseID("spiffe://acme.ai/me"))
		for range 30 {
			q := randomQuestion(r, keys)
			got, more := listNames(t, who, s, q)
			want, wantMore := bruteForce(who, keys, q)
			if diff := cmp.Diff(want, got); diff != "" || more != wantMore {
				t.Fatalf("seed %d, round %d, %+v, more %t, want %t:\n%s\npolicy:\n%s\nkeys: %q", seed, round, q, more, wantMore, diff, text, keys)
			}
		}
	}
}

func randomQuestion(r *rand.Rand, keys []string) question {
	q := question{delimiter: []string{"", "/", "a", "b/", "é"}[r.IntN(5)], max: []int{1, 2, 3, 1000}[r.IntN(4)]}
	key := keys[r.IntN(len(keys))]
	if r.IntN(3) > 0 {
		q.prefix = key[:r.IntN(len(key)+1)]
	}
	switch after := keys[r.IntN(len(keys))]; r.IntN(3) {
	case 0:
		q.after = after
	case 1:
		q.after = after[:r.IntN(len(after)+1)]
	}
	return q
}

// listNames collects one page as the handler does.
func listNames(t *testing.T, who *policy.Principal, s store.Store, q question) (names []string, more bool) {
	t.Helper()
	l := &lister{store: s, who: who, bucket: "data", now: testTime}
	for e, err := range l.entries(context.Background(), q.prefix, q.delimiter, q.after) {
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == q.max {
			return names, true
		}
		names = append(names, e.name)
	}
	return names, false
}

func TestListerLeavesOutReservedNames(t *testing.T) {
	t.Parallel()
	s := &storetest.Mem{}
	for _, key := range []string{".sealgate", ".sealgate/keyrings/1", ".sealgate-x", "a"} {
		if _, err := s.Put(context.Background(), key, strings.NewReader(strings.Repeat("x", 400)), store.PutOptions{Size: 400}); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := policy.Parse("p", []byte(testPolicy))
	who := p.Principal(certs.MustParseID("spiffe://acme.ai/writer"))
	for _, q := range []question{{max: 10}, {delimiter: "/", max: 10}, {prefix: ".sealgate", max: 10}, {delimiter: "e", max: 10}} {
		names, _ := listNames(t, who, s, q)
		for _, name := range names {
			if name == ".sealgate" || name == ".sealgate/" || strings.HasPrefix(name, ".sealgate/") {
				t.Errorf("%+v shows %q", q, name)
			}
		}
	}
}

// TestListerAsksLittle: a listing costs calls by the pages of its answer, not
// by its lines, and none where nothing may be seen.
func TestListerAsksLittle(t *testing.T) {
	t.Parallel()
	s := storetest.NewFaulty(&storetest.Mem{}, 1)
	for i := range 200 {
		for _, key := range []string{fmt.Sprintf("d%03d/k", i), fmt.Sprintf("flat-%03d", i)} {
			if _, err := s.Put(context.Background(), key, strings.NewReader(strings.Repeat("x", 400)), store.PutOptions{Size: 400}); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, _ := policy.Parse("p", []byte(testPolicy))
	writer, tree := p.Principal(certs.MustParseID("spiffe://acme.ai/writer")), p.Principal(certs.MustParseID("spiffe://acme.ai/tree"))
	tests := []struct {
		name string
		who  *policy.Principal
		q    question
		most int
	}{
		{"directories", writer, question{delimiter: "/", max: 1000}, 1},
		{"odd delimiter", writer, question{delimiter: "-", max: 1000}, 1},
		{"flat", writer, question{max: 1000}, 1},
		{"nothing granted", tree, question{prefix: "b/c/", max: 1000}, 0},
	}
	for _, tt := range tests {
		before := s.Calls(storetest.List)
		listNames(t, tt.who, s, tt.q)
		if got := s.Calls(storetest.List) - before; got > tt.most {
			t.Errorf("%s: %d calls, want at most %d", tt.name, got, tt.most)
		}
	}
}

// asking keeps how many names were asked for in each listing.
type asking struct {
	store.Store
	max []int
}

func (a *asking) List(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	a.max = append(a.max, o.Max)
	return a.Store.List(ctx, o)
}

// TestProbe: that there is more than a full page costs no second one.
func TestProbe(t *testing.T) {
	t.Parallel()
	s := &asking{Store: &storetest.Mem{}}
	for i := range 2*listPage + 100 {
		if _, err := s.Put(context.Background(), fmt.Sprintf("m_%05d", i), strings.NewReader(strings.Repeat("x", 400)), store.PutOptions{Size: 400}); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := policy.Parse("p", []byte(testPolicy))
	who := p.Principal(certs.MustParseID("spiffe://acme.ai/writer"))
	l := lister{store: s, who: who, bucket: "data", now: time.Now()}
	n := 0
	for _, err := range l.entries(context.Background(), "", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > listPage {
			break
		}
	}
	if diff := cmp.Diff([]int{listPage, listProbe}, s.max); diff != "" {
		t.Error(diff)
	}
	s.max, n = nil, 0
	for _, err := range l.entries(context.Background(), "", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if diff := cmp.Diff([]int{listPage, listProbe, listPage, listPage}, s.max); diff != "" || n != 2*listPage+100 {
		t.Errorf("%d keys\n%s", n, diff)
	}
}

// TestRolledJumps: a common prefix with more keys than a page is jumped over.
func TestRolledJumps(t *testing.T) {
	t.Parallel()
	mem := &storetest.Mem{}
	s := storetest.NewFaulty(mem, 1)
	body := strings.Repeat("x", 400)
	for i := range 4 * listPage {
		if _, err := s.Put(context.Background(), fmt.Sprintf("m_%05d", i), strings.NewReader(body), store.PutOptions{Size: 400}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"m_\U0010FFFF\U0010FFFF", "z"} {
		if _, err := s.Put(context.Background(), key, strings.NewReader(body), store.PutOptions{Size: 400}); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := policy.Parse("p", []byte(testPolicy))
	names, _ := listNames(t, p.Principal(certs.MustParseID("spiffe://acme.ai/writer")), s, question{delimiter: "_", max: 10})
	if diff := cmp.Diff([]string{"m_", "z"}, names); diff != "" {
		t.Error(diff)
	}
	if got := s.Calls(storetest.List); got > 3 {
		t.Errorf("%d calls for a prefix of 4 pages, want at most 3", got)
	}
}

// page is what a client reads of a listing.
type page struct {
	IsTruncated           bool
	NextContinuationToken string
	NextMarker            string
	Contents              []struct{ Key string }
	CommonPrefixes        []struct{ Prefix string }
}

func (w *world) list(c *http.Client, query url.Values) page {
	w.t.Helper()
	r := w.do(c, http.MethodGet, "/data?"+query.Encode(), nil)
	var p page
	if err := xml.Unmarshal(r.body, &p); err != nil || r.status != http.StatusOK {
		w.t.Fatalf("listing %v: got %d %s %v", query, r.status, r.body, err)
	}
	return p
}

func TestPagesOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	writer, tree := w.client("/writer"), w.client("/tree")
	for _, key := range []string{"a/1", "a/2", "a/secret/x", "b/x/1", "b/y/1", "c/x/1", "top", "z"} {
		w.put(writer, "/data/"+key, []byte("x"))
	}
	for _, version := range []string{"2", "1"} {
		var got []string
		q := url.Values{"max-keys": {"2"}, "delimiter": {"/"}}
		if version == "2" {
			q.Set("list-type", "2")
		}
		for range 10 {
			p := w.list(tree, q)
			for _, o := range p.Contents {
				got = append(got, o.Key)
			}
			for _, o := range p.CommonPrefixes {
				got = append(got, o.Prefix)
			}
			if !p.IsTruncated {
				break
			}
			q.Set("continuation-token", p.NextContinuationToken)
			q.Set("marker", p.NextMarker)
			q.Del(map[string]string{"2": "marker", "1": "continuation-token"}[version])
		}
		slices.Sort(got) // within a page, keys come before prefixes
		if diff := cmp.Diff([]string{"a/", "b/", "c/", "top"}, got); diff != "" {
			t.Errorf("version %s: %s", version, diff)
		}
	}
	first := w.list(writer, url.Values{"list-type": {"2"}, "max-keys": {"2"}})
	stolen := url.Values{"list-type": {"2"}, "max-keys": {"2"}, "continuation-token": {first.NextContinuationToken}}
	w.list(writer, stolen)
	w.do(tree, http.MethodGet, "/data?"+stolen.Encode(), nil).want(t, http.StatusBadRequest, "InvalidArgument")
	stolen.Set("prefix", "a")
	w.do(writer, http.MethodGet, "/data?"+stolen.Encode(), nil).want(t, http.StatusBadRequest, "InvalidArgument")
	w.endedOnce()
}
