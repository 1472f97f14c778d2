// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecovery: intents without outcome get one at the next start; changes
// are handed out until they are reconciled, also over several starts.
func TestRecovery(t *testing.T) {
	t.Parallel()
	dir, _, _ := crashed(t, func(l *Log) {
		whole, ranged := read("whole"), read("ranged")
		whole.BytesPlanned, ranged.Range = 1000, "bytes=5-9"
		p := begin(t, l, whole)
		p.Progress(700)
		begin(t, l, ranged)
		begin(t, l, write("w1"))
		begin(t, l, write("w2"))
		end(t, begin(t, l, write("done")))
	})
	if r := mustVerify(t, dir, VerifyOptions{}); r.Open != 4 || !strings.Contains(r.String(), "4 intents without outcome until the next start recovers them") {
		t.Errorf("%s", r)
	}
	c := configAt(t, dir)
	l := mustOpen(t, c)
	u := l.Unfinished()
	if len(u) != 2 || u[0].Record.Key != "w1" || u[1].Record.Key != "w2" {
		t.Fatalf("unfinished: %+v", u)
	}
	got := recoveries(t, dir)
	want := []Record{
		{BytesSent: 700, BytesMax: 1000, RangeMax: wholeObject, Result: resultUnknown, Abort: AbortCrash},
		{RangeMax: "bytes=5-9", Result: resultUnknown, Abort: AbortCrash},
		{Result: resultUnknown, Reconciled: ReconciledPending, Abort: AbortCrash},
		{Result: resultUnknown, Reconciled: ReconciledPending, Abort: AbortCrash},
	}
	if len(got) != len(want) {
		t.Fatalf("%d recovery records, want %d", len(got), len(want))
	}
	for i, r := range got {
		w := want[i]
		if r.BytesSent != w.BytesSent || r.BytesMax != w.BytesMax || r.RangeMax != w.RangeMax || r.Result != w.Result || r.Reconciled != w.Reconciled || r.Abort != w.Abort {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if err := l.Reconcile(t.Context(), u[0], ReconciledPresent); err != nil {
		t.Fatal(err)
	}
	if err := l.Reconcile(t.Context(), u[0], ReconciledPresent); err == nil {
		t.Error("reconciled twice")
	}
	if err := l.Reconcile(t.Context(), u[1], ReconciledPending); err == nil {
		t.Error("pending is no result")
	}
	mustClose(t, l)
	if r := mustVerify(t, dir, VerifyOptions{}); r.Unsettled != 1 || !strings.Contains(r.String(), "1 change to be reconciled") {
		t.Errorf("%s", r)
	}
	l = mustOpen(t, c)
	u = l.Unfinished()
	if len(u) != 1 || u[0].Record.Key != "w2" {
		t.Fatalf("second start: %+v", u)
	}
	if err := l.Reconcile(t.Context(), u[0], ReconciledAbsent); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if r := mustVerify(t, dir, VerifyOptions{}); r.Unsettled != 0 || r.Open != 0 {
		t.Errorf("%s", r)
	}
}

func recoveries(t *testing.T, dir string) []Record {
	t.Helper()
	var out []Record
	err := Search(dir, SearchQuery{}, func(m Match) bool {
		if m.Record.Result == resultUnknown {
			out = append(out, m.Record)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRecoveryOfOldIntents: what is open lies in segments that the start does
// not replay; the skip indexes carry it, and a start without them agrees.
func TestRecoveryOfOldIntents(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SegmentSize, c.VerifyAtOpen = 4<<10, 1
	l := mustOpen(t, c)
	begin(t, l, write("old"))
	begin(t, l, read("old"))
	for i := range 100 {
		end(t, begin(t, l, read(fmt.Sprint(i))))
		if i%40 == 0 {
			l.checkpoint()
		}
	}
	end(t, begin(t, l, write("last"))) // takes the lazy outcomes with it
	waitFor(t, func() bool {           // until all but the last are sealed
		segs, err1 := filepath.Glob(filepath.Join(c.Dir, segmentDir, "*"))
		skips, err2 := filepath.Glob(filepath.Join(c.Dir, indexDir, "*.skip"))
		return errors.Join(err1, err2) == nil && len(segs) > 5 && len(skips) == len(segs)-1
	})
	l.checkpoint()
	dir := copyLog(t, c.Dir)
	bare := copyLog(t, c.Dir)
	mustClose(t, l)
	if err := os.RemoveAll(filepath.Join(bare, indexDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(bare, tileDir)); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]string{"with indexes": dir, "without indexes and tiles": bare} {
		l := mustOpen(t, at(c, d))
		if u := l.Unfinished(); len(u) != 1 || u[0].Record.Key != "old" {
			t.Errorf("%s: %+v", name, u)
		}
		if got := recoveries(t, d); len(got) != 2 {
			t.Errorf("%s: %d recovery records", name, len(got))
		}
		mustClose(t, l)
		r := mustVerify(t, d, VerifyOptions{})
		if len(r.Notes) != 1 || r.Unsettled != 1 {
			t.Errorf("%s: %s", name, r)
		}
	}
}
