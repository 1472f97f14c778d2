// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

// RunTags holds a store.Tagger to its contract.
func RunTags(t *testing.T, h Harness) {
	h.run(t, []test{
		{"Set", testSetTags},
		{"Overwrite", testTagsOfOverwritten},
		{"NotFound", testTagsNotFound},
		{"Refused", testTagsRefused},
		{"Letters", testTagLetters},
		{"Keys", testTagKeys},
		{"Race", testTagRace},
		{"Cancelled", testTagsCancelled},
	})
}

// wantTags fails the test unless the object of a key has exactly these tags.
func wantTags(tb testing.TB, s store.Store, key string, want ...store.Tag) {
	tb.Helper()
	got, err := s.(store.Tagger).Tags(tb.Context(), key, "")
	if err != nil || !slices.Equal(got, want) {
		tb.Errorf("tags of %q: %v, %v, want %v", key, got, err, want)
	}
}

func setTags(tb testing.TB, s store.Store, key string, tags ...store.Tag) {
	tb.Helper()
	if err := s.(store.Tagger).SetTags(tb.Context(), key, "", tags); err != nil {
		tb.Fatalf("SetTags(%q, %v): %v", key, tags, err)
	}
}

func testSetTags(t *testing.T, h Harness) {
	s := h.Open(t)
	_, err := s.Put(t.Context(), "dir/k", strings.NewReader("body"), store.PutOptions{Size: 4, Metadata: "meta"})
	if err != nil {
		t.Fatal(err)
	}
	was, err := s.Head(t.Context(), "dir/k")
	if err != nil {
		t.Fatal(err)
	}
	wantTags(t, s, "dir/k")
	var most []store.Tag
	for i := range store.MaxTags {
		most = append(most, store.Tag{
			Key: fmt.Sprintf("%d%s", i, strings.Repeat("k", store.MaxTagKey-1)), Value: strings.Repeat("v", store.MaxTagValue),
		})
		if h.TagBytes > 0 {
			most[i].Value = strings.Repeat("v", h.TagBytes/store.MaxTags-store.MaxTagKey)
		}
	}
	a, b, empty := store.Tag{Key: "a", Value: "1"}, store.Tag{Key: "b", Value: "+-=._:/@ x"}, store.Tag{Key: "e", Value: ""}
	for _, tt := range []struct{ set, want []store.Tag }{
		{[]store.Tag{a}, []store.Tag{a}},
		{[]store.Tag{empty, b, a}, []store.Tag{a, b, empty}}, // replaced, not added to; sorted
		{[]store.Tag{b}, []store.Tag{b}},
		{nil, nil},
		{nil, nil},
		{most, most},
		{[]store.Tag{}, nil},
	} {
		setTags(t, s, "dir/k", tt.set...)
		wantTags(t, s, "dir/k", tt.want...)
	}
	setTags(t, s, "dir/k", a)
	if is, err := s.Head(t.Context(), "dir/k"); err != nil || !cmp.Equal(was, is) {
		t.Errorf("the object changed with its tags: %s, %v", cmp.Diff(was, is), err)
	}
	expect(t, s, "dir/k", "body")
	if keys, _ := allKeys(t, s, store.ListOptions{}); !cmp.Equal(keys, []string{"dir/k"}) {
		t.Errorf("listing shows %q", keys)
	}
	if _, prefixes := allKeys(t, s, store.ListOptions{Delimiter: "/"}); !cmp.Equal(prefixes, []string{"dir/"}) {
		t.Errorf("listing shows the prefixes %q", prefixes)
	}
}

// testTagsOfOverwritten: tags are of one write, and of no other of its key.
func testTagsOfOverwritten(t *testing.T, h Harness) {
	s := h.Open(t)
	tag := store.Tag{Key: "a", Value: "1"}
	put(t, s, "d/k", "one")
	setTags(t, s, "d/k", tag)
	put(t, s, "d/k", "two")
	wantTags(t, s, "d/k")
	setTags(t, s, "d/k", tag)
	if err := s.Delete(t.Context(), "d/k"); err != nil {
		t.Fatal(err)
	}
	_, err := s.(store.Tagger).Tags(t.Context(), "d/k", "")
	wantKind(t, "tags of what was deleted", err, store.ErrNotFound)
	if _, prefixes := allKeys(t, s, store.ListOptions{Delimiter: "/"}); len(prefixes) > 0 {
		t.Errorf("the prefix of a deleted object is still listed: %q", prefixes)
	}
	put(t, s, "d/k", "three")
	wantTags(t, s, "d/k")
	if _, ok := s.(store.Multiparter); ok {
		setTags(t, s, "d/k", tag)
		u := begin(t, s, "d/k")
		u.become("four", u.part(1, "four"))
		wantTags(t, s, "d/k")
	}
}

