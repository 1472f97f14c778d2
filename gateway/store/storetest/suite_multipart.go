// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

// RunMultipart holds a store.Multiparter to its contract.
func RunMultipart(t *testing.T, h Harness) {
	h.run(t, []test{
		{"Order", testPartOrder},
		{"Small", testSmallUploads},
		{"Resent", testResentPart},
		{"BadLists", testBadLists},
		{"TooSmall", testTooSmall},
		{"Unknown", testUnknownUpload},
		{"Abort", testAbort},
		{"Independent", testIndependentUploads},
		{"Conditions", testCompleteConditions},
		{"CompleteRace", testCompleteRace},
		{"CreateRace", testCompleteCreateRace},
		{"PartRace", testPartRace},
		{"BadBody", testBadPartBody},
		{"Options", testPartOptions},
		{"Keys", testUploadKeys},
		{"Cancelled", testCancelledUpload},
		{"Many", testManyParts},
	})
}

// uploading is one upload of a test.
type uploading struct {
	t         *testing.T
	s         store.Multiparter
	key, name string
}

func begin(t *testing.T, s store.Store, key string) *uploading {
	t.Helper()
	m := s.(store.Multiparter)
	name, err := m.CreateMultipart(t.Context(), key, "meta-"+fmt.Sprint(len(key)))
	if err != nil {
		t.Fatalf("CreateMultipart(%q): %v", key, err)
	}
	if name == "" || len(name) > store.MaxUpload {
		t.Fatalf("CreateMultipart(%q) = %q", key, name)
	}
	return &uploading{t, m, key, name}
}

// part sends a part, or ends the test.
func (u *uploading) part(number int, body string) store.PartTag {
	u.t.Helper()
	tag, err := u.s.PutPart(u.t.Context(), u.key, u.name, number, streamOf(body), int64(len(body)))
	if err != nil {
		u.t.Fatalf("part %d of %q: %v", number, u.key, err)
	}
	if tag == "" || strings.Contains(tag, `"`) {
		u.t.Fatalf("part %d of %q has the tag %q", number, u.key, tag)
	}
	return store.PartTag{Number: number, ETag: tag}
}

func (u *uploading) complete(o store.CompleteOptions, parts ...store.PartTag) (store.Object, error) {
	return u.s.CompleteMultipart(u.t.Context(), u.key, u.name, parts, o)
}

// become completes the upload, or ends the test, and holds the object to what
// it must be.
func (u *uploading) become(body string, parts ...store.PartTag) store.Object {
	u.t.Helper()
	obj, err := u.complete(store.CompleteOptions{}, parts...)
	if err != nil {
		u.t.Fatalf("completing %q: %v", u.key, err)
	}
	expect(u.t, u.s, u.key, body)
	head, err := u.s.Head(u.t.Context(), u.key)
	if err != nil {
		u.t.Fatalf("Head(%q): %v", u.key, err)
	}
	if obj.Key != u.key || obj.ETag != head.ETag || obj.Size != -1 && obj.Size != head.Size || head.Metadata != "meta-"+fmt.Sprint(len(u.key)) {
		u.t.Errorf("completing %q tells %+v, Head %+v", u.key, obj, head)
	}
	return obj
}

// streamOf is a body that can be read once and nothing else.
func streamOf(body string) io.Reader { return struct{ io.Reader }{strings.NewReader(body)} }

// full is the body of a part that any but the last may have.
func (h Harness) full(seed byte) string { return pattern(max(h.MinPart, 1000)+int(seed), seed) }

func testPartOrder(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "dir/k", "old")
	u := begin(t, s, "dir/k")
	one, two, last := h.full(1), h.full(2), "short and last"
	three := u.part(3, last) // comes first
	tags := []store.PartTag{{}, u.part(2, two), three}
	expect(t, s, "dir/k", "old")
	keys, prefixes := allKeys(t, s, store.ListOptions{})
	if !cmp.Equal(keys, []string{"dir/k"}) || len(prefixes) > 0 {
		t.Errorf("an upload is seen: %q, %q", keys, prefixes)
	}
	tags[0] = u.part(1, one)
	obj := u.become(one+two+last, tags...)
	for _, o := range []store.GetOptions{{Off: int64(len(one)) - 1, Len: 2}, {Off: -int64(len(last)) - 1}, {Off: int64(len(one)), Len: int64(len(two))}} {
		got, r, err := read(t.Context(), s, "dir/k", o)
		if want := (one + two + last)[r.Off : r.Off+r.Len]; err != nil || got != want || r.Object.ETag != obj.ETag {
			t.Errorf("range %+v over parts: %d bytes, %v", o, len(got), err)
		}
	}
	if keys, _ := allKeys(t, s, store.ListOptions{}); !cmp.Equal(keys, []string{"dir/k"}) {
		t.Errorf("listing shows %q", keys)
	}
	if err := s.Delete(t.Context(), "dir/k"); err != nil {
		t.Error(err)
	}
	expectAbsent(t, s, "dir/k")
}

func testSmallUploads(t *testing.T, h Harness) {
	s := h.Open(t)
	for _, body := range []string{"", "x"} {
		u := begin(t, s, "small"+body)
		u.become(body, u.part(1, body))
	}
	// An empty last part, numbers with gaps up to the greatest.
	full := h.full(7)
	u := begin(t, s, "gaps")
	last, first := u.part(store.MaxParts, ""), u.part(77, full)
	u.part(78, "is not listed")
	u.become(full, first, last)
}

