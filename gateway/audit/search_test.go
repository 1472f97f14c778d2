// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"models/fraud/**", "models/fraud/a", true},
		{"models/fraud/**", "models/fraud/a/b/c", true},
		{"models/fraud/**", "models/fraud", true},
		{"models/fraud/**", "models/fraud/", true},
		{"models/fraud/**", "models/fraud-x/a", false},
		{"models/*/v1", "models/a/v1", true},
		{"models/*/v1", "models/a/b/v1", false},
		{"models/**/v1", "models/a/b/v1", true},
		{"models/**/v1", "models/v1", true},
		{"**", "anything/at/all", true},
		{"**/v1", "v1", true},
		{"models/v*.bin", "models/v12.bin", true},
		{"models/v*.bin", "models/x12.bin", false},
		{"models/v*.bin", "models/v1/2.bin", false},
		{"a/**/b/**/c", "a/x/b/y/b/c", true},
		{"a/**/b/**/c", "a/x/y/c", false},
		{"models", "models", true},
		{"models", "models/a", false},
		{"", "x", true},
		{"spiffe://acme.ai/ns/**", "spiffe://acme.ai/ns/fraud/train", true},
		{"spiffe://acme.ai/ns/**", "spiffe://acme.ai.evil/ns/fraud", false},
		{strings.Repeat("**/", 50) + "x", strings.Repeat("a/", 500) + "y", false},
		{strings.Repeat("*a", 50), strings.Repeat("a", 5000) + "b", false},
	} {
		if got := newGlob(c.pattern).match(c.name); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.name, got)
		}
	}
}

