// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

// RunCopy holds a store.Copier to its contract.
func RunCopy(t *testing.T, h Harness) {
	h.run(t, []test{
		{"Sizes", testCopySizes},
		{"Refused", testCopyRefused},
		{"Self", testCopyToItself},
		{"Over", testCopyOver},
		{"Conditions", testCopyConditions},
		{"CreateRace", testCopyCreateRace},
		{"ChangingSource", testCopyOfChangingSource},
		{"Tags", testCopyTags},
		{"Keys", testCopyKeys},
		{"Cancelled", testCopyCancelled},
	})
}

// duplicate copies what is at src, as it is now.
func duplicate(tb testing.TB, s store.Store, dst, src, metadata string) (store.Object, error) {
	tb.Helper()
	head, err := s.Head(tb.Context(), src)
	if err != nil {
		tb.Fatalf("Head(%q): %v", src, err)
	}
	return s.(store.Copier).Copy(tb.Context(), dst, src, store.CopyOptions{Metadata: metadata, SourceETag: head.ETag})
}

func testCopySizes(t *testing.T, h Harness) {
	s := h.Open(t)
	for _, n := range []int{0, 1, 100_000, 11 << 20} {
		src, dst, body := fmt.Sprintf("from/%d", n), fmt.Sprintf("to/%d", n), pattern(n, 6)
		_, err := s.Put(t.Context(), src, strings.NewReader(body), store.PutOptions{Size: int64(n), Metadata: "before"})
		if err != nil {
			t.Fatal(err)
		}
		was, err := s.Head(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		for _, metadata := range []string{"after", ""} {
			obj, err := duplicate(t, s, dst, src, metadata)
			if err != nil {
				t.Fatalf("copying %d bytes: %v", n, err)
			}
			expect(t, s, dst, body)
			head, err := s.Head(t.Context(), dst)
			if err != nil || head.Metadata != metadata || head.Size != int64(n) {
				t.Errorf("copy of %d bytes with the metadata %q: %+v, %v", n, metadata, head, err)
			}
			if obj.Key != dst || obj.Size != int64(n) || obj.ETag != head.ETag || obj.Metadata != metadata {
				t.Errorf("Copy of %d bytes tells %+v, Head %+v", n, obj, head)
			}
			if age := time.Since(head.LastModified); age < -time.Minute || age > 10*time.Minute {
				t.Errorf("LastModified %v of a copy is not now", head.LastModified)
			}
		}
		expect(t, s, src, body)
		if is, err := s.Head(t.Context(), src); err != nil || !cmp.Equal(is, was) {
			t.Errorf("the source of a copy changed: %s, %v", cmp.Diff(was, is), err)
		}
	}
}

func testCopyRefused(t *testing.T, h Harness) {
	s := h.Open(t)
	c := s.(store.Copier)
	stale := put(t, s, "k", "one").ETag
	tag := put(t, s, "k", "two").ETag
	put(t, s, "there", "old")
	for _, tt := range []struct {
		name, dst, src string
		o              store.CopyOptions
		want           error
	}{
		{"stale tag", "new", "k", store.CopyOptions{SourceETag: stale}, store.ErrPrecondition},
		{"stale tag, over another", "there", "k", store.CopyOptions{SourceETag: stale}, store.ErrPrecondition},
		{"stale tag, onto itself", "k", "k", store.CopyOptions{SourceETag: stale, Metadata: "m"}, store.ErrPrecondition},
		{"no source", "new", "absent", store.CopyOptions{SourceETag: tag}, store.ErrNotFound},
		{"no source, onto itself", "absent", "absent", store.CopyOptions{SourceETag: tag}, store.ErrNotFound},
		{"a version that there is not", "new", "k", store.CopyOptions{SourceETag: tag, SourceVersion: "nonsense"}, store.ErrNotFound},
		{"no form of a version", "new", "k", store.CopyOptions{SourceETag: tag, SourceVersion: "a&b=\r\nc"}, store.ErrNotFound},
		{"any tag", "new", "k", store.CopyOptions{}, store.ErrOptions},
		{"two conditions", "new", "k", store.CopyOptions{SourceETag: tag, IfNoneMatch: true, IfMatch: "x"}, store.ErrOptions},
		{"metadata", "new", "k", store.CopyOptions{SourceETag: tag, Metadata: "a b"}, store.ErrOptions},
		{"no source key", "new", "", store.CopyOptions{SourceETag: tag}, store.ErrKey},
		{"no destination key", "", "k", store.CopyOptions{SourceETag: tag}, store.ErrKey},
	} {
		_, err := c.Copy(t.Context(), tt.dst, tt.src, tt.o)
		wantKind(t, tt.name, err, tt.want)
	}
	expectAbsent(t, s, "new")
	expectAbsent(t, s, "absent")
	expect(t, s, "there", "old")
	expect(t, s, "k", "two")
	if keys, _ := allKeys(t, s, store.ListOptions{}); !cmp.Equal(keys, []string{"k", "there"}) {
		t.Errorf("listing shows %q", keys)
	}
}

func testCopyToItself(t *testing.T, h Harness) {
	s := h.Open(t)
	for _, n := range []int{5, 11 << 20} {
		body := pattern(n, 8)
		put(t, s, "k", body)
		for _, metadata := range []string{"one", "two", "two", ""} {
			obj, err := duplicate(t, s, "k", "k", metadata)
			if err != nil {
				t.Fatalf("copying %d bytes onto themselves: %v", n, err)
			}
			expect(t, s, "k", body)
			head, err := s.Head(t.Context(), "k")
			if err != nil || head.Metadata != metadata || head.ETag != obj.ETag {
				t.Errorf("with the metadata %q: %+v, %v, Copy tells %+v", metadata, head, err, obj)
			}
		}
	}
}

func testCopyOver(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "a", "first")
	put(t, s, "b", "second, longer")
	put(t, s, "k", "old")
	for _, src := range []string{"a", "b", "a"} {
		if _, err := duplicate(t, s, "k", src, "m"); err != nil {
			t.Fatal(err)
		}
		expect(t, s, "k", map[string]string{"a": "first", "b": "second, longer"}[src])
	}
	// The copy is an object of its own.
	put(t, s, "a", "changed")
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "k", "first")
	if _, err := duplicate(t, s, "k2", "k", "m"); err != nil {
		t.Errorf("a copy of a copy: %v", err)
	}
	expect(t, s, "k2", "first")
}