func testResentPart(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	first, second := u.part(1, h.full(1)), u.part(1, h.full(2))
	if first.ETag == second.ETag {
		t.Error("two bodies have one tag")
	}
	_, err := u.complete(store.CompleteOptions{}, first)
	wantKind(t, "completing with a part that was replaced", err, store.ErrPart)
	expectAbsent(t, s, "k")
	u.become(h.full(2), second)
}

func testBadLists(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "k", "old")
	u := begin(t, s, "k")
	one, two := u.part(1, h.full(1)), u.part(2, h.full(2))
	for name, list := range map[string][]store.PartTag{
		"no parts":         nil,
		"a missing part":   {one, two, {Number: 3, ETag: two.ETag}},
		"another tag":      {one, {Number: 2, ETag: "00112233445566778899aabbccddeeff"}},
		"no tag":           {one, {Number: 2}},
		"tags swapped":     {{Number: 1, ETag: two.ETag}, {Number: 2, ETag: one.ETag}},
		"disorder":         {two, one},
		"a part twice":     {one, one},
		"number 0":         {{Number: 0, ETag: one.ETag}, two},
		"number too great": {one, {Number: store.MaxParts + 1, ETag: two.ETag}},
	} {
		_, err := u.complete(store.CompleteOptions{}, list...)
		wantKind(t, "completing with "+name, err, store.ErrPart)
		expect(t, s, "k", "old")
	}
	u.become(h.full(1)+h.full(2), one, two)
}

func testTooSmall(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	small, last := u.part(1, "small"), u.part(2, "last")
	_, err := u.complete(store.CompleteOptions{}, small, last)
	if h.MinPart == 0 {
		wantKind(t, "completing with a small part", err, nil)
		expect(t, s, "k", "smalllast")
		return
	}
	wantKind(t, "completing with a part that is too small", err, store.ErrPart)
	expectAbsent(t, s, "k")
	u.become("last", last)
}

func testUnknownUpload(t *testing.T, h Harness) {
	s := h.Open(t)
	m := s.(store.Multiparter)
	u := begin(t, s, "k")
	tag := u.part(1, "body")
	names := []string{
		"", "x", "b38bf68c-3a6c-4b2c-9a8a-0f6a29fbd5ee", "../x", "..", ".", "x/../y", u.name + "/../" + u.name, u.name + "x",
		strings.Repeat("A", 26), strings.Repeat("A", 2000), "a b", "a\r\nx: y", "\x00", "\u00e9",
	}
	check := func(key, name string) {
		t.Helper()
		_, err := m.PutPart(t.Context(), key, name, 1, streamOf("other"), 5)
		wantKind(t, fmt.Sprintf("PutPart(%q, %.40q)", key, name), err, store.ErrNoUpload)
		_, err = m.CompleteMultipart(t.Context(), key, name, []store.PartTag{tag}, store.CompleteOptions{})
		wantKind(t, fmt.Sprintf("CompleteMultipart(%q, %.40q)", key, name), err, store.ErrNoUpload)
		wantKind(t, fmt.Sprintf("AbortMultipart(%q, %.40q)", key, name), m.AbortMultipart(t.Context(), key, name), nil)
	}
	for _, name := range names {
		check("k", name)
	}
	check("other", u.name) // a name is good for its own key only
	check("k2", u.name)
	expectAbsent(t, s, "other")
	u.become("body", tag)
}

// noUpload is the error of a Complete of an upload that is not there, where there
// is an object.
func (h Harness) noUpload() error {
	if h.Pretends {
		return store.ErrUnavailable
	}
	return store.ErrNoUpload
}

func testAbort(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	tag := u.part(1, "body")
	for range 2 {
		if err := u.s.AbortMultipart(t.Context(), "k", u.name); err != nil {
			t.Fatalf("AbortMultipart: %v", err)
		}
	}
	_, err := u.complete(store.CompleteOptions{}, tag)
	wantKind(t, "completing after an abort", err, store.ErrNoUpload)
	_, err = u.s.PutPart(t.Context(), "k", u.name, 2, streamOf("x"), 1)
	wantKind(t, "a part after an abort", err, store.ErrNoUpload)
	expectAbsent(t, s, "k")

	u = begin(t, s, "k")
	tag = u.part(1, "body")
	u.become("body", tag)
	_, err = u.complete(store.CompleteOptions{}, tag)
	if h.Pretends {
		wantKind(t, "completing again", err, nil)
	} else {
		wantKind(t, "completing again", err, store.ErrNoUpload)
	}
	put(t, s, "k", "other")
	_, err = u.complete(store.CompleteOptions{}, tag)
	wantKind(t, "completing again when there is another object", err, h.noUpload())
	put(t, s, "k", "body")
	_, err = u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), 1)
	wantKind(t, "a part after the completion", err, store.ErrNoUpload)
	wantKind(t, "an abort after the completion", u.s.AbortMultipart(t.Context(), "k", u.name), nil)
	expect(t, s, "k", "body")
}

func testIndependentUploads(t *testing.T, h Harness) {
	s := h.Open(t)
	a, b, c := begin(t, s, "k"), begin(t, s, "k"), begin(t, s, "k")
	if a.name == b.name || b.name == c.name {
		t.Fatal("two uploads have one name")
	}
	atag, btag, ctag := a.part(1, "from a"), b.part(1, "from b"), c.part(1, "from c")
	_, err := a.complete(store.CompleteOptions{}, btag)
	wantKind(t, "completing with the part of another upload", err, store.ErrPart)
	b.become("from b", btag)
	a.become("from a", atag)
	if err := c.s.AbortMultipart(t.Context(), "k", c.name); err != nil {
		t.Error(err)
	}
	_, err = c.complete(store.CompleteOptions{}, ctag)
	wantKind(t, "completing after an abort", err, h.noUpload())
	expect(t, s, "k", "from a")
}
