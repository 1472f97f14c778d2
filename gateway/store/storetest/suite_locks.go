// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// RunLocks holds a store.Locker to its contract.
func RunLocks(t *testing.T, h Harness) {
	h.run(t, []test{
		{"Written", testLockWritten},
		{"Kept", testLockKept},
		{"Retain", testRetain},
		{"NowhereToLock", testNoLock},
		{"Refused", testLockRefused},
	})
}

// retention gives one that no run of a test outlives. Every mode of a test is
// one that its backend can take off when it is thrown away.
func retention(mode string) store.Retention {
	return store.Retention{Mode: mode, Until: time.Now().UTC().Add(24 * time.Hour).Truncate(time.Second)}
}

// locked puts an object with a lock.
func locked(tb testing.TB, s store.Store, key string, l store.Lock) store.Object {
	tb.Helper()
	o, err := s.Put(tb.Context(), key, strings.NewReader("body"), store.PutOptions{Size: 4, Metadata: "meta", Lock: l})
	if err != nil {
		tb.Fatalf("Put(%q) with %+v: %v", key, l, err)
	}
	if o.VersionID == "" {
		tb.Fatalf("a bucket that locks keeps no versions: %+v", o)
	}
	return o
}

// wantLock fails the test unless the version has the lock, told by Head and Get.
func wantLock(tb testing.TB, s store.Store, key, version string, want store.Lock) {
	tb.Helper()
	head, err := s.(store.Versioner).HeadVersion(tb.Context(), key, version)
	if err != nil || head.Lock != want {
		tb.Errorf("Head of %q: %+v, %v, want %+v", key, head.Lock, err, want)
	}
	r, err := s.(store.Versioner).GetVersion(tb.Context(), key, version, store.Whole())
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read side
	if r.Object.Lock != want {
		tb.Errorf("Get of %q: %+v, want %+v", key, r.Object.Lock, want)
	}
}