// busyLog has several sealed segments and some variety; reads of the same key
// alternate with writes of another.
func busyLog(t *testing.T) (Config, time.Time) {
	t.Helper()
	c := testConfig(t)
	c.SegmentSize = 8 << 10
	now := time.Date(2027, 3, 2, 9, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { return now }
	l := mustOpen(t, c)
	for i := range 60 {
		now = now.Add(time.Minute)
		e := read(fmt.Sprintf("fraud/v%d/part", i%6))
		e.RequestID = fmt.Sprintf("REQ%d", i)
		e.ClientRequestID = fmt.Sprintf("client%d", i)
		if i%2 == 0 {
			e = write(fmt.Sprintf("churn/w%d", i))
			e.Actor = "spiffe://acme.ai/ns/churn/deploy"
		}
		end(t, begin(t, l, e))
		if i%10 == 0 {
			if _, err := l.Deny(t.Context(), refused("spiffe://acme.ai/intruder", "fraud/v1/part")); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustClose(t, l)
	r := mustVerify(t, c.Dir, VerifyOptions{})
	if r.Segments < 4 {
		t.Fatalf("%s", r)
	}
	return c, now
}

// TestSearch runs each query with the indexes and without them: the same must
// come out, and with them segments must have been passed over.
func TestSearch(t *testing.T) {
	t.Parallel()
	c, now := busyLog(t)
	bare := copyLog(t, c.Dir)
	if err := os.RemoveAll(filepath.Join(bare, indexDir)); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]struct {
		q    SearchQuery
		want int // matches that are not related ones
	}{
		"all":         {SearchQuery{}, 2 + 60 + 6},
		"who":         {SearchQuery{Who: "spiffe://acme.ai/ns/churn/**"}, 30},
		"path":        {SearchQuery{Path: "models/fraud/v1/*"}, 10 + 6},
		"subtree":     {SearchQuery{Path: "models/fraud/**"}, 30 + 6},
		"exact":       {SearchQuery{Path: "models/churn/w40"}, 1},
		"nothing":     {SearchQuery{Path: "models/churn/w41"}, 0},
		"bucket":      {SearchQuery{Path: "models/**"}, 66},
		"deny":        {SearchQuery{Decision: "deny"}, 6},
		"deny path":   {SearchQuery{Decision: "deny", Path: "models/fraud/**"}, 6},
		"request":     {SearchQuery{RequestID: "REQ17"}, 1},
		"client's":    {SearchQuery{RequestID: "client17"}, 1},
		"event":       {SearchQuery{Event: "artifact.write"}, 30},
		"event group": {SearchQuery{Event: "log.*"}, 2},
		"since":       {SearchQuery{Since: now, Event: "artifact.*"}, 1},
		"until":       {SearchQuery{Until: now.Add(-58 * time.Minute), Event: "artifact.*"}, 1 + 1},
		"mixed":       {SearchQuery{Who: "**/train", Path: "models/fraud/v3/**", Since: now.Add(-30 * time.Minute)}, 5},
	} {
		var with, without []string
		n := 0
		if err := Search(c.Dir, q.q, func(m Match) bool {
			with = append(with, string(m.Raw))
			if !m.Related {
				n++
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if err := Search(bare, q.q, func(m Match) bool { without = append(without, string(m.Raw)); return true }); err != nil {
			t.Fatal(err)
		}
		if strings.Join(with, "\n") != strings.Join(without, "\n") {
			t.Errorf("%s: %d records with indexes, %d without", name, len(with), len(without))
		}
		if n != q.want {
			t.Errorf("%s: %d matches, want %d", name, n, q.want)
		}
	}
	n := 0
	if err := Search(c.Dir, SearchQuery{}, func(Match) bool { n++; return n < 3 }); err != nil || n != 3 {
		t.Errorf("stopped after %d: %v", n, err)
	}
	if err := Search(t.TempDir(), SearchQuery{}, nil); err == nil {
		t.Error("an empty directory has no log")
	}
}

func TestSearchSkips(t *testing.T) {
	t.Parallel()
	c, now := busyLog(t)
	firsts, err := (osDisk{root: c.Dir}).list(segmentDir)
	if err != nil {
		t.Fatal(err)
	}
	nums, err := parseSegments(firsts)
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]SearchQuery{
		"request": {RequestID: "REQ17"}, "path": {Path: "models/churn/w40"}, "since": {Since: now},
		"until": {Until: now.Add(-55 * time.Minute)}, "who": {Who: "spiffe://nobody/**"},
	} {
		s := newSearch(c.Dir, q, nil)
		read := 0
		for _, first := range nums {
			if !s.skip(first) {
				read++
			}
		}
		if read > 2 {
			t.Errorf("%s: %d of %d segments would be read", name, read, len(nums))
		}
	}
}

// TestLiveLog verifies and searches a log while it is written, segments and
// checkpoints coming and going.
func TestLiveLog(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SegmentSize, c.CheckpointEvery = 16<<10, 3*time.Millisecond
	l := mustOpen(t, c)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := tryBegin(l, read(fmt.Sprint(i))); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
	}()
	held := begin(t, l, write("held"))
	for range 12 {
		r, err := Verify(c.Dir, VerifyOptions{Registered: []Registration{l.Registration()}})
		if err != nil || !r.Live || r.Open == 0 || !strings.Contains(r.String(), "still open in the running gateway") {
			t.Fatalf("%v\n%s", err, r)
		}
		n := 0
		if err := Search(c.Dir, SearchQuery{Path: "models/held"}, func(Match) bool { n++; return true }); err != nil || n != 1 {
			t.Fatalf("search: %d, %v", n, err)
		}
	}
	close(stop)
	<-done
	end(t, held)
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	r := Record{
		Version: 1, Log: "3f9c1a7e", Seq: 14, Time: time.Date(2027, 3, 2, 9, 14, 31, 5, time.UTC), Phase: PhaseDeny, Event: "artifact.write",
		Actor: "spiffe://sealgate.local/user/ana", Action: "PutObject", Bucket: "models", Key: "fraud/prod/v1.safetensors", Decision: "deny", Reason: "no_grant",
	}
	var b bytes.Buffer
	if err := WriteText(&b, Match{Record: r}); err != nil {
		t.Fatal(err)
	}
	want := "2027-03-02T09:14:31Z  3f9c1a7e/14  spiffe://sealgate.local/user/ana  PutObject  models/fraud/prod/v1.safetensors  deny  no_grant\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
	b.Reset()
	r.Key = "a\x1b[31m\nb\u202e\u009b"
	if err := WriteText(&b, Match{Record: r}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.ContainsAny(strings.TrimSuffix(s, "\n"), "\x1b\n\u202e\u009b") || !strings.Contains(s, `a\u001b[31m\u000ab\u202e\u009b`) {
		t.Errorf("%q", s)
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := NewCSV(&b)
	r := Record{Version: 1, Log: "3f9c1a7e", Seq: 3, Phase: PhaseDeny, Key: `=cmd|'/c calc'!A1`, UserAgent: "a,\"b\"\n", BytesSent: 5}
	if err := w.Write(Match{Record: r}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	head, row, _ := strings.Cut(b.String(), "\n")
	if strings.Count(head, ",") != len(csvColumns)-1 || !strings.Contains(row, `'=cmd|`) || !strings.Contains(row, `"a,""b""`) {
		t.Errorf("%s", b.String())
	}
	if len(csvCells(&r)) != len(csvColumns) {
		t.Error("columns and cells differ in number")
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	raw := []byte(`{"v":1}X`)[:7]
	if err := WriteJSON(&b, Match{Raw: raw}); err != nil || b.String() != "{\"v\":1}\n" || string(raw[:8]) != `{"v":1}X` {
		t.Errorf("%q, %v", b.String(), err)
	}
}
