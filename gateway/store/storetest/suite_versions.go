// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

// RunVersions holds a store.Versioner to its contract.
func RunVersions(t *testing.T, h Harness) {
	h.run(t, []test{{"None", testNoVersions}})
	if h.KeepsNoVersions {
		return
	}
	h.run(t, []test{
		{"Read", testReadVersions},
		{"Delete", testDeleteVersions},
		{"Unversioned", testUnversioned},
		{"NotFound", testVersionsNotFound},
		{"Writes", testVersionsOfWrites},
		{"Tags", testTagsOfVersions},
		{"List", testListVersions},
		{"Cancelled", testVersionsCancelled},
	})
}

// keeping returns a store that keeps versions.
func (h Harness) keeping(t *testing.T) store.Versioner {
	t.Helper()
	s := h.Open(t)
	h.Enable(t, s)
	return s.(store.Versioner)
}

// getVersion reads a version.
func getVersion(ctx context.Context, s store.Versioner, key, version string, o store.GetOptions) (string, store.Reader, error) {
	return readOf(func() (*store.Reader, error) { return s.GetVersion(ctx, key, version, o) })
}

// expectVersion ends the test unless a version holds body.
func expectVersion(t *testing.T, s store.Versioner, key, version, body string) {
	t.Helper()
	got, r, err := getVersion(t.Context(), s, key, version, store.Whole())
	if err != nil || got != body || version != "" && r.Object.VersionID != version {
		t.Fatalf("version %q of %q: %.40q, version %q, %v, want %.40q", version, key, got, r.Object.VersionID, err, body)
	}
}

// testNoVersions: a bucket that never kept versions.
func testNoVersions(t *testing.T, h Harness) {
	s := h.Open(t).(store.Versioner)
	if status, err := s.Versioning(t.Context()); err != nil || status != "" {
		t.Errorf("Versioning = %q, %v", status, err)
	}
	one := put(t, s, "k", "one")
	two := put(t, s, "k", "two")
	if one.VersionID != "" || two.VersionID != "" {
		t.Errorf("versions %q, %q", one.VersionID, two.VersionID)
	}
	expectVersion(t, s, "k", "", "two")
	if head, err := s.HeadVersion(t.Context(), "k", ""); err != nil || head.ETag != two.ETag || head.VersionID != "" {
		t.Errorf("HeadVersion = %+v, %v", head, err)
	}
	page, err := s.ListVersions(t.Context(), store.VersionListOptions{})
	if err != nil || len(page.Versions) != 1 || page.More {
		t.Fatalf("ListVersions = %+v, %v", page, err)
	}
	if v := page.Versions[0]; v.Key != "k" || v.VersionID != store.NullVersion || !v.Latest || v.Marker || v.ETag != two.ETag || v.Size != 3 {
		t.Errorf("ListVersions gives %+v", v)
	}
	for range 2 {
		if d, err := s.DeleteVersion(t.Context(), "k", ""); err != nil || d != (store.Deleted{}) {
			t.Errorf("DeleteVersion = %+v, %v", d, err)
		}
	}
	expectAbsent(t, s, "k")
}

func testReadVersions(t *testing.T, h Harness) {
	s := h.keeping(t)
	if status, err := s.Versioning(t.Context()); err != nil || status != "Enabled" {
		t.Errorf("Versioning = %q, %v", status, err)
	}
	ids := map[string]string{} // by body
	for _, body := range []string{"one", "two, longer", "", "four"} {
		obj := put(t, s, "d/k", body)
		if obj.VersionID == "" {
			t.Fatalf("Put tells %+v", obj)
		}
		for other, id := range ids {
			if id == obj.VersionID {
				t.Errorf("%q and %q are one version", other, body)
			}
		}
		ids[body] = obj.VersionID
		expect(t, s, "d/k", body)
	}
	for body, id := range ids {
		expectVersion(t, s, "d/k", id, body)
		head, err := s.HeadVersion(t.Context(), "d/k", id)
		if err != nil || head.VersionID != id || head.Size != int64(len(body)) {
			t.Errorf("HeadVersion of %q: %+v, %v", body, head, err)
		}
		if head, err := s.Head(t.Context(), "d/k"); err != nil || head.VersionID != ids["four"] {
			t.Errorf("Head: %+v, %v", head, err)
		}
		_, _, err = getVersion(t.Context(), s, "d/k", id, store.GetOptions{Len: -1, IfMatch: head.ETag})
		wantKind(t, "its own tag", err, nil)
		if id != ids["four"] {
			other, err := s.Head(t.Context(), "d/k")
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = getVersion(t.Context(), s, "d/k", id, store.GetOptions{Len: -1, IfMatch: other.ETag})
			wantKind(t, "the tag of the current version", err, store.ErrPrecondition)
		}
	}
	got, r, err := getVersion(t.Context(), s, "d/k", ids["two, longer"], store.GetOptions{Off: 5, Len: 3})
	if err != nil || got != "lon" || r.Object.Size != 11 {
		t.Errorf("range of a version: %q, %+v, %v", got, r.Object, err)
	}
	big := pattern(9<<20, 1) // more than any answer that is no object may be
	id := put(t, s, "big", big).VersionID
	put(t, s, "big", "small")
	expectVersion(t, s, "big", id, big)
}

