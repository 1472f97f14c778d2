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

// A bucket that was put in force stays there though the database does not call it
// ready yet, whatever is read again meanwhile; one that is only being made is not
// served by a reload.
func TestReloadKeepsWhatWasJustMade(t *testing.T) {
	t.Parallel()
	s, ctx := changingSystem(t), t.Context()
	for name, to := range map[string]string{"ready": state.BucketReady, "early": "", "making": ""} {
		if err := s.db.MakeBucket(ctx, state.MadeBucket{Name: name, Backend: "store", KEK: "local"}); err != nil {
			t.Fatal(err)
		}
		if to != "" {
			if err := s.db.SetBucket(ctx, name, state.BucketMaking, to); err != nil {
				t.Fatal(err)
			}
		}
		c, err := s.claim(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		c.bucket, c.inForce = state.MadeBucket{Name: name}, name != "making"
	}
	made, err := s.toServe(ctx)
	var names []string
	for _, b := range made {
		names = append(names, b.Name)
	}
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"early", "ready"}) {
		t.Errorf("in force would be %v, %v", names, err)
	}
	if all := withChanging(nil, s.changing); len(all) != 3 {
		t.Errorf("%d buckets take a place, want 3", len(all))
	}
}