// Each way to write locks the version from its first moment.
func testLockWritten(t *testing.T, h Harness) {
	s := h.OpenLocking(t).(store.Locker)
	ctx := t.Context()
	lock := store.Lock{Retention: retention(store.Governance), Hold: store.HoldOn}
	for _, l := range []store.Lock{{}, {Retention: lock.Retention}, {Hold: store.HoldOn}, lock} {
		o := locked(t, s, "put", l)
		wantLock(t, s, "put", "", l)
		wantLock(t, s, "put", o.VersionID, l)
	}
	src := locked(t, s, "src", lock)
	c := s.(store.Copier)
	if _, err := c.Copy(ctx, "free", "src", store.CopyOptions{SourceETag: src.ETag}); err != nil {
		t.Fatal(err)
	}
	wantLock(t, s, "free", "", store.Lock{}) // that of the source stays with it
	if _, err := c.Copy(ctx, "copy", "src", store.CopyOptions{SourceETag: src.ETag, Lock: lock}); err != nil {
		t.Fatal(err)
	}
	wantLock(t, s, "copy", "", lock)
	if _, err := c.Copy(ctx, "new", "src", store.CopyOptions{SourceETag: src.ETag, Lock: lock, IfNoneMatch: true}); err != nil {
		t.Fatal(err)
	}
	wantLock(t, s, "new", "", lock)

	upload, err := s.CreateLocked(ctx, "parts", "meta", lock)
	if err != nil {
		t.Fatal(err)
	}
	m := s.(store.Multiparter)
	tag, err := m.PutPart(ctx, "parts", upload, 1, strings.NewReader("part"), 4)
	if err != nil {
		t.Fatal(err)
	}
	o, err := m.CompleteMultipart(ctx, "parts", upload, []store.PartTag{{Number: 1, ETag: tag}}, store.CompleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantLock(t, s, "parts", o.VersionID, lock)
	expect(t, s, "parts", "part")
}

// A locked version stays, and who asked for its end is not told otherwise.
func testLockKept(t *testing.T, h Harness) {
	s := h.OpenLocking(t).(store.Locker)
	for _, l := range []store.Lock{{Retention: retention(store.Governance)}, {Retention: retention(store.Compliance)}, {Hold: store.HoldOn}} {
		key := "k" + l.Mode + l.Hold
		o := locked(t, s, key, l)
		if d, err := s.DeleteVersion(t.Context(), key, o.VersionID); !errors.Is(err, store.ErrLocked) {
			t.Errorf("deleting what %+v keeps: %+v, %v", l, d, err)
		}
		wantLock(t, s, key, o.VersionID, l)
		if d, err := s.DeleteVersion(t.Context(), key, ""); err != nil || !d.Marker {
			t.Errorf("a delete marker over it: %+v, %v", d, err)
		}
		wantLock(t, s, key, o.VersionID, l)
	}
	o := locked(t, s, "free", store.Lock{})
	if _, err := s.DeleteVersion(t.Context(), "free", o.VersionID); err != nil {
		t.Error(err)
	}
	expectAbsent(t, s, "free")
}

// A retention grows, and never shrinks.
func testRetain(t *testing.T, h Harness) {
	s := h.OpenLocking(t).(store.Locker)
	ctx := t.Context()
	o := locked(t, s, "k", store.Lock{})
	short := retention(store.Governance)
	long := store.Retention{Mode: store.Governance, Until: short.Until.Add(time.Hour)}
	for _, r := range []store.Retention{short, long} {
		if err := s.Retain(ctx, "k", o.VersionID, r); err != nil {
			t.Fatal(err)
		}
		wantLock(t, s, "k", o.VersionID, store.Lock{Retention: r})
	}
	wantKind(t, "shortening", s.Retain(ctx, "k", o.VersionID, short), store.ErrLocked)
	wantLock(t, s, "k", o.VersionID, store.Lock{Retention: long})
	strict := store.Retention{Mode: store.Compliance, Until: long.Until}
	locked(t, s, "strict", store.Lock{Retention: strict})
	wantKind(t, "loosening", s.Retain(ctx, "strict", "", long), store.ErrLocked)
	wantKind(t, "retaining what is not there", s.Retain(ctx, "none", "", long), store.ErrNotFound)
	expect(t, s, "k", "body")
}

// What cannot be locked is not written as if it could.
func testNoLock(t *testing.T, h Harness) {
	s := h.Open(t).(store.Locker)
	ctx := t.Context()
	l := store.Lock{Retention: retention(store.Governance)}
	_, err := s.Put(ctx, "k", strings.NewReader("body"), store.PutOptions{Size: 4, Lock: l})
	wantKind(t, "Put", err, store.ErrNoLock)
	_, err = s.CreateLocked(ctx, "k", "", l)
	wantKind(t, "CreateLocked", err, store.ErrNoLock)
	src := put(t, s, "src", "body")
	_, err = s.(store.Copier).Copy(ctx, "k", "src", store.CopyOptions{SourceETag: src.ETag, Lock: l})
	wantKind(t, "Copy", err, store.ErrNoLock)
	wantKind(t, "Retain", s.Retain(ctx, "src", "", l.Retention), store.ErrNoLock)
	_, err = s.LockRule(ctx)
	wantKind(t, "LockRule", err, store.ErrNoLock)
	expectAbsent(t, s, "k")
	if rule, err := h.OpenLocking(t).(store.Locker).LockRule(ctx); err != nil || rule != (store.LockRule{}) {
		t.Errorf("the rule of a new bucket: %+v, %v", rule, err)
	}
}

func testLockRefused(t *testing.T, h Harness) {
	s := h.OpenLocking(t).(store.Locker)
	ctx := t.Context()
	until := retention(store.Governance).Until
	for _, l := range []store.Lock{
		{Hold: "on"},
		{Retention: store.Retention{Mode: store.Governance}},
		{Retention: store.Retention{Until: until}},
		{Retention: store.Retention{Mode: "governance", Until: until}},
		{Retention: store.Retention{Mode: store.Compliance, Until: until.Add(time.Millisecond)}},
		{Retention: store.Retention{Mode: store.Compliance, Until: until.AddDate(9000, 0, 0)}},
	} {
		_, err := s.Put(ctx, "k", strings.NewReader("body"), store.PutOptions{Size: 4, Lock: l})
		wantKind(t, "Put", err, store.ErrOptions)
		_, err = s.CreateLocked(ctx, "k", "", l)
		wantKind(t, "CreateLocked", err, store.ErrOptions)
	}
	expectAbsent(t, s, "k")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantKind(t, "Retain after the end", s.Retain(ended, "k", "", retention(store.Governance)), context.Canceled)
	_, err := s.LockRule(ended)
	wantKind(t, "LockRule after the end", err, context.Canceled)
}
