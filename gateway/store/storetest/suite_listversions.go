// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealgate/sealgate/gateway/store"
)

// testListVersions compares pages of all sizes with what was written.
func testListVersions(t *testing.T, h Harness) {
	s := h.keeping(t)
	model := new(Mem)
	model.Versioned = true
	keys := []string{"a", "a-b", "b/x", "b/y-1", "b/y-2", "c/", "caf\u00e9 +", "d/e/f", "z"}
	keys = slices.DeleteFunc(keys, func(key string) bool { return h.Refuses(key, keys) || h.Confuses(key) })
	names := map[string]string{} // of the model's versions
	for round := range 3 {
		for i, key := range keys {
			if round > 0 && i%2 == round%2 {
				d, err := s.DeleteVersion(t.Context(), key, "")
				m, merr := model.DeleteVersion(t.Context(), key, "")
				if err != nil || merr != nil {
					t.Fatal(err, merr)
				}
				names[m.VersionID] = d.VersionID
			}
			body := strings.Repeat("x", round+i)
			names[put(t, model, key, body).VersionID] = put(t, s, key, body).VersionID
		}
	}
	for _, o := range []store.VersionListOptions{
		{},
		{Prefix: "b/"},
		{Prefix: "b"},
		{Delimiter: "/"},
		{Prefix: "b/", Delimiter: "/"},
		{Delimiter: "-"},
		{Prefix: "b/", Delimiter: "-"},
		{KeyMarker: "a"},
		{KeyMarker: "b/"},
		{KeyMarker: "b/", Delimiter: "/"},
		{KeyMarker: "b/x", Delimiter: "/"},
		{KeyMarker: "zz"},
		{Prefix: "none"},
		{Prefix: "d/", Delimiter: "/", KeyMarker: "d/"},
	} {
		for _, limit := range []int{0, 1, 2, 3, 7} {
			o.Max = limit
			want := allVersions(t, model, o)
			for i, v := range want {
				if v.VersionID != "" {
					want[i].VersionID = names[v.VersionID]
				}
			}
			got := allVersions(t, s, o)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(store.Version{}, "ETag", "LastModified")); diff != "" {
				t.Errorf("ListVersions(%+v) (-want +got):\n%s", o, diff)
			}
		}
	}
}

// allVersions lists page after page, common prefixes as versions without an id.
func allVersions(t *testing.T, s store.Versioner, o store.VersionListOptions) []store.Version {
	t.Helper()
	var all []store.Version
	for range 1000 {
		page, err := s.ListVersions(t.Context(), o)
		if err != nil {
			t.Fatalf("ListVersions(%+v): %v", o, err)
		}
		if n := len(page.Versions) + len(page.Prefixes); o.Max > 0 && n > o.Max || page.More && n == 0 {
			t.Fatalf("ListVersions(%+v): a page of %d", o, n)
		}
		for _, v := range page.Versions {
			if (v.ETag == "") != v.Marker || v.LastModified.IsZero() {
				t.Errorf("ListVersions gives %+v", v)
			}
		}
		for _, prefix := range page.Prefixes {
			page.Versions = append(page.Versions, store.Version{Object: store.Object{Key: prefix}})
		}
		slices.SortStableFunc(page.Versions, func(a, b store.Version) int { return strings.Compare(a.Key, b.Key) })
		all = append(all, page.Versions...)
		if !page.More {
			return all
		}
		o.KeyMarker, o.VersionMarker = page.NextKey, page.NextVersion
	}
	t.Fatalf("ListVersions(%+v) does not end", o)
	return nil
}
