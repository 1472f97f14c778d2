// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

// Harness is an adapter under test.
type Harness struct {
	// Open returns an empty store, new at each call.
	Open func(t testing.TB) store.Store
	// Refuses says which keys this backend cannot hold beside others that
	// exist: the suite demands ErrKey for them, and that nothing was stored
	// under another name. Nil: it can hold all.
	Refuses func(key string, others []string) bool
	// Hides says which keys this backend holds beside the others but leaves out
	// of listings, a fault that an adapter cannot mend. Nil: it lists all.
	Hides func(key string, others []string) bool
	// Confuses says which keys make this backend lose others from listings of
	// several pages; they are not there in the tests of those. Nil: none.
	Confuses func(key string) bool
	// MinPart is the least size in bytes of a part that is not the last, 0 for
	// any. A backend that has one must refuse what is smaller.
	MinPart int
	// Pretends says that the backend answers a Complete of an upload that it does
	// not know with success, where there is an object of this key: the adapter
	// finds out that it is another one, and says ErrUnavailable, or that it is the
	// very one, and says that it was made.
	Pretends bool
	// RefusesUpload says which keys that it holds the backend does not take of a
	// multipart upload: ErrKey. Nil: it takes all.
	RefusesUpload func(key string) bool
	// LateKeys says that the backend finds out only at a Complete that a key is too
	// long for it, and then says ErrUnavailable.
	LateKeys bool
	// ASCIITags says that the backend refuses letters beyond ASCII in tags.
	ASCIITags bool
	// TagBytes is the most bytes of all tags of an object together, 0 for as many
	// as S3 takes.
	TagBytes int
	// TagsFolders says that the backend answers about the tags of what is only a
	// part of other keys, up to a slash, as if that were an object.
	TagsFolders bool
	// KeepsNoVersions says that the backend has the calls but keeps no versions;
	// Enable is then not called.
	KeepsNoVersions bool
	// Enable makes the backend of a store keep versions from now on.
	Enable func(t testing.TB, s store.Store)
	// OpenLocking returns an empty store of a bucket that locks objects, new at
	// each call.
	OpenLocking func(t testing.TB) store.Store
}

// withDefaults returns the harness with nothing left to test for nil.
func (h Harness) withDefaults() Harness {
	never := func(string, []string) bool { return false }
	if h.Refuses == nil {
		h.Refuses = never
	}
	if h.Hides == nil {
		h.Hides = never
	}
	if h.Confuses == nil {
		h.Confuses = func(string) bool { return false }
	}
	if h.RefusesUpload == nil {
		h.RefusesUpload = func(string) bool { return false }
	}
	return h
}

// test is one test of a suite.
type test struct {
	name string
	run  func(*testing.T, Harness)
}

func (h Harness) run(t *testing.T, tests []test) {
	h = h.withDefaults()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, h)
		})
	}
}

// Run holds an adapter to the contract of package store.
func Run(t *testing.T, h Harness) {
	h.run(t, []test{
		{"Sizes", testSizes},
		{"Ranges", testRanges},
		{"Overwrite", testOverwrite},
		{"NotFound", testNotFound},
		{"Delete", testDelete},
		{"Conditions", testConditions},
		{"CreateRace", testCreateRace},
		{"CompareAndSwap", testCompareAndSwap},
		{"NeverMixed", testNeverMixed},
		{"OneVersion", testOneVersion},
		{"BadBody", testBadBody},
		{"Cancelled", testCancelled},
		{"Options", testOptions},
		{"BadKeys", testBadKeys},
		{"AwkwardKeys", testAwkwardKeys},
		{"ListExamples", testListExamples},
		{"ListModel", testListModel},
		{"ListDuringWrites", testListDuringWrites},
		{"Probe", testProbe},
	})
}

// put stores body, or ends the test.
func put(tb testing.TB, s store.Store, key, body string) store.Object {
	tb.Helper()
	obj, err := s.Put(tb.Context(), key, strings.NewReader(body), store.PutOptions{Size: int64(len(body))})
	if err != nil {
		tb.Fatalf("Put(%q): %v", key, err)
	}
	return obj
}

// read returns a whole range, or the first error.
func read(ctx context.Context, s store.Store, key string, o store.GetOptions) (string, store.Reader, error) {
	return readOf(func() (*store.Reader, error) { return s.Get(ctx, key, o) })
}

func readOf(get func() (*store.Reader, error)) (string, store.Reader, error) {
	r, err := get()
	if err != nil {
		return "", store.Reader{}, err
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, struct{ io.Reader }{r})
	if err = errors.Join(err, r.Close()); err == nil && int64(b.Len()) != r.Len {
		err = fmt.Errorf("body of %d bytes ended cleanly, Len is %d", b.Len(), r.Len)
	}
	return b.String(), *r, err
}

// expect ends the test unless key holds exactly body.
func expect(tb testing.TB, s store.Store, key, body string) {
	tb.Helper()
	got, _, err := read(tb.Context(), s, key, store.Whole())
	if err != nil {
		tb.Fatalf("Get(%q): %v", key, err)
	}
	if got != body {
		tb.Fatalf("Get(%q) = %.40q (%d bytes), want %.40q (%d bytes)", key, got, len(got), body, len(body))
	}
}

// expectAbsent ends the test if there is anything under key.
func expectAbsent(tb testing.TB, s store.Store, key string) {
	tb.Helper()
	if obj, err := s.Head(tb.Context(), key); !errors.Is(err, store.ErrNotFound) {
		tb.Fatalf("Head(%q) = %+v, %v, want ErrNotFound", key, obj, err)
	}
}

// wantKind fails the test unless err is of the kind.
func wantKind(tb testing.TB, what string, err, kind error) {
	tb.Helper()
	if !errors.Is(err, kind) {
		tb.Errorf("%s: error %v, want one that is %q", what, err, kind)
	}
}

// allKeys lists the whole store, page after page.
func allKeys(tb testing.TB, s store.Store, o store.ListOptions) (keys, prefixes []string) {
	tb.Helper()
	for range 10_000 {
		page, err := s.List(tb.Context(), o)
		if err != nil {
			tb.Fatalf("List(%+v): %v", o, err)
		}
		for _, obj := range page.Objects {
			keys = append(keys, obj.Key)
		}
		prefixes = append(prefixes, page.Prefixes...)
		if !page.More {
			return keys, prefixes
		}
		if page.Next <= o.StartAfter {
			tb.Fatalf("List(%+v): Next %q does not go on", o, page.Next)
		}
		o.StartAfter = page.Next
	}
	tb.Fatalf("List(%+v) does not end", o)
	return nil, nil
}

// pattern returns n bytes that differ along the body and by seed, so that any
// shift or mixture shows.
func pattern(n int, seed byte) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16)*31 ^ byte(i>>8)*7 ^ byte(i) ^ seed
	}
	return string(b)
}
