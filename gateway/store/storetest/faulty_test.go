// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// newFaulty returns a Faulty before a store that holds body as k.
func newFaulty(t *testing.T, body string) (*storetest.Faulty, *storetest.Mem) {
	t.Helper()
	mem := new(storetest.Mem)
	if err := put(t.Context(), mem, "k", body); err != nil {
		t.Fatal(err)
	}
	return storetest.NewFaulty(mem, 1), mem
}

func put(ctx context.Context, s store.Store, key, body string) error {
	_, err := s.Put(ctx, key, strings.NewReader(body), store.PutOptions{Size: int64(len(body))})
	return err
}

func get(t *testing.T, s store.Store, o store.GetOptions) (string, error) {
	t.Helper()
	r, err := s.Get(t.Context(), "k", o)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestLostAndApplied(t *testing.T) {
	t.Parallel()
	f, mem := newFaulty(t, "old")
	f.Add(storetest.Rule{Op: storetest.Put, Key: "k", Times: 1, Err: store.ErrUnavailable})
	f.Add(storetest.Rule{Op: storetest.Put, Key: "k", Times: 1, Lost: store.ErrUnavailable})
	f.Add(storetest.Rule{Op: storetest.Delete, Times: 1, Lost: store.ErrUnavailable})
	for _, want := range []struct {
		err  error
		body string
	}{{store.ErrUnavailable, "old"}, {store.ErrUnavailable, "new"}, {nil, "new"}} {
		if err := put(t.Context(), f, "k", "new"); !errors.Is(err, want.err) {
			t.Errorf("Put: %v, want %v", err, want.err)
		}
		if got, err := get(t, mem, store.Whole()); err != nil || got != want.body {
			t.Errorf("the store holds %q, %v, want %q", got, err, want.body)
		}
	}
	if err := f.Delete(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete: %v", err)
	}
	if _, err := mem.Head(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after a Delete that was applied and reported lost: %v", err)
	}
	if n := f.Calls(storetest.Put); n != 3 {
		t.Errorf("%d calls of Put were counted", n)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		rule storetest.Rule
		o    store.GetOptions
		want string
		err  error
	}{
		{"none", storetest.Rule{}, store.Whole(), "0123456789", nil},
		{"truncate", storetest.Rule{Body: storetest.Truncate(4)}, store.Whole(), "0123", nil},
		{"truncate in a range", storetest.Rule{Body: storetest.Truncate(4)}, store.GetOptions{Off: 2, Len: 5}, "23", nil},
		{"truncate before a range", storetest.Rule{Body: storetest.Truncate(4)}, store.GetOptions{Off: 5, Len: 5}, "", nil},
		{"cut", storetest.Rule{Body: storetest.Cut(4, broken)}, store.Whole(), "0123", broken},
		{"flip", storetest.Rule{Body: storetest.Flip(9, 1)}, store.Whole(), "0123456788", nil},
		{"flip in a range", storetest.Rule{Body: storetest.Flip(3, 1)}, store.GetOptions{Off: 2, Len: 3}, "224", nil},
		{"flip beside a range", storetest.Rule{Body: storetest.Flip(1, 1)}, store.GetOptions{Off: 2, Len: 3}, "234", nil},
		{"drip", storetest.Rule{Body: storetest.Drip(1, time.Microsecond)}, store.Whole(), "0123456789", nil},
		{"swap", storetest.Rule{Body: storetest.Swap([]byte("abcdefghij"))}, store.GetOptions{Off: 2, Len: 3}, "cde", nil},
	} {
		f, _ := newFaulty(t, "0123456789")
		f.Add(tt.rule)
		if got, err := get(t, f, tt.o); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestSkipTimesRatio(t *testing.T) {
	t.Parallel()
	fails := func(rule storetest.Rule, calls int) string {
		f, _ := newFaulty(t, "body")
		rule.Err = store.ErrUnavailable
		f.Add(rule)
		var b strings.Builder
		for range calls {
			if _, err := f.Head(t.Context(), "k"); err != nil {
				b.WriteByte('x')
			} else {
				b.WriteByte('.')
			}
		}
		return b.String()
	}
	for want, rule := range map[string]storetest.Rule{
		"xxxxx": {},
		"..xxx": {Skip: 2},
		".x...": {Skip: 1, Times: 1},
		"xx...": {Times: 2},
		".....": {Op: storetest.Get},
	} {
		if got := fails(rule, 5); got != want {
			t.Errorf("%+v: %s, want %s", rule, got, want)
		}
	}
	third := fails(storetest.Rule{Ratio: 0.3}, 1000)
	if n := strings.Count(third, "x"); n < 200 || n > 400 || third != fails(storetest.Rule{Ratio: 0.3}, 1000) {
		t.Errorf("a ratio of 0.3 hit %d of 1000, or not the same again", n)
	}
}

func TestLiesAndDelay(t *testing.T) {
	t.Parallel()
	f, _ := newFaulty(t, "body")
	f.Add(storetest.Rule{Object: func(o *store.Object) { o.Size = 99 }})
	head, err := f.Head(t.Context(), "k")
	page, lerr := f.List(t.Context(), store.ListOptions{})
	r, gerr := f.Get(t.Context(), "k", store.Whole())
	if err := errors.Join(err, lerr, gerr); err != nil || head.Size != 99 || page.Objects[0].Size != 99 || r.Object.Size != 99 {
		t.Errorf("lies were told as %d, %+v, %+v, %v", head.Size, page, r, err)
	}
	f.Clear()
	f.Add(storetest.Rule{Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := f.Head(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a delay beyond the deadline: %v", err)
	}
}

// Uploads are lost and applied as writes are.
func TestFaultyUploads(t *testing.T) {
	t.Parallel()
	f, mem := newFaulty(t, "old")
	f.Add(storetest.Rule{Op: storetest.PutPart, Times: 1, Err: store.ErrUnavailable})
	f.Add(storetest.Rule{Op: storetest.CompleteMultipart, Key: "k", Times: 1, Lost: store.ErrUnavailable})
	f.Add(storetest.Rule{Op: storetest.Copy, Key: "copy", Times: 1, Err: store.ErrNoSpace})
	f.Add(storetest.Rule{Op: storetest.Head, Object: func(o *store.Object) { o.Size = 99 }})
	upload, err := f.CreateMultipart(t.Context(), "k", "")
	if err != nil {
		t.Fatal(err)
	}
	send := func() (string, error) { return f.PutPart(t.Context(), "k", upload, 1, strings.NewReader("new"), 3) }
	if _, err := send(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("PutPart: %v", err)
	}
	tag, err := send()
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.CompleteMultipart(t.Context(), "k", upload, []store.PartTag{{Number: 1, ETag: tag}}, store.CompleteOptions{})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("CompleteMultipart: %v", err)
	}
	if got, err := get(t, mem, store.Whole()); err != nil || got != "new" || mem.Uploads() > 0 {
		t.Errorf("the store holds %q, %v and %d uploads", got, err, mem.Uploads())
	}
	obj, err := mem.Head(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{store.ErrNoSpace, nil} {
		if _, err := f.Copy(t.Context(), "copy", "k", store.CopyOptions{SourceETag: obj.ETag}); !errors.Is(err, want) {
			t.Errorf("Copy: %v, want %v", err, want)
		}
	}
	if head, err := f.HeadVersion(t.Context(), "k", ""); err != nil || head.Size != 99 {
		t.Errorf("a lie was told as %+v, %v", head, err)
	}
	if n := f.Calls(storetest.PutPart); n != 2 {
		t.Errorf("%d calls of PutPart were counted", n)
	}
}

// plain is a store without anything optional.
type plain struct{ store.Store }

// A Faulty has what the store behind it has, for who asks.
func TestFaultyKeepsInterfaces(t *testing.T) {
	t.Parallel()
	if _, ok := storetest.NewFaulty(new(storetest.Mem), 1).Store().(store.Versioner); !ok {
		t.Error("the versions of Mem are lost")
	}
	f := storetest.NewFaulty(plain{new(storetest.Mem)}, 1)
	s := f.Store()
	if _, ok := s.(store.Versioner); ok {
		t.Error("there are versions of a store that has none")
	}
	for name, ok := range map[string]bool{
		"Multiparter": is[store.Multiparter](s), "Copier": is[store.Copier](s), "Tagger": is[store.Tagger](s),
	} {
		if !ok {
			t.Errorf("%s is lost", name)
		}
	}
	if _, err := f.CreateMultipart(t.Context(), "k", ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CreateMultipart: %v", err)
	}
	if _, err := f.GetVersion(t.Context(), "k", "v", store.Whole()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("GetVersion: %v", err)
	}
}

func is[T any](s store.Store) bool {
	_, ok := s.(T)
	return ok
}
