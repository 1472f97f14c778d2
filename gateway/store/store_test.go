// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// Exact never gives the last byte of a body that is not as it was declared.
func TestExact(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	for _, tt := range []struct {
		name string
		body io.Reader
		size int64
		want error // nil: the body is complete
	}{
		{"right", strings.NewReader("body"), 4, nil},
		{"right, byte by byte", iotest.OneByteReader(strings.NewReader("body")), 4, nil},
		{"right, end with the data", iotest.DataErrReader(strings.NewReader("body")), 4, nil},
		{"empty", strings.NewReader(""), 0, nil},
		{"short", strings.NewReader("bod"), 4, store.ErrLength},
		{"nothing", strings.NewReader(""), 4, store.ErrLength},
		{"long", strings.NewReader("body!"), 4, store.ErrLength},
		{"something for nothing", strings.NewReader("x"), 0, store.ErrLength},
		{"error after the data", io.MultiReader(strings.NewReader("body"), iotest.ErrReader(bad)), 4, bad},
		{"error before the last byte", io.MultiReader(strings.NewReader("bod"), iotest.ErrReader(bad)), 4, bad},
		{"error for nothing", iotest.ErrReader(bad), 0, bad},
		{"never ends", endless{strings.NewReader("body")}, 4, io.ErrNoProgress},
	} {
		for _, size := range []int{1, 3, 4, 5, 100} {
			e := store.NewExact(tt.body, tt.size)
			if s, ok := tt.body.(io.Seeker); ok {
				_, _ = s.Seek(0, io.SeekStart)
			} else if size > 1 {
				continue // used up
			}
			var got []byte
			var err error
			for buf := make([]byte, size); err == nil; {
				var n int
				n, err = e.Read(buf)
				got = append(got, buf[:n]...)
			}
			complete := errors.Is(err, io.EOF)
			if complete != (tt.want == nil) || e.Complete() != complete || !errors.Is(e.Err(), tt.want) {
				t.Errorf("%s, %d at a time: %v, Err %v, Complete %t, want %v", tt.name, size, err, e.Err(), e.Complete(), tt.want)
			}
			if int64(len(got)) == tt.size && tt.size > 0 && !complete {
				t.Errorf("%s, %d at a time: a bad body was given whole", tt.name, size)
			}
		}
	}
}

// endless gives no bytes and no end when its reader is at its end.
type endless struct{ r io.Reader }

func (e endless) Read(p []byte) (int, error) {
	n, _ := e.r.Read(p)
	return n, nil
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for key, ok := range map[string]bool{
		"a": true, "/": true, "\u00e9": true, "\x00": true, strings.Repeat("k", 1024): true,
		"": false, strings.Repeat("k", 1025): false, "\xff": false, "\xc0\x80": false, "\xed\xa0\x80": false,
	} {
		if err := store.CheckKey(key); (err == nil) != ok || err != nil && !errors.Is(err, store.ErrKey) {
			t.Errorf("CheckKey(%.20q) = %v", key, err)
		}
	}
}

func TestCheckBucket(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"abc": true, "a-b.c": true, "0123": true, strings.Repeat("b", 63): true,
		"": false, "ab": false, strings.Repeat("b", 64): false, "Abc": false, "a_b": false, "a/b": false, "../b": false, "a..b": false, ".ab": false,
		"ab.": false, "-ab": false, "ab-": false, "a b": false, "b\u00fccher": false, "a\x00b": false,
	} {
		if err := store.CheckBucket(name); (err == nil) != ok || err != nil && !errors.Is(err, store.ErrKey) {
			t.Errorf("CheckBucket(%q) = %v", name, err)
		}
	}
}

