// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

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
