// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
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

func testCompleteConditions(t *testing.T, h Harness) {
	s := h.Open(t)
	stale := put(t, s, "k", "one")
	put(t, s, "k", "two")
	for _, tt := range []struct {
		name, key string
		o         store.CompleteOptions
		want      error
	}{
		{"create what is there", "k", store.CompleteOptions{IfNoneMatch: true}, store.ErrPrecondition},
		{"stale tag", "k", store.CompleteOptions{IfMatch: stale.ETag}, store.ErrPrecondition},
		{"foreign tag", "k", store.CompleteOptions{IfMatch: "00000000000000000000000000000000"}, store.ErrPrecondition},
		{"tag of what is not there", "absent", store.CompleteOptions{IfMatch: stale.ETag}, store.ErrPrecondition},
		{"two conditions", "k", store.CompleteOptions{IfMatch: stale.ETag, IfNoneMatch: true}, store.ErrOptions},
	} {
		u := begin(t, s, tt.key)
		_, err := u.complete(tt.o, u.part(1, "three"))
		wantKind(t, tt.name, err, tt.want)
		wantKind(t, tt.name+", abort", u.s.AbortMultipart(t.Context(), tt.key, u.name), nil)
	}
	expect(t, s, "k", "two")
	expectAbsent(t, s, "absent")

	u := begin(t, s, "new")
	_, err := u.complete(store.CompleteOptions{IfNoneMatch: true}, u.part(1, "three"))
	wantKind(t, "create", err, nil)
	head, err := s.Head(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	u, v := begin(t, s, "k"), begin(t, s, "k")
	_, err = u.complete(store.CompleteOptions{IfMatch: head.ETag}, u.part(1, "three"))
	wantKind(t, "current tag", err, nil)
	_, err = v.complete(store.CompleteOptions{IfMatch: head.ETag}, v.part(1, "four"))
	wantKind(t, "the tag before", err, store.ErrPrecondition)
	expect(t, s, "new", "three")
	expect(t, s, "k", "three")
	// The tag of what an upload made is one that a Put can match.
	head, err = s.Head(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Put(t.Context(), "k", strings.NewReader("five"), store.PutOptions{Size: 4, IfMatch: head.ETag})
	wantKind(t, "Put with the tag of an upload", err, nil)
}

// testCompleteRace completes one upload several times at once.
func testCompleteRace(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	parts := []store.PartTag{u.part(1, h.full(1)), u.part(2, "end")}
	var wins atomic.Int32
	tags := make([]string, 4)
	together(len(tags), func(i int) {
		obj, err := u.complete(store.CompleteOptions{}, parts...)
		switch {
		case err == nil:
			wins.Add(1)
			tags[i] = obj.ETag
		case !errors.Is(err, store.ErrNoUpload) && !errors.Is(err, store.ErrPart) && !errors.Is(err, store.ErrUnavailable):
			t.Errorf("losing Complete: %v", err)
		}
	})
	tags = slices.Compact(slices.DeleteFunc(tags, func(tag string) bool { return tag == "" }))
	if wins.Load() < 1 || wins.Load() > 1 && !h.Pretends || len(tags) != 1 {
		t.Errorf("%d of 4 Completes of one upload succeeded, with the tags %q", wins.Load(), tags)
	}
	expect(t, s, "k", h.full(1)+"end")
}

// testCompleteCreateRace completes several uploads of one key that is to be
// new, beside a Put that wants the same.
func testCompleteCreateRace(t *testing.T, h Harness) {
	s := h.Open(t)
	for round := range 3 {
		key := fmt.Sprintf("race/%d", round)
		var uploads [4]*uploading
		var tags [4]store.PartTag
		for i := range uploads {
			uploads[i] = begin(t, s, key)
			tags[i] = uploads[i].part(1, pattern(1000, byte(i)))
		}
		var wins atomic.Int32
		var winner atomic.Int32
		together(5, func(i int) {
			var err error
			if i < len(uploads) {
				_, err = uploads[i].complete(store.CompleteOptions{IfNoneMatch: true}, tags[i])
			} else {
				_, err = s.Put(t.Context(), key, strings.NewReader(pattern(1000, byte(i))), store.PutOptions{Size: 1000, IfNoneMatch: true})
			}
			switch {
			case err == nil:
				wins.Add(1)
				winner.Store(int32(i))
			case !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrUnavailable):
				t.Errorf("losing create: %v", err)
			}
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of 5 creates of one key succeeded", wins.Load())
		}
		expect(t, s, key, pattern(1000, byte(winner.Load())))
	}
}

// testPartRace sends parts at once, one number several times: one of those is
// left, and the tags tell which.
func testPartRace(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	var tags [5]store.PartTag
	together(len(tags), func(i int) {
		number := max(i, 2) // 2 three times
		body := pattern(max(h.MinPart, 100_000), byte(i))
		tag, err := u.s.PutPart(t.Context(), "k", u.name, number, streamOf(body), int64(len(body)))
		if err != nil {
			t.Errorf("part %d: %v", number, err)
		}
		tags[i] = store.PartTag{Number: number, ETag: tag}
	})
	left := 0
	for i := range 3 {
		if _, err := u.complete(store.CompleteOptions{}, tags[i], tags[3], tags[4]); err == nil {
			size := max(h.MinPart, 100_000)
			expect(t, s, "k", pattern(size, byte(i))+pattern(size, 3)+pattern(size, 4))
			left++
		} else if !errors.Is(err, store.ErrPart) && !errors.Is(err, store.ErrNoUpload) && !errors.Is(err, h.noUpload()) {
			t.Errorf("completing with try %d of part 2: %v", i, err)
		}
	}
	if left != 1 {
		t.Errorf("%d of three parts of one number were left", left)
	}
}

func testBadPartBody(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	const size = 300_000
	body := pattern(size, 3)
	good := u.part(1, "good")
	for _, tt := range []struct {
		name string
		body io.Reader
		want error
	}{
		{"fails at once", failing(body, 0, errBody), errBody},
		{"fails in the middle", failing(body, size/2, errBody), errBody},
		{"fails before the last byte", failing(body, size-1, errBody), errBody},
		{"fails after the last byte", failing(body, size, errBody), errBody},
		{"is empty", streamOf(""), store.ErrLength},
		{"is one byte short", streamOf(body[1:]), store.ErrLength},
		{"is one byte long", streamOf(body + "x"), store.ErrLength},
		{"breaks off", failing(body, size/3, io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
	} {
		_, err := u.s.PutPart(t.Context(), "k", u.name, 1, tt.body, size)
		wantKind(t, "a part whose body "+tt.name, err, tt.want)
	}
	_, err := u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), 0)
	wantKind(t, "something for nothing", err, store.ErrLength)
	u.become("good", good)
}

func testPartOptions(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	for _, number := range []int{0, -1, store.MaxParts + 1} {
		_, err := u.s.PutPart(t.Context(), "k", u.name, number, streamOf("x"), 1)
		wantKind(t, fmt.Sprintf("part %d", number), err, store.ErrOptions)
	}
	_, err := u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), -1)
	wantKind(t, "negative size", err, store.ErrOptions)
	_, err = u.s.PutPart(t.Context(), "k", u.name, 1, streamOf("x"), store.MaxPart+1)
	wantKind(t, "more than a part may have", err, store.ErrTooLarge)
	for _, metadata := range []string{strings.Repeat("m", store.MaxMetadata+1), "a b", "a\r\nx: y", "\u00e9"} {
		_, err = u.s.CreateMultipart(t.Context(), "k", metadata)
		wantKind(t, fmt.Sprintf("metadata %.10q", metadata), err, store.ErrOptions)
	}
	name, err := u.s.CreateMultipart(t.Context(), "k", strings.Repeat("m", store.MaxMetadata))
	wantKind(t, "the longest metadata", err, nil)
	u = &uploading{t, u.s, "k", name}
	_, err = u.complete(store.CompleteOptions{}, u.part(1, "x"))
	wantKind(t, "completing", err, nil)
	head, err := s.Head(t.Context(), "k")
	if err != nil || len(head.Metadata) != store.MaxMetadata {
		t.Errorf("the longest metadata: %d bytes, %v", len(head.Metadata), err)
	}
	if name, err = u.s.CreateMultipart(t.Context(), "none", ""); err != nil {
		t.Fatal(err)
	}
	u = &uploading{t, u.s, "none", name}
	if _, err = u.complete(store.CompleteOptions{}, u.part(1, "x")); err == nil {
		head, err = s.Head(t.Context(), "none")
	}
	if err != nil || head.Metadata != "" {
		t.Errorf("no metadata: %q, %v", head.Metadata, err)
	}
}