func testDeleteVersions(t *testing.T, h Harness) {
	s := h.keeping(t)
	one, two := put(t, s, "k", "one").VersionID, put(t, s, "k", "two").VersionID
	marker, err := s.DeleteVersion(t.Context(), "k", "")
	if err != nil || !marker.Marker || marker.VersionID == "" || marker.VersionID == one || marker.VersionID == two {
		t.Fatalf("deleting: %+v, %v", marker, err)
	}
	expectAbsent(t, s, "k")
	_, _, err = read(t.Context(), s, "k", store.Whole())
	wantKind(t, "Get of what is deleted", err, store.ErrNotFound)
	if keys, _ := allKeys(t, s, store.ListOptions{}); len(keys) > 0 {
		t.Errorf("listing shows %q", keys)
	}
	_, err = s.HeadVersion(t.Context(), "k", marker.VersionID)
	wantKind(t, "HeadVersion of a marker", err, store.ErrNotFound)
	_, _, err = getVersion(t.Context(), s, "k", marker.VersionID, store.Whole())
	wantKind(t, "GetVersion of a marker", err, store.ErrNotFound)
	expectVersion(t, s, "k", one, "one")
	expectVersion(t, s, "k", two, "two")

	// Without its marker the object is there again.
	d, err := s.DeleteVersion(t.Context(), "k", marker.VersionID)
	if err != nil || d != marker {
		t.Errorf("removing the marker: %+v, %v, want %+v", d, err, marker)
	}
	expect(t, s, "k", "two")
	d, err = s.DeleteVersion(t.Context(), "k", two)
	if err != nil || d != (store.Deleted{VersionID: two}) {
		t.Errorf("removing the current version: %+v, %v", d, err)
	}
	expect(t, s, "k", "one")
	_, err = s.HeadVersion(t.Context(), "k", two)
	wantKind(t, "HeadVersion of what was removed", err, store.ErrNotFound)
	for range 2 {
		if _, err := s.DeleteVersion(t.Context(), "k", two); err != nil {
			t.Errorf("removing a version again: %v", err)
		}
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	expectAbsent(t, s, "k")
	expectVersion(t, s, "k", one, "one")
	put(t, s, "k", "three")
	expect(t, s, "k", "three")
	// A delete of what never was may make a marker: S3 does, MinIO does not.
	if err := s.Delete(t.Context(), "never"); err != nil {
		t.Error(err)
	}
	expectAbsent(t, s, "never")
}

// testUnversioned: what was written before the bucket kept versions.
func testUnversioned(t *testing.T, h Harness) {
	s := h.Open(t)
	old := put(t, s, "k", "old")
	h.Enable(t, s)
	v := s.(store.Versioner)
	id := put(t, s, "k", "new").VersionID
	expect(t, s, "k", "new")
	expectVersion(t, v, "k", store.NullVersion, "old")
	page, err := v.ListVersions(t.Context(), store.VersionListOptions{})
	if err != nil || len(page.Versions) != 2 {
		t.Fatalf("ListVersions = %+v, %v", page, err)
	}
	if n, o := page.Versions[0], page.Versions[1]; n.VersionID != id || !n.Latest || o.VersionID != store.NullVersion || o.Latest || o.ETag != old.ETag {
		t.Errorf("ListVersions gives %+v, %+v", n, o)
	}
	if _, err := v.DeleteVersion(t.Context(), "k", store.NullVersion); err != nil {
		t.Error(err)
	}
	_, err = v.HeadVersion(t.Context(), "k", store.NullVersion)
	wantKind(t, "HeadVersion of what was removed", err, store.ErrNotFound)
	expect(t, s, "k", "new")
}

func testVersionsNotFound(t *testing.T, h Harness) {
	s := h.keeping(t)
	id := put(t, s, "k", "body").VersionID
	put(t, s, "other", "other")
	for _, at := range []struct{ key, version string }{
		{"k", "nonsense"},
		{"k", "b38bf68c-3a6c-4b2c-9a8a-0f6a29fbd5ee"},
		{"other", id},
		{"absent", id},
		{"k", store.NullVersion},
		{"k", "a b"},
		{"k", "x&partNumber=1"},
		{"k", "../k"},
		{"k", "\x00"},
		{"k", "\u00e9"},
		{"k", strings.Repeat("v", 2000)},
	} {
		_, err := s.HeadVersion(t.Context(), at.key, at.version)
		wantKind(t, fmt.Sprintf("HeadVersion(%q, %.20q)", at.key, at.version), err, store.ErrNotFound)
		_, err = s.GetVersion(t.Context(), at.key, at.version, store.Whole())
		wantKind(t, fmt.Sprintf("GetVersion(%q, %.20q)", at.key, at.version), err, store.ErrNotFound)
		_, err = s.DeleteVersion(t.Context(), at.key, at.version)
		wantKind(t, fmt.Sprintf("DeleteVersion(%q, %.20q)", at.key, at.version), err, nil)
	}
	_, err := s.HeadVersion(t.Context(), "", id)
	wantKind(t, "no key", err, store.ErrKey)
	expect(t, s, "k", "body")
	expect(t, s, "other", "other")
}

// testVersionsOfWrites: uploads and copies make versions as well.
func testVersionsOfWrites(t *testing.T, h Harness) {
	s := h.keeping(t)
	first := put(t, s, "k", "first")
	u := begin(t, s, "k")
	second := u.become("second", u.part(1, "second"))
	copied, err := s.(store.Copier).Copy(t.Context(), "k", "k", store.CopyOptions{
		SourceETag: first.ETag, SourceVersion: first.VersionID, Metadata: "m",
	})
	if err != nil {
		t.Fatalf("copying an old version over the current one: %v", err)
	}
	ids := []string{first.VersionID, second.VersionID, copied.VersionID}
	if slices.Contains(ids, "") || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 3 {
		t.Fatalf("versions %q", ids)
	}
	expect(t, s, "k", "first")
	expectVersion(t, s, "k", first.VersionID, "first")
	expectVersion(t, s, "k", second.VersionID, "second")
	expectVersion(t, s, "k", copied.VersionID, "first")
	_, err = s.(store.Copier).Copy(t.Context(), "new", "k", store.CopyOptions{SourceETag: second.ETag, SourceVersion: first.VersionID})
	wantKind(t, "the tag of another version", err, store.ErrPrecondition)
	marker, err := s.DeleteVersion(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.(store.Copier).Copy(t.Context(), "new", "k", store.CopyOptions{SourceETag: first.ETag, SourceVersion: marker.VersionID})
	wantKind(t, "copying a marker", err, store.ErrNotFound)
	expectAbsent(t, s, "new")
	_, err = s.(store.Copier).Copy(t.Context(), "new", "k", store.CopyOptions{
		SourceETag: second.ETag, SourceVersion: second.VersionID, IfNoneMatch: true,
	})
	wantKind(t, "creating from an old version", err, nil)
	expect(t, s, "new", "second")
}

func testTagsOfVersions(t *testing.T, h Harness) {
	s := h.keeping(t)
	tagger := s.(store.Tagger)
	one, two := put(t, s, "k", "one").VersionID, put(t, s, "k", "two").VersionID
	a, b := []store.Tag{{Key: "a", Value: "1"}}, []store.Tag{{Key: "b", Value: "2"}}
	if err := tagger.SetTags(t.Context(), "k", one, a); err != nil {
		t.Fatal(err)
	}
	wantTags(t, s, "k")
	if err := tagger.SetTags(t.Context(), "k", two, b); err != nil {
		t.Fatal(err)
	}
	wantTags(t, s, "k", b...)
	if got, err := tagger.Tags(t.Context(), "k", one); err != nil || !slices.Equal(got, a) {
		t.Errorf("tags of the old version: %v, %v", got, err)
	}
	marker, err := s.DeleteVersion(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", marker.VersionID, "nonsense"} {
		_, err = tagger.Tags(t.Context(), "k", version)
		wantKind(t, fmt.Sprintf("tags of version %q", version), err, store.ErrNotFound)
		wantKind(t, fmt.Sprintf("tagging version %q", version), tagger.SetTags(t.Context(), "k", version, a), store.ErrNotFound)
	}
	if got, err := tagger.Tags(t.Context(), "k", two); err != nil || !slices.Equal(got, b) {
		t.Errorf("tags of a version behind a marker: %v, %v", got, err)
	}
}

func testVersionsCancelled(t *testing.T, h Harness) {
	s := h.keeping(t)
	id := put(t, s, "k", "body").VersionID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Versioning(ctx)
	wantKind(t, "Versioning", err, context.Canceled)
	_, err = s.GetVersion(ctx, "k", id, store.Whole())
	wantKind(t, "GetVersion", err, context.Canceled)
	_, err = s.HeadVersion(ctx, "k", id)
	wantKind(t, "HeadVersion", err, context.Canceled)
	_, err = s.DeleteVersion(ctx, "k", id)
	wantKind(t, "DeleteVersion", err, context.Canceled)
	_, err = s.ListVersions(ctx, store.VersionListOptions{})
	wantKind(t, "ListVersions", err, context.Canceled)
	expectVersion(t, s, "k", id, "body")
}