// What a copy, a completion, a part or a list of parts may not be.
func TestChecks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ got, want error }{
		"copy":                  {store.CopyOptions{SourceETag: "x", IfMatch: "y"}.Check(), nil},
		"copy of anything":      {store.CopyOptions{}.Check(), store.ErrOptions},
		"copy under both":       {store.CopyOptions{SourceETag: "x", IfMatch: "y", IfNoneMatch: true}.Check(), store.ErrOptions},
		"copy with a blank":     {store.CopyOptions{SourceETag: "x", Metadata: " "}.Check(), store.ErrOptions},
		"completion":            {store.CompleteOptions{IfNoneMatch: true}.Check(), nil},
		"completion under both": {store.CompleteOptions{IfNoneMatch: true, IfMatch: "x"}.Check(), store.ErrOptions},
		"first part":            {store.CheckPart(1, 0), nil},
		"last part":             {store.CheckPart(store.MaxParts, store.MaxPart), nil},
		"part 0":                {store.CheckPart(0, 0), store.ErrOptions},
		"part 10,001":           {store.CheckPart(store.MaxParts+1, 0), store.ErrOptions},
		"part of -1":            {store.CheckPart(1, -1), store.ErrOptions},
		"large part":            {store.CheckPart(1, store.MaxPart+1), store.ErrTooLarge},
		"list":                  {store.CheckParts([]store.PartTag{{Number: 1, ETag: "a"}, {Number: store.MaxParts, ETag: "a"}}), nil},
		"empty list":            {store.CheckParts(nil), store.ErrPart},
		"list without a tag":    {store.CheckParts([]store.PartTag{{Number: 1}}), store.ErrPart},
		"list that descends":    {store.CheckParts([]store.PartTag{{Number: 2, ETag: "a"}, {Number: 1, ETag: "a"}}), store.ErrPart},
		"list with a twin":      {store.CheckParts([]store.PartTag{{Number: 1, ETag: "a"}, {Number: 1, ETag: "a"}}), store.ErrPart},
		"list with part 0":      {store.CheckParts([]store.PartTag{{Number: 0, ETag: "a"}}), store.ErrPart},
		"list beyond the end":   {store.CheckParts([]store.PartTag{{Number: store.MaxParts + 1, ETag: "a"}}), store.ErrPart},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
}

// ignoring is a backend that takes conditions and does not look at them.
type ignoring struct {
	store.Store
	none, match bool // what it ignores
	fail        error
}

func (s ignoring) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if s.fail != nil && (o.IfNoneMatch || o.IfMatch != "") {
		return store.Object{}, s.fail
	}
	if s.none {
		o.IfNoneMatch = false
	}
	if s.match {
		o.IfMatch = ""
	}
	return s.Store.Put(ctx, key, body, o)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	refused := errors.New("not implemented")
	for _, tt := range []struct {
		name    string
		backend ignoring
		want    store.Capabilities
		err     error
	}{
		{"honest", ignoring{}, store.Capabilities{IfNoneMatch: true, IfMatch: true}, nil},
		{"ignores creates", ignoring{none: true}, store.Capabilities{IfMatch: true}, nil},
		{"ignores matches", ignoring{match: true}, store.Capabilities{IfNoneMatch: true}, nil},
		{"ignores both", ignoring{none: true, match: true}, store.Capabilities{}, nil},
		{"refuses the headers", ignoring{fail: refused}, store.Capabilities{}, nil},
		{"is away", ignoring{fail: store.ErrUnavailable}, store.Capabilities{}, store.ErrUnavailable},
		{"refuses all matches", ignoring{fail: store.ErrPrecondition}, store.Capabilities{}, nil},
	} {
		mem := new(storetest.Mem)
		tt.backend.Store = mem
		got, err := store.Probe(t.Context(), tt.backend)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.name, got, err, tt.want, tt.err)
		}
		if got.Conditional() != (got.IfMatch && got.IfNoneMatch) {
			t.Errorf("%s: Conditional is %t", tt.name, got.Conditional())
		}
		if page, _ := mem.List(t.Context(), store.ListOptions{}); len(page.Objects) > 0 {
			t.Errorf("%s: the probe left %q", tt.name, page.Objects[0].Key)
		}
	}
}

// uploader is a backend with uploads whose Complete is as broken as complete is.
type uploader struct {
	*storetest.Mem
	complete func(o *store.CompleteOptions) error
}

func (s uploader) CompleteMultipart(
	ctx context.Context, key, upload string, parts []store.PartTag, o store.CompleteOptions,
) (store.Object, error) {
	if err := s.complete(&o); err != nil {
		return store.Object{}, err
	}
	return s.Mem.CompleteMultipart(ctx, key, upload, parts, o)
}

// A write that fails for once says nothing about conditions: replicas that start
// together probe at the same moment, and some servers then stumble.
func TestProbeOfAStumblingBackend(t *testing.T) {
	t.Parallel()
	for first := range 6 {
		c, err := store.Probe(t.Context(), &stumbling{Store: &storetest.Mem{}, at: first})
		if err != nil || !c.Conditional() {
			t.Errorf("write %d failed: %+v, %v", first, c, err)
		}
	}
}

// stumbling fails one write.
type stumbling struct {
	store.Store
	at, puts int
}

func (s *stumbling) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if s.puts++; s.puts == s.at+1 {
		return store.Object{}, errors.New("an odd moment")
	}
	return s.Store.Put(ctx, key, body, o)
}