// testUploadKeys uploads every awkward key beside the others.
func testUploadKeys(t *testing.T, h Harness) {
	s := h.Open(t)
	m := s.(store.Multiparter)
	var held []string
	for _, key := range append([]string{"", "a\xff", strings.Repeat("k", store.MaxKey+1)}, awkward...) {
		err := uploadOne(t.Context(), m, key)
		refuses := store.CheckKey(key) != nil || h.Refuses(key, held) || h.RefusesUpload(key)
		late := h.LateKeys && errors.Is(err, store.ErrUnavailable)
		switch {
		case refuses && !errors.Is(err, store.ErrKey) && !late:
			t.Errorf("upload of %q: %v, want ErrKey", key, err)
		case !refuses && err != nil:
			t.Errorf("upload of %q: %v", key, err)
		}
		if err == nil {
			held = append(held, key)
		}
	}
	for _, key := range held {
		expect(t, s, key, "body of "+key)
	}
}

// uploadOne uploads a key in one part.
func uploadOne(ctx context.Context, m store.Multiparter, key string) error {
	name, err := m.CreateMultipart(ctx, key, "")
	if err != nil {
		return err
	}
	body := "body of " + key
	tag, err := m.PutPart(ctx, key, name, 1, streamOf(body), int64(len(body)))
	if err == nil {
		_, err = m.CompleteMultipart(ctx, key, name, []store.PartTag{{Number: 1, ETag: tag}}, store.CompleteOptions{})
	}
	if err != nil {
		return errors.Join(err, m.AbortMultipart(ctx, key, name))
	}
	return nil
}

