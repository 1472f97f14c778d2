// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

func testSizes(t *testing.T, h Harness) {
	s := h.Open(t)
	for _, n := range []int{0, 1, 4095, 65_535, 65_536, 65_537, 1<<20 + 1, 9 << 20} {
		key, body := fmt.Sprintf("sizes/%d", n), pattern(n, 1)
		meta := strings.Repeat("m", min(n, store.MaxMetadata))
		made, err := s.Put(t.Context(), key, strings.NewReader(body), store.PutOptions{Size: int64(n), Metadata: meta})
		if err != nil {
			t.Fatalf("Put of %d bytes: %v", n, err)
		}
		got, r, err := read(t.Context(), s, key, store.Whole())
		if err != nil || got != body {
			t.Fatalf("Get of %d bytes: %d bytes, %v", n, len(got), err)
		}
		want := store.Object{Key: key, Size: int64(n), ETag: made.ETag, Metadata: meta, LastModified: r.Object.LastModified}
		head, err := s.Head(t.Context(), key)
		if err != nil {
			t.Fatalf("Head of %d bytes: %v", n, err)
		}
		if diff := cmp.Diff([]store.Object{want, want}, []store.Object{r.Object, head}); diff != "" {
			t.Errorf("%d bytes: Get and Head tell (-want +got):\n%s", n, diff)
		}
		if age := time.Since(head.LastModified); age < -time.Minute || age > 10*time.Minute {
			t.Errorf("%d bytes: LastModified %v is not now", n, head.LastModified)
		}
		if made.ETag == "" || strings.Contains(made.ETag, `"`) || made.Key != key || made.Size != int64(n) {
			t.Errorf("%d bytes: Put tells %+v", n, made)
		}
	}
}

func testRanges(t *testing.T, h Harness) {
	s, body := h.Open(t), pattern(100_000, 2)
	size := int64(len(body))
	put(t, s, "k", body)
	put(t, s, "empty", "")
	for _, tt := range []struct{ off, n, wantOff, wantLen int64 }{
		{0, -1, 0, size},
		{0, 1, 0, 1},
		{0, size, 0, size},
		{0, size + 1, 0, size},
		{1, -1, 1, size - 1},
		{65_535, 2, 65_535, 2},
		{size - 1, -1, size - 1, 1},
		{size - 1, 1, size - 1, 1},
		{size - 5, 100, size - 5, 5},
		{-1, -1, size - 1, 1},
		{-1, 0, size - 1, 1},
		{-10, 3, size - 10, 10}, // Len is ignored
		{-size, -1, 0, size},
		{-size - 1, -1, 0, size},
	} {
		got, r, err := read(t.Context(), s, "k", store.GetOptions{Off: tt.off, Len: tt.n})
		if err != nil || r.Off != tt.wantOff || r.Len != tt.wantLen || r.Object.Size != size ||
			got != body[tt.wantOff:tt.wantOff+tt.wantLen] {
			t.Errorf("range %d+%d: %d bytes, off %d, len %d of %d, %v", tt.off, tt.n, len(got), r.Off, r.Len, r.Object.Size, err)
		}
	}
	for _, o := range []store.GetOptions{{}, {Off: 5}, {Off: size, Len: -1}, {Off: size, Len: 1}, {Off: size + 1, Len: -1}} {
		_, _, err := read(t.Context(), s, "k", o)
		wantKind(t, fmt.Sprintf("range %+v", o), err, store.ErrRange)
	}
	for _, o := range []store.GetOptions{{Len: 1}, {Off: 1, Len: -1}, {Off: -1}} {
		_, _, err := read(t.Context(), s, "empty", o)
		wantKind(t, fmt.Sprintf("range %+v of nothing", o), err, store.ErrRange)
	}
}

func testOverwrite(t *testing.T, h Harness) {
	s := h.Open(t)
	tags := map[string]bool{}
	for i, body := range []string{"first", "second, longer", "3", "", "fifth"} {
		tags[put(t, s, "dir/k", body).ETag] = true
		expect(t, s, "dir/k", body)
		if len(tags) != i+1 {
			t.Errorf("write %d has the ETag of an earlier one", i)
		}
	}
	if keys, _ := allKeys(t, s, store.ListOptions{}); !cmp.Equal(keys, []string{"dir/k"}) {
		t.Errorf("listing shows %q", keys)
	}
}