// A backend that takes one write against its condition is known by that: it is
// not asked until it does otherwise.
func TestProbeIsNotRepeatedUntilItPleases(t *testing.T) {
	t.Parallel()
	for wrong := range 2 {
		s := &sometimes{Store: new(storetest.Mem), wrong: wrong}
		if c, err := store.Probe(t.Context(), s); err != nil || c.Conditional() {
			t.Errorf("condition %d ignored for once: %+v, %v", wrong, c, err)
		}
	}
	mem, ignored := new(storetest.Mem), false
	c, err := store.Probe(t.Context(), uploader{mem, func(o *store.CompleteOptions) error {
		if o.IfNoneMatch && !ignored {
			ignored, o.IfNoneMatch = true, false
		}
		return nil
	}})
	if err != nil || c.Conditional() {
		t.Errorf("a Complete that ignored its condition for once: %+v, %v", c, err)
	}
}

// sometimes is a backend that ignores one condition, for once.
type sometimes struct {
	store.Store
	wrong, seen int
}

func (s *sometimes) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if _, err := s.Head(ctx, key); err == nil && (o.IfNoneMatch || o.IfMatch != "") {
		if s.seen++; s.seen == s.wrong+1 {
			o.IfNoneMatch, o.IfMatch = false, ""
		}
	}
	return s.Store.Put(ctx, key, body, o)
}

// A backend that completes whatever the condition is found out, and nothing of
// the probe's uploads stays.
func TestProbeOfUploads(t *testing.T) {
	t.Parallel()
	refused := errors.New("not implemented")
	for _, tt := range []struct {
		name     string
		complete func(o *store.CompleteOptions) error
		blind    bool
		err      error
	}{
		{"honest", func(*store.CompleteOptions) error { return nil }, false, nil},
		{"ignores creates", func(o *store.CompleteOptions) error { o.IfNoneMatch = false; return nil }, true, nil},
		{"ignores matches", func(o *store.CompleteOptions) error { o.IfMatch = ""; return nil }, true, nil},
		{"refuses the headers", func(o *store.CompleteOptions) error {
			if *o != (store.CompleteOptions{}) {
				return refused
			}
			return nil
		}, true, nil},
		{"refuses all matches", func(o *store.CompleteOptions) error {
			if o.IfMatch != "" {
				return store.ErrPrecondition
			}
			return nil
		}, true, nil},
		{"is away", func(*store.CompleteOptions) error { return store.ErrUnavailable }, false, store.ErrUnavailable},
		{"cannot", func(o *store.CompleteOptions) error {
			if *o == (store.CompleteOptions{}) {
				return refused
			}
			return nil
		}, false, refused},
	} {
		mem := new(storetest.Mem)
		got, err := store.Probe(t.Context(), uploader{mem, tt.complete})
		if got.BlindComplete != tt.blind || !errors.Is(err, tt.err) || !got.IfMatch || !got.IfNoneMatch {
			t.Errorf("%s: %+v, %v, want blind %t, %v", tt.name, got, err, tt.blind, tt.err)
		}
		if got.Conditional() == tt.blind {
			t.Errorf("%s: Conditional is %t", tt.name, got.Conditional())
		}
		if page, _ := mem.List(t.Context(), store.ListOptions{}); len(page.Objects) > 0 || mem.Uploads() > 0 {
			t.Errorf("%s: the probe left %d objects and %d uploads", tt.name, len(page.Objects), mem.Uploads())
		}
	}
}

// folding is a backend that takes names for others.
type folding struct {
	store.Store
	fold func(string) string
}

func (s folding) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	return s.Store.Put(ctx, s.fold(key), body, o)
}

func (s folding) Head(ctx context.Context, key string) (store.Object, error) {
	return s.Store.Head(ctx, s.fold(key))
}

func (s folding) Delete(ctx context.Context, key string) error {
	return s.Store.Delete(ctx, s.fold(key))
}

func TestProbeOfFoldingBackends(t *testing.T) {
	t.Parallel()
	for name, fold := range map[string]func(string) string{
		"case":    strings.ToLower,
		"Unicode": func(s string) string { return strings.ReplaceAll(s, "e\u0301", "\u00e9") },
	} {
		_, err := store.Probe(t.Context(), folding{new(storetest.Mem), fold})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The sentinels are kinds of their own: no one is taken for another.
func TestSentinels(t *testing.T) {
	t.Parallel()
	all := []error{
		store.ErrNotFound, store.ErrPrecondition, store.ErrUnavailable, store.ErrRange, store.ErrNoSpace,
		store.ErrKey, store.ErrTooLarge, store.ErrLength, store.ErrDamaged, store.ErrOptions,
		store.ErrNoUpload, store.ErrPart,
	}
	for i, err := range all {
		if slices.IndexFunc(all, func(e error) bool { return errors.Is(err, e) }) != i {
			t.Errorf("%v is taken for another", err)
		}
	}
}