func testCancelledUpload(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	good := u.part(1, "good")
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader(pattern(100_000, 5)), readFunc(func([]byte) (int, error) {
		cancel() // and wait for what the store makes of it
		<-ctx.Done()
		return 0, ctx.Err()
	}))
	_, err := u.s.PutPart(ctx, "k", u.name, 1, body, 200_000)
	wantKind(t, "PutPart whose context ends", err, context.Canceled)
	_, err = u.s.CreateMultipart(ctx, "k", "")
	wantKind(t, "CreateMultipart", err, context.Canceled)
	_, err = u.s.PutPart(ctx, "k", u.name, 1, streamOf("x"), 1)
	wantKind(t, "PutPart", err, context.Canceled)
	_, err = u.s.CompleteMultipart(ctx, "k", u.name, []store.PartTag{good}, store.CompleteOptions{})
	wantKind(t, "CompleteMultipart", err, context.Canceled)
	wantKind(t, "AbortMultipart", u.s.AbortMultipart(ctx, "k", u.name), context.Canceled)
	expectAbsent(t, s, "k")
	u.become("good", good)
}

// testManyParts makes an object of as many parts as the time for it allows: the
// servers that demand large parts are given as many as a listing page of theirs
// does not show.
func testManyParts(t *testing.T, h Harness) {
	s := h.Open(t)
	u := begin(t, s, "k")
	count, size := 1500, 100
	if h.MinPart > 0 {
		count, size = 12, h.MinPart
	}
	tags := make([]store.PartTag, count)
	together(4, func(worker int) {
		for i := worker; i < count; i += 4 {
			body := pattern(size, byte(i))
			tag, err := u.s.PutPart(t.Context(), "k", u.name, i+1, streamOf(body), int64(size))
			if err != nil {
				t.Errorf("part %d: %v", i+1, err)
			}
			tags[i] = store.PartTag{Number: i + 1, ETag: tag}
		}
	})
	if t.Failed() {
		return
	}
	if _, err := u.complete(store.CompleteOptions{}, tags...); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "k", store.Whole())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got := make([]byte, size)
	for i := range count {
		if _, err := io.ReadFull(r, got); err != nil || string(got) != pattern(size, byte(i)) {
			t.Fatalf("part %d reads wrong: %v", i+1, err)
		}
	}
	if n, err := r.Read(got); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes after the last part, %v", n, err)
	}
}