func testCopyConditions(t *testing.T, h Harness) {
	s := h.Open(t)
	c := s.(store.Copier)
	tag := put(t, s, "src", "source").ETag
	stale := put(t, s, "k", "one").ETag
	current := put(t, s, "k", "two").ETag
	if err := s.(store.Tagger).SetTags(t.Context(), "src", "", []store.Tag{{Key: "a", Value: "b c"}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dst string
		o         store.CopyOptions
		want      error
	}{
		{"create what is there", "k", store.CopyOptions{IfNoneMatch: true}, store.ErrPrecondition},
		{"create itself", "src", store.CopyOptions{IfNoneMatch: true}, store.ErrPrecondition},
		{"stale tag", "k", store.CopyOptions{IfMatch: stale}, store.ErrPrecondition},
		{"tag of what is not there", "absent", store.CopyOptions{IfMatch: stale}, store.ErrPrecondition},
		{"create", "new", store.CopyOptions{IfNoneMatch: true}, nil},
		{"current tag", "k", store.CopyOptions{IfMatch: current}, nil},
		{"the tag before", "k", store.CopyOptions{IfMatch: current}, store.ErrPrecondition},
		{"its own tag", "src", store.CopyOptions{IfMatch: tag}, nil},
	} {
		if tt.name == "the tag before" {
			put(t, s, "k", "three")
		}
		tt.o.SourceETag, tt.o.Metadata = tag, "m"
		_, err := c.Copy(t.Context(), tt.dst, "src", tt.o)
		wantKind(t, tt.name, err, tt.want)
		if err != nil {
			continue
		}
		expect(t, s, tt.dst, "source")
		head, err := s.Head(t.Context(), tt.dst)
		tags, terr := s.(store.Tagger).Tags(t.Context(), tt.dst, "")
		if err = errors.Join(err, terr); err != nil || head.Metadata != "m" || fmt.Sprint(tags) != "[{a b c}]" {
			t.Errorf("%s: %+v, %v, %v", tt.name, head, tags, err)
		}
	}
	expectAbsent(t, s, "absent")
	expect(t, s, "k", "three")
}

func testCopyCreateRace(t *testing.T, h Harness) {
	s := h.Open(t)
	c := s.(store.Copier)
	var tags [4]string
	for i := range tags {
		tags[i] = put(t, s, fmt.Sprintf("src/%d", i), fmt.Sprintf("body %d", i)).ETag
	}
	for round := range 3 {
		key := fmt.Sprintf("race/%d", round)
		var wins, winner atomic.Int32
		together(len(tags), func(i int) {
			_, err := c.Copy(t.Context(), key, fmt.Sprintf("src/%d", i), store.CopyOptions{SourceETag: tags[i], IfNoneMatch: true})
			switch {
			case err == nil:
				wins.Add(1)
				winner.Store(int32(i))
			case !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrUnavailable):
				t.Errorf("losing create: %v", err)
			}
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of 4 creates of one key succeeded", wins.Load())
		}
		expect(t, s, key, fmt.Sprintf("body %d", winner.Load()))
	}
}

// testCopyOfChangingSource overwrites the source while it is copied. Whatever
// the tag, what was copied under it is the write that it stands for.
func testCopyOfChangingSource(t *testing.T, h Harness) {
	s := h.Open(t)
	const size = 6 << 20 // takes its time
	var mu sync.Mutex
	letters := map[string]byte{} // by tag
	write := func(i int) error {
		letter := byte('a' + i%26)
		body := strings.Repeat(string(rune(letter)), size+i%5) + fmt.Sprint(i)
		obj, err := s.Put(t.Context(), "src", strings.NewReader(body), store.PutOptions{Size: int64(len(body))})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		letters[obj.ETag] = letter
		return nil
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var copied, refused atomic.Int32
	together(3, func(i int) {
		for n := 1; ctx.Err() == nil || n < 4; n++ {
			if i == 0 {
				if err := write(n); err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
					return
				}
				continue
			}
			dst := fmt.Sprintf("dst/%d", i)
			head, err := s.Head(t.Context(), "src")
			if err != nil {
				t.Error(err)
				return
			}
			_, err = s.(store.Copier).Copy(t.Context(), dst, "src", store.CopyOptions{SourceETag: head.ETag})
			switch {
			case err == nil:
				copied.Add(1)
				text, _, err := read(t.Context(), s, dst, store.Whole())
				mu.Lock()
				letter, known := letters[head.ETag]
				mu.Unlock()
				body := strings.TrimRight(text, "0123456789")
				if err != nil || strings.Trim(body, body[:1]) != "" || known && body[0] != letter {
					t.Errorf("copy of %s: %d bytes %.3q, %v, want %q", head.ETag, len(text), text, err, letter)
					return
				}
			case errors.Is(err, store.ErrPrecondition):
				refused.Add(1)
			case !errors.Is(err, store.ErrUnavailable):
				t.Errorf("copying: %v", err)
				return
			}
		}
	})
	t.Logf("%d copied, %d refused", copied.Load(), refused.Load())
}

func testCopyTags(t *testing.T, h Harness) {
	s := h.Open(t)
	tagger, ok := s.(store.Tagger)
	if !ok {
		t.Fatal("a Copier without tags: say in its Harness what then goes along")
	}
	want := []store.Tag{{Key: "one", Value: "1"}, {Key: "two", Value: "x/y z"}}
	for _, n := range []int{5, 11 << 20} {
		put(t, s, "src", pattern(n, 1))
		put(t, s, "k", "old")
		err := errors.Join(
			tagger.SetTags(t.Context(), "src", "", want),
			tagger.SetTags(t.Context(), "k", "", []store.Tag{{Key: "old", Value: "old"}}),
		)
		if err != nil {
			t.Fatal(err)
		}
		for _, dst := range []string{"fresh", "k", "src"} {
			if _, err := duplicate(t, s, dst, "src", "m"); err != nil {
				t.Fatal(err)
			}
			if tags, err := tagger.Tags(t.Context(), dst, ""); err != nil || !slices.Equal(tags, want) {
				t.Errorf("tags of a copy of %d bytes to %s: %v, %v", n, dst, tags, err)
			}
		}
		// Those of the copy are its own.
		if err := tagger.SetTags(t.Context(), "k", "", nil); err != nil {
			t.Fatal(err)
		}
		if tags, err := tagger.Tags(t.Context(), "src", ""); err != nil || !slices.Equal(tags, want) {
			t.Errorf("tags of the source: %v, %v", tags, err)
		}
		put(t, s, "src", pattern(n, 2))
		if _, err := duplicate(t, s, "fresh", "src", "m"); err != nil {
			t.Fatal(err)
		}
		if tags, err := tagger.Tags(t.Context(), "fresh", ""); err != nil || len(tags) > 0 {
			t.Errorf("tags of a copy of what has none: %v, %v", tags, err)
		}
	}
}

// testCopyKeys copies one object to every awkward key, and each on to a plain
// one.
func testCopyKeys(t *testing.T, h Harness) {
	s := h.Open(t)
	c := s.(store.Copier)
	var held []string
	for i, key := range awkward {
		src := fmt.Sprintf("copies/from-%d", i)
		tag := put(t, s, src, fmt.Sprintf("body %d", i)).ETag
		_, err := c.Copy(t.Context(), key, src, store.CopyOptions{SourceETag: tag})
		switch refuses := h.Refuses(key, held); {
		case refuses && !errors.Is(err, store.ErrKey):
			t.Errorf("copy to %q: %v, want ErrKey", key, err)
		case !refuses && err != nil:
			t.Errorf("copy to %q: %v", key, err)
		}
		if err != nil {
			continue
		}
		held = append(held, key)
		dst := fmt.Sprintf("copies/to-%d", i)
		if _, err := duplicate(t, s, dst, key, ""); err != nil {
			t.Errorf("copy from %q: %v", key, err)
			continue
		}
		expect(t, s, dst, fmt.Sprintf("body %d", i))
	}
	for _, key := range held {
		expect(t, s, key, fmt.Sprintf("body %d", slices.Index(awkward, key)))
	}
}

func testCopyCancelled(t *testing.T, h Harness) {
	s := h.Open(t)
	tag := put(t, s, "src", "body").ETag
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.(store.Copier).Copy(ctx, "dst", "src", store.CopyOptions{SourceETag: tag})
	wantKind(t, "Copy", err, context.Canceled)
	expectAbsent(t, s, "dst")
}
