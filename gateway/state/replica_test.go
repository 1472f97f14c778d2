// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clock is a wall clock that a test moves.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{now: time.UnixMicro(1e15)} }

func openWithClock(t *testing.T, c *clock) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "state.db"), Now: func() time.Time { return c.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestASecondLiveReplicaIsRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	db := openWithClock(t, c)
	if _, err := db.RegisterInstance(t.Context(), Instance{ID: "7c1e99aa", Host: "gw-1", Boot: "b1"}); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(2 * time.Second)
	_, err := db.RegisterInstance(t.Context(), Instance{ID: "0001", Host: "gw-2", Boot: "b2"})
	wantErr(t, err, ErrReplica)
	const want = "opening state: replica 7c1e (host gw-1, seen 2s ago) already uses these buckets with its own SQLite; several replicas need state.postgres"
	if err.Error() != want {
		t.Errorf("want %q, got %q", want, err)
	}
	c.now = c.now.Add(LiveFor)
	if _, err := db.RegisterInstance(t.Context(), Instance{ID: "0001", Host: "gw-2", Boot: "b2"}); err != nil {
		t.Errorf("a replica that stopped beating still counts as live: %v", err)
	}
}

func TestARestartNeedNotWait(t *testing.T) {
	t.Parallel()
	lock := lockDir(t, t.TempDir())
	tests := map[string]struct {
		next Instance
		want error
	}{
		"same kernel, lock held":   {Instance{ID: "2", Boot: "b1", Lock: lock}, nil},
		"same kernel, no lock":     {Instance{ID: "2", Boot: "b1"}, ErrReplica},
		"other kernel, lock held":  {Instance{ID: "2", Boot: "b2", Lock: lock}, ErrReplica},
		"unknown kernel, lock":     {Instance{ID: "2", Boot: "", Lock: lock}, ErrReplica},
		"clock a second behind":    {Instance{ID: "2", Boot: "b2"}, ErrReplica},
		"a clean stop before that": {Instance{ID: "2", Boot: "b2"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			db := openWithClock(t, c)
			reg, err := db.RegisterInstance(t.Context(), Instance{ID: "1", Host: "gw-1", Boot: "b1"})
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "clock") {
				c.now = c.now.Add(-time.Second)
			}
			if strings.HasPrefix(name, "a clean stop") {
				if err := reg.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_, err = db.RegisterInstance(t.Context(), tt.next)
			wantErr(t, err, tt.want)
		})
	}
}

func TestAnUsurpedReplicaStops(t *testing.T) {
	t.Parallel()
	c := newClock()
	db := openWithClock(t, c)
	first, err := db.RegisterInstance(t.Context(), Instance{ID: "1", Host: "gw-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour) // its machine slept
	if _, err := db.RegisterInstance(t.Context(), Instance{ID: "2", Host: "gw-2"}); err != nil {
		t.Fatal(err)
	}
	err = first.Beat(t.Context())
	wantErr(t, err, ErrReplica)
	if e, ok := errors.AsType[*ReplicaError](err); !ok || e.Host != "gw-2" {
		t.Errorf("the error must name who took over: %v", err)
	}
}

func TestRunBeatsAndReleases(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "state.db"))
	synctest.Test(t, func(t *testing.T) {
		db.cfg.Now = time.Now
		reg, err := db.RegisterInstance(t.Context(), Instance{ID: "1", Host: "gw-1"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*LiveFor)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- reg.Run(ctx) }()
		time.Sleep(5 * LiveFor)
		if _, err := db.RegisterInstance(t.Context(), Instance{ID: "2"}); !errors.Is(err, ErrReplica) {
			t.Errorf("a beating replica was not live: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := db.RegisterInstance(t.Context(), Instance{ID: "2"}); err != nil {
			t.Errorf("a released row still counts: %v", err)
		}
	})
}

func lockDir(t *testing.T, dir string) *DirLock {
	t.Helper()
	l, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLockDirNamesTheOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := lockDir(t, dir)
	_, err := LockDir(dir)
	wantErr(t, err, ErrLocked)
	e, ok := errors.AsType[*LockedError](err)
	if !ok || e.PID != os.Getpid() || time.Since(e.Started) > time.Hour {
		t.Fatalf("want this process as the owner, got %+v", e)
	}
	if want := fmt.Sprintf("in use by pid %d, started ", os.Getpid()); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("want %q and %q in %q", want, dir, err)
	}
	for range 2 {
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lockDir(t, dir)
}

// Whatever stands in the file, a held lock is a LockedError.
func TestLockDirWithGarbage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lockDir(t, dir)
	for _, text := range []string{"", "pid x\n", "pid 4 started", "pid 4\nstarted then\n", strings.Repeat("\xff", 1000)} {
		write(t, filepath.Join(dir, "lock"), []byte(text))
		_, err := LockDir(dir)
		wantErr(t, err, ErrLocked)
		if !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("got %v", err)
		}
	}
}

// The lock must end with the process, however it ends.
func TestAKilledOwnerFreesTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := child(t, "lock", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it holds the lock now
		t.Fatal(err)
	}
	_, err = LockDir(dir)
	wantErr(t, err, ErrLocked)
	if e, ok := errors.AsType[*LockedError](err); !ok || e.PID != cmd.Process.Pid {
		t.Errorf("want pid %d, got %v", cmd.Process.Pid, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed: that is the point
	lockDir(t, dir)
}

// child runs this test binary again in a role of TestMain.
func child(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "STATE_TEST_ROLE="+role)
	cmd.Stderr = os.Stderr
	return cmd
}
