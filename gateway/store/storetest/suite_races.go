// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

func testConditions(t *testing.T, h Harness) {
	s := h.Open(t)
	first := put(t, s, "k", "one")
	second := put(t, s, "k", "two")
	for _, tt := range []struct {
		name, key string
		o         store.PutOptions
		want      error
	}{
		{"create what is there", "k", store.PutOptions{IfNoneMatch: true}, store.ErrPrecondition},
		{"stale tag", "k", store.PutOptions{IfMatch: first.ETag}, store.ErrPrecondition},
		{"foreign tag", "k", store.PutOptions{IfMatch: "00000000000000000000000000000000"}, store.ErrPrecondition},
		{"tag of what is not there", "absent", store.PutOptions{IfMatch: second.ETag}, store.ErrPrecondition},
		{"create", "new", store.PutOptions{IfNoneMatch: true}, nil},
		{"current tag", "k", store.PutOptions{IfMatch: second.ETag}, nil},
		{"the tag before", "k", store.PutOptions{IfMatch: second.ETag}, store.ErrPrecondition},
	} {
		tt.o.Size = 5
		_, err := s.Put(t.Context(), tt.key, strings.NewReader("three"), tt.o)
		wantKind(t, tt.name, err, tt.want)
	}
	expectAbsent(t, s, "absent")
	expect(t, s, "new", "three")
	expect(t, s, "k", "three")
	if err := s.Delete(t.Context(), "new"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put(t.Context(), "new", strings.NewReader("four!"), store.PutOptions{Size: 5, IfNoneMatch: true})
	wantKind(t, "create again after a delete", err, nil)

	head, _ := s.Head(t.Context(), "k")
	_, _, err = read(t.Context(), s, "k", store.GetOptions{Len: -1, IfMatch: head.ETag})
	wantKind(t, "Get with the current tag", err, nil)
	_, _, err = read(t.Context(), s, "k", store.GetOptions{Off: 1, Len: 1, IfMatch: first.ETag})
	wantKind(t, "Get with a stale tag", err, store.ErrPrecondition)
}

// together runs f n times at once and waits.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func testCreateRace(t *testing.T, h Harness) {
	s := h.Open(t)
	for round := range 5 {
		key := fmt.Sprintf("race/%d/k", round)
		var wins atomic.Int32
		var winner atomic.Value
		together(8, func(i int) {
			body := pattern(20_000, byte(i))
			_, err := s.Put(t.Context(), key, strings.NewReader(body), store.PutOptions{Size: 20_000, IfNoneMatch: true})
			switch {
			case err == nil:
				wins.Add(1)
				winner.Store(body)
			case !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrUnavailable):
				t.Errorf("losing create: %v", err)
			}
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of 8 creates of one key succeeded", wins.Load())
		}
		expect(t, s, key, winner.Load().(string))
	}
}

// testCompareAndSwap counts with nothing but IfMatch. A write that is taken on
// a stale tag loses a count.
func testCompareAndSwap(t *testing.T, h Harness) {
	s := h.Open(t)
	const workers, each = 4, 8
	put(t, s, "counter", "0")
	together(workers, func(int) {
		for done, tries := 0, 0; done < each && tries < 1000; tries++ {
			err := increment(t.Context(), s, "counter")
			if err == nil {
				done++
			} else if !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("increment: %v", err)
				return
			}
		}
	})
	expect(t, s, "counter", strconv.Itoa(workers*each))
}

func increment(ctx context.Context, s store.Store, key string) error {
	text, r, err := read(ctx, s, key, store.Whole())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	text = strconv.Itoa(n + 1)
	_, err = s.Put(ctx, key, strings.NewReader(text), store.PutOptions{Size: int64(len(text)), IfMatch: r.Object.ETag})
	return err
}

// testNeverMixed overwrites and deletes one key while it is read: every answer
// is one write, with its own metadata and size.
func testNeverMixed(t *testing.T, h Harness) {
	s := h.Open(t)
	write := func(ctx context.Context, i int) error {
		body := strings.Repeat(string(rune('a'+i%26)), 1000*(1+i%7))
		o := store.PutOptions{Size: int64(len(body)), Metadata: fmt.Sprintf("%c-%d", 'a'+i%26, len(body))}
		_, err := s.Put(ctx, "d/k", strings.NewReader(body), o)
		return err
	}
	check := func(text string, r store.Reader, err error) error {
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrPrecondition) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err == nil && (strings.Trim(text, text[:1]) != "" || r.Object.Metadata != fmt.Sprintf("%s-%d", text[:1], len(text))) {
			return fmt.Errorf("a mixture: %d bytes %.3q.., metadata %q", len(text), text, r.Object.Metadata)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	together(6, func(i int) {
		for n := i; ctx.Err() == nil; n += 3 {
			var err error
			switch {
			case i == 0 && n%5 == 0:
				err = s.Delete(t.Context(), "d/k")
			case i < 3:
				err = write(t.Context(), n)
			default:
				err = check(read(t.Context(), s, "d/k", store.Whole()))
			}
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
				return
			}
		}
	})
}

// testOneVersion overwrites and deletes an object whose body is being read. A
// backend may make the change wait for the reader.
func testOneVersion(t *testing.T, h Harness) {
	s := h.Open(t)
	const size = 32 << 20 // more than any socket buffer holds
	change := map[string]func(key string) error{
		"overwrite": func(key string) error {
			_, err := s.Put(t.Context(), key, strings.NewReader(pattern(size, 9)), store.PutOptions{Size: size})
			return err
		},
		"delete": func(key string) error { return s.Delete(t.Context(), key) },
	}
	for name, f := range change {
		body := pattern(size, 4)
		put(t, s, name, body)
		r, err := s.Get(t.Context(), name, store.Whole())
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 1000)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		changed := make(chan error, 1)
		go func() { changed <- f(name) }()
		select {
		case err = <-changed:
			changed <- err
		case <-time.After(500 * time.Millisecond):
		}
		rest, err := io.ReadAll(r)
		if err == nil && string(head)+string(rest) != body {
			t.Errorf("%s while it is read: the body is not the one that was opened", name)
		}
		_ = r.Close()
		if err := <-changed; err != nil {
			t.Errorf("%s while it is read: %v", name, err)
		}
	}
}

func testCancelled(t *testing.T, h Harness) {
	s := h.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader(pattern(100_000, 5)), readFunc(func([]byte) (int, error) {
		cancel() // and wait for what the store makes of it
		<-ctx.Done()
		return 0, ctx.Err()
	}))
	_, err := s.Put(ctx, "k", body, store.PutOptions{Size: 200_000})
	wantKind(t, "Put whose context ends", err, context.Canceled)
	expectAbsent(t, s, "k")

	put(t, s, "k", "body")
	_, err = s.Put(ctx, "k", strings.NewReader("x"), store.PutOptions{Size: 1})
	wantKind(t, "Put", err, context.Canceled)
	_, err = s.Get(ctx, "k", store.Whole())
	wantKind(t, "Get", err, context.Canceled)
	_, err = s.Head(ctx, "k")
	wantKind(t, "Head", err, context.Canceled)
	_, err = s.List(ctx, store.ListOptions{})
	wantKind(t, "List", err, context.Canceled)
	wantKind(t, "Delete", s.Delete(ctx, "k"), context.Canceled)
	expect(t, s, "k", "body")
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
