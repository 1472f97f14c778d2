// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealgate/sealgate/gateway/store"
)

// fill stores the keys, without those that the backend cannot hold, list, or
// list others beside, and returns them sorted.
func fill(tb testing.TB, h Harness, s store.Store, keys []string) []string {
	tb.Helper()
	var held []string
	for _, key := range keys {
		hides := func(other string) bool { return h.Hides(key, held) || h.Hides(other, []string{key}) }
		if slices.Contains(held, key) || slices.ContainsFunc(held, hides) || h.Refuses(key, held) || h.Confuses(key) {
			continue
		}
		put(tb, s, key, key)
		held = append(held, key)
	}
	slices.Sort(held)
	return held
}

// samePage compares a page with the model's by its names.
func samePage(tb testing.TB, s store.Store, held []string, o store.ListOptions) {
	tb.Helper()
	got, err := s.List(tb.Context(), o)
	if err != nil {
		tb.Fatalf("List(%+v): %v", o, err)
	}
	onlyKeys := cmp.Transformer("Key", func(o store.Object) string { return o.Key })
	if diff := cmp.Diff(listModel(held, o), got, onlyKeys, cmpopts.EquateEmpty()); diff != "" {
		tb.Fatalf("List(%+v) of %q (-want +got):\n%s", o, held, diff)
	}
}

func testListExamples(t *testing.T, h Harness) {
	s := h.Open(t)
	held := fill(t, h, s, []string{"a/1", "a/2", "a/b/3", "a.x", "a0", "b", "c/d/e/f", "models/fraud/1", "models/fraud-x/1", "z"})
	for _, o := range []store.ListOptions{
		{},
		{Delimiter: "/"},
		{Prefix: "a"},
		{Prefix: "a", Delimiter: "/"},
		{Prefix: "a/", Delimiter: "/"},
		{Prefix: "a/b", Delimiter: "/"},
		{Prefix: "c/d", Delimiter: "/"},
		{Prefix: "nothing/"},
		{Prefix: "models/fraud", Delimiter: "/"},
		{Prefix: "models/fraud/", Delimiter: "/"},
		{StartAfter: "a/2"},
		{StartAfter: "a/", Delimiter: "/"},
		{StartAfter: "a/1", Delimiter: "/"},
		{StartAfter: "a/zzz", Delimiter: "/"},
		{StartAfter: "zz"},
		{Max: 1, Delimiter: "/"},
		{Max: 2},
		{Max: len(held)},
		{Prefix: "a/", StartAfter: "Z"},
		{Delimiter: "-"},
		{Delimiter: "fraud"},
		{Prefix: strings.Repeat("p/", 400)},
	} {
		samePage(t, s, held, o)
	}
	page, err := s.List(t.Context(), store.ListOptions{Prefix: "b"})
	if err != nil || len(page.Objects) != 1 {
		t.Fatalf("List: %+v, %v", page, err)
	}
	head, err := s.Head(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(head, page.Objects[0], cmpopts.EquateApproxTime(2*time.Second)); diff != "" {
		t.Errorf("Head and listing differ (-head +list):\n%s", diff)
	}
}

// randomKey draws a key from few letters, so that keys are prefixes of each
// other and meet at every kind of border; some segments are long.
func randomKey(r *rand.Rand) string {
	letters := []string{"a", "b", "/", "/", ".", "0", "-", "~", "=", "\u00e9", "\U0001f600", strings.Repeat("x", 190), strings.Repeat("\u00e9", 33)}
	var b strings.Builder
	for range 1 + r.IntN(7) {
		b.WriteString(letters[r.IntN(len(letters))])
	}
	return b.String()
}

// testListModel compares listings of random keys with random options against
// a sorted slice, page by page.
func testListModel(t *testing.T, h Harness) {
	// With the first seed MinIO tells an end too early.
	for _, seed := range []uint64{18240181586798779501, rand.Uint64()} { //nolint:gosec // of a test
		t.Logf("seed %d", seed)
		checkListModel(t, h, seed)
	}
}

func checkListModel(t *testing.T, h Harness, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // repeatable
	s := h.Open(t)
	keys := make([]string, 120)
	for i := range keys {
		keys[i] = randomKey(r)
	}
	held := fill(t, h, s, keys)
	for range 150 {
		o := store.ListOptions{Max: 1 + r.IntN(12)}
		if key := held[r.IntN(len(held))]; r.IntN(2) == 0 {
			o.Prefix = strings.ToValidUTF8(key[:r.IntN(len(key)+1)], "")
		}
		if o.Prefix != "" && h.Refuses(o.Prefix, nil) {
			continue // a prefix that the backend may not be able to look for
		}
		if o.Delimiter = []string{"", "/", "/", "a", "//", "\u00e9"}[r.IntN(6)]; r.IntN(3) == 0 {
			o.StartAfter = randomKey(r)
		}
		for {
			samePage(t, s, held, o)
			page := listModel(held, o)
			if !page.More {
				break
			}
			o.StartAfter = page.Next
		}
	}
}

// testListDuringWrites lists while other keys come and go: those that stay are
// always in every listing, once and in order.
func testListDuringWrites(t *testing.T, h Harness) {
	s := h.Open(t)
	var stay []string
	for i := range 20 {
		stay = append(stay, fmt.Sprintf("d%d/stay", i))
	}
	stay = fill(t, h, s, stay)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	together(3, func(i int) {
		for n := 0; ctx.Err() == nil; n++ {
			if i == 0 {
				keys, _ := allKeys(t, s, store.ListOptions{Max: 5})
				unsorted := !slices.IsSorted(keys)
				keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasSuffix(k, "stay") })
				if !slices.Equal(keys, stay) || unsorted {
					t.Errorf("a listing during writes: %q", keys)
					return
				}
				continue
			}
			key := fmt.Sprintf("d%d/go/%d", n%20, i)
			put(t, s, key, "x")
			if err := s.Delete(t.Context(), key); err != nil {
				t.Errorf("Delete(%q): %v", key, err)
			}
		}
	})
}