func testTagsNotFound(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "a/b", "x")
	setTags(t, s, "a/b", store.Tag{Key: "a", Value: "1"})
	tagger := s.(store.Tagger)
	for _, at := range []struct{ key, version string }{
		{"x", ""}, {"a", ""}, {"a/b/c", ""}, {"a/bb", ""}, {"A/b", ""}, {"a/b", "nonsense"}, {"a/b", "a b\r\nc: d"},
	} {
		if at.key == "a" && h.TagsFolders {
			continue
		}
		_, err := tagger.Tags(t.Context(), at.key, at.version)
		wantKind(t, fmt.Sprintf("Tags(%q, %q)", at.key, at.version), err, store.ErrNotFound)
		for _, tags := range [][]store.Tag{nil, {{Key: "k", Value: "v"}}} {
			err = tagger.SetTags(t.Context(), at.key, at.version, tags)
			wantKind(t, fmt.Sprintf("SetTags(%q, %q, %v)", at.key, at.version, tags), err, store.ErrNotFound)
		}
	}
	wantTags(t, s, "a/b", store.Tag{Key: "a", Value: "1"})
	_, err := tagger.Tags(t.Context(), "", "")
	wantKind(t, "Tags of no key", err, store.ErrKey)
	wantKind(t, "SetTags of no key", tagger.SetTags(t.Context(), "", "", nil), store.ErrKey)
}

func testTagsRefused(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "k", "x")
	setTags(t, s, "k", store.Tag{Key: "a", Value: "1"})
	many := make([]store.Tag, store.MaxTags+1)
	for i := range many {
		many[i].Key = fmt.Sprint(i)
	}
	for name, tags := range map[string][]store.Tag{
		"too many":         many,
		"a key twice":      {{Key: "a", Value: "1"}, {Key: "a", Value: "2"}},
		"no key":           {{Value: "1"}},
		"a long key":       {{Key: strings.Repeat("k", store.MaxTagKey+1)}},
		"a long value":     {{Key: "k", Value: strings.Repeat("v", store.MaxTagValue+1)}},
		"a key like this":  {{Key: "a&b"}},
		"a value like <>":  {{Key: "k", Value: "<x>"}},
		"a control":        {{Key: "k", Value: "a\nb"}},
		"a null":           {{Key: "k\x00"}},
		"what is not text": {{Key: "k", Value: "\xff"}},
	} {
		err := s.(store.Tagger).SetTags(t.Context(), "k", "", tags)
		wantKind(t, name, err, store.ErrOptions)
	}
	wantTags(t, s, "k", store.Tag{Key: "a", Value: "1"})
}

// testTagLetters: letters are those of all languages.
func testTagLetters(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "k", "x")
	tags := []store.Tag{{Key: "stra\u00dfe", Value: "\u65e5\u672c"}, {Key: strings.Repeat("\u00e9", store.MaxTagKey), Value: strings.Repeat("\u00e9", store.MaxTagValue)}}
	slices.SortFunc(tags, func(a, b store.Tag) int { return strings.Compare(a.Key, b.Key) })
	err := s.(store.Tagger).SetTags(t.Context(), "k", "", tags)
	if h.ASCIITags {
		wantKind(t, "letters beyond ASCII", err, store.ErrOptions)
		wantTags(t, s, "k")
		return
	}
	wantKind(t, "letters beyond ASCII", err, nil)
	wantTags(t, s, "k", tags...)
}

// testTagKeys tags every awkward key beside the others.
func testTagKeys(t *testing.T, h Harness) {
	s := h.Open(t)
	var held []string
	for i, key := range awkward {
		if h.Refuses(key, held) {
			continue
		}
		put(t, s, key, "x")
		setTags(t, s, key, store.Tag{Key: "i", Value: fmt.Sprint(i)})
		held = append(held, key)
	}
	for _, key := range held {
		wantTags(t, s, key, store.Tag{Key: "i", Value: fmt.Sprint(slices.Index(awkward, key))})
	}
	slices.Sort(held)
	keys, _ := allKeys(t, s, store.ListOptions{})
	listed := slices.DeleteFunc(slices.Clone(held), func(key string) bool { return h.Hides(key, held) })
	if diff := cmp.Diff(listed, keys); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

// testTagRace sets tags while others do: one set wins whole, and none is of an
// object that has been overwritten.
func testTagRace(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "k", "x")
	set := func(i int) []store.Tag {
		return []store.Tag{{Key: "a", Value: fmt.Sprint(i)}, {Key: "b", Value: fmt.Sprint(i)}}
	}
	together(4, func(i int) {
		for range 8 {
			if err := s.(store.Tagger).SetTags(t.Context(), "k", "", set(i)); err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
			}
			tags, err := s.(store.Tagger).Tags(t.Context(), "k", "")
			if err != nil && !errors.Is(err, store.ErrUnavailable) || err == nil && (len(tags) != 2 || tags[0].Value != tags[1].Value) {
				t.Errorf("tags %v, %v", tags, err)
			}
		}
	})
}

func testTagsCancelled(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "k", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.(store.Tagger).Tags(ctx, "k", "")
	wantKind(t, "Tags", err, context.Canceled)
	err = s.(store.Tagger).SetTags(ctx, "k", "", []store.Tag{{Key: "a", Value: "b"}})
	wantKind(t, "SetTags", err, context.Canceled)
	wantTags(t, s, "k")
}