func testNotFound(t *testing.T, h Harness) {
	s := h.Open(t)
	put(t, s, "a/b", "x")
	for _, key := range []string{"x", "a", "a/", "a/b/", "a/b/c", "a/bb", "A/b", "a/B", "/a/b", "a//b", "a/./b"} {
		refused := func(err error) bool { return errors.Is(err, store.ErrKey) && h.Refuses(key, []string{"a/b"}) }
		if _, err := s.Head(t.Context(), key); !refused(err) {
			wantKind(t, fmt.Sprintf("Head(%q)", key), err, store.ErrNotFound)
		}
		for _, o := range []store.GetOptions{store.Whole(), {Off: 5, Len: 1}, {Off: -1}, {}, {Len: -1, IfMatch: "x"}} {
			_, err := s.Get(t.Context(), key, o)
			if refused(err) || errors.Is(err, store.ErrRange) && o == (store.GetOptions{}) {
				continue // either is true
			}
			wantKind(t, fmt.Sprintf("Get(%q, %+v)", key, o), err, store.ErrNotFound)
		}
	}
}

func testDelete(t *testing.T, h Harness) {
	s := h.Open(t)
	held := []string{"d/a", "d/b", "d/c/d/e", "z"}
	for _, key := range held {
		put(t, s, key, key)
	}
	for _, key := range []string{"never", "d", "d/", "d/a/x", "d/c/d/", "d/a", "d/a", "d/c/d/e", "d/c/d/e"} {
		err := s.Delete(t.Context(), key)
		if err != nil && (!errors.Is(err, store.ErrKey) || !h.Refuses(key, held)) {
			t.Errorf("Delete(%q): %v", key, err)
		}
	}
	expectAbsent(t, s, "d/a")
	expectAbsent(t, s, "d/c/d/e")
	expect(t, s, "d/b", "d/b")
	keys, prefixes := allKeys(t, s, store.ListOptions{Delimiter: "/"})
	if !cmp.Equal(keys, []string{"z"}) || !cmp.Equal(prefixes, []string{"d/"}) {
		t.Errorf("after the deletes: %q and %q", keys, prefixes)
	}
	if _, prefixes = allKeys(t, s, store.ListOptions{Prefix: "d/", Delimiter: "/"}); len(prefixes) > 0 {
		t.Errorf("the prefix of a deleted object is still listed: %q", prefixes)
	}
	put(t, s, "d/c/d/e", "again")
	expect(t, s, "d/c/d/e", "again")
}

// errBody is what a body of these tests fails with.
var errBody = errors.New("the body is bad")

// failing yields a body's first n bytes and then err.
func failing(body string, n int, err error) io.Reader {
	return io.MultiReader(strings.NewReader(body[:n]), errReader{err})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func testBadBody(t *testing.T, h Harness) {
	s := h.Open(t)
	const size = 300_000
	body := pattern(size, 3)
	for _, tt := range []struct {
		name string
		body io.Reader
		want error
	}{
		{"fails at once", failing(body, 0, errBody), errBody},
		{"fails in the middle", failing(body, size/2, errBody), errBody},
		{"fails before the last byte", failing(body, size-1, errBody), errBody},
		{"fails after the last byte", failing(body, size, errBody), errBody},
		{"is empty", strings.NewReader(""), store.ErrLength},
		{"is one byte short", strings.NewReader(body[1:]), store.ErrLength},
		{"is one byte long", strings.NewReader(body + "x"), store.ErrLength},
		{"breaks off", failing(body, size/3, io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
	} {
		for _, key := range []string{"fresh/" + tt.name, "old"} {
			put(t, s, "old", "old body")
			_, err := s.Put(t.Context(), key, tt.body, store.PutOptions{Size: size})
			wantKind(t, "a body that "+tt.name, err, tt.want)
			if key == "old" {
				continue // its reader is used up: an error in any case
			}
			expectAbsent(t, s, key)
		}
		expect(t, s, "old", "old body")
	}
	if keys, _ := allKeys(t, s, store.ListOptions{}); !cmp.Equal(keys, []string{"old"}) {
		t.Errorf("listing shows %q", keys)
	}
}

func testOptions(t *testing.T, h Harness) {
	s := h.Open(t)
	for name, o := range map[string]store.PutOptions{
		"negative size":   {Size: -1},
		"two conditions":  {IfNoneMatch: true, IfMatch: "x"},
		"metadata size":   {Metadata: strings.Repeat("m", store.MaxMetadata+1)},
		"metadata blank":  {Metadata: "a b"},
		"metadata break":  {Metadata: "a\r\nx-evil: 1"},
		"metadata accent": {Metadata: "\u00e9"},
	} {
		_, err := s.Put(t.Context(), "k", strings.NewReader(""), o)
		wantKind(t, name, err, store.ErrOptions)
	}
	expectAbsent(t, s, "k")
	if keys, _ := allKeys(t, s, store.ListOptions{}); len(keys) > 0 {
		t.Errorf("listing shows %q", keys)
	}
}

func testProbe(t *testing.T, h Harness) {
	s := h.Open(t)
	c, err := store.Probe(t.Context(), s)
	if err != nil || !c.Conditional() {
		t.Errorf("Probe = %+v, %v", c, err)
	}
	if keys, _ := allKeys(t, s, store.ListOptions{}); len(keys) > 0 {
		t.Errorf("the probe left %q", keys)
	}
}
