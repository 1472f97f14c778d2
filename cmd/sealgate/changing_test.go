// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// changingSystem is as much of a system as changes of buckets are kept apart by.
func changingSystem(t *testing.T) *system {
	t.Helper()
	db, err := state.Open(t.Context(), state.Config{Path: filepath.Join(t.TempDir(), "state.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &system{cfg: &config.Config{}, db: db, changing: map[string]*change{}}
}

// locked reports whether mu is held.
func (s *system) locked() bool {
	if s.mu.TryLock() {
		s.mu.Unlock()
		return false
	}
	return true
}

// Of one bucket there is one change at a time. Who waits holds nothing, and gives up
// with its request.
func TestClaim(t *testing.T) {
	t.Parallel()
	s := changingSystem(t)
	if _, err := s.claim(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.claim(t.Context(), "b"); err != nil {
		t.Errorf("another bucket: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.claim(gone, "a"); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a second change of one bucket: %v", err)
	}
	if s.locked() {
		t.Error("a change that is under way, or waits, holds what reloads need")
	}
	turn := make(chan error)
	go func() {
		_, err := s.claim(t.Context(), "a")
		turn <- err
	}()
	s.release("a")
	if err := <-turn; err != nil {
		t.Error(err)
	}
}

// A rotation begins when no bucket is being changed, and none begins to be.
func TestLockAlone(t *testing.T) {
	t.Parallel()
	s := changingSystem(t)
	for _, name := range []string{"a", "b"} {
		if _, err := s.claim(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.lockAlone(short); !errors.Is(err, context.DeadlineExceeded) || s.locked() {
		t.Fatalf("beside two changes: %v, locked: %t", err, s.locked())
	}
	s.release("a")
	s.release("b")
	if err := s.lockAlone(t.Context()); err != nil || !s.locked() {
		t.Errorf("alone: %v, locked: %t", err, s.locked())
	}
	s.mu.Unlock()
}

// What is in force is what the database calls ready, and no more: what is only being
// made is not served by a reload, nor what is being removed. Both take a place.
func TestReloadServesWhatIsReady(t *testing.T) {
	t.Parallel()
	s, ctx := changingSystem(t), t.Context()
	for name, states := range map[string][]string{
		"ready": {state.BucketReady}, "making": nil, "removing": {state.BucketReady, state.BucketRemoving}, "kept": {state.BucketReady, state.BucketRemoving, state.BucketReady},
	} {
		if err := s.db.MakeBucket(ctx, state.MadeBucket{Name: name, Backend: "store", KEK: "local"}); err != nil {
			t.Fatal(err)
		}
		c, err := s.claim(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		c.bucket = state.MadeBucket{Name: name}
		from := state.BucketMaking
		for _, to := range states {
			if err := s.note(ctx, c, from, to); err != nil {
				t.Fatal(err)
			}
			from = to
		}
	}
	made, err := s.madeBuckets(ctx)
	var names []string
	for _, b := range made {
		names = append(names, b.Name)
	}
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"kept", "ready"}) {
		t.Errorf("in force would be %v, %v", names, err)
	}
	if all := withChanging(made, s.changing); len(all) != 4 {
		t.Errorf("%d buckets take a place, want 4", len(all))
	}
}

// Two gateways may take up one removal: who comes second to say that the bucket is
// gone is told nothing else than the first. One that is in use is not called gone.
func TestNoteGone(t *testing.T) {
	t.Parallel()
	s, ctx := changingSystem(t), t.Context()
	if err := s.db.MakeBucket(ctx, state.MadeBucket{Name: "b", Backend: "store", KEK: "local"}); err != nil {
		t.Fatal(err)
	}
	c := &change{bucket: state.MadeBucket{Name: "b"}}
	if err := s.note(ctx, c, state.BucketMaking, state.BucketReady); err != nil {
		t.Fatal(err)
	}
	if err := s.noteGone(ctx, c); !errors.Is(err, state.ErrConflict) {
		t.Errorf("a bucket in use: %v", err)
	}
	if err := s.note(ctx, c, state.BucketReady, state.BucketRemoving); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	for range 2 {
		if err := s.noteGone(over, c); err != nil {
			t.Error(err)
		}
	}
}

// What was open of a bucket is closed with what is opened of it later.
func TestCloseLater(t *testing.T) {
	t.Parallel()
	s := &system{storeClosers: map[string]func() error{}}
	var ended []string
	for _, name := range []string{"first", "second"} {
		s.closeLater("b", opened{end: func() error { ended = append(ended, name); return nil }})
	}
	s.closeLater("b", opened{})
	if err := errors.Join(s.closeStore("b"), s.closeStore("b")); err != nil || !slices.Equal(ended, []string{"first", "second"}) {
		t.Errorf("closed: %v, %v", ended, err)
	}
}
