// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRemovedFile: writes and syncs to an unlinked or replaced file succeed;
// the log must notice by itself.
func TestRemovedFile(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(seg string) error{
		"removed":  os.Remove,
		"replaced": func(p string) error { return errors.Join(os.Rename(p, p+".was"), os.WriteFile(p, nil, 0o600)) },
		"renamed":  func(p string) error { return os.Rename(p, p+".was") },
		"directory renamed": func(p string) error {
			return os.Rename(filepath.Dir(p), filepath.Dir(p)+".was")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			var commits atomic.Int32
			c.Observe = func(Commit) { commits.Add(1) }
			l := mustOpen(t, c)
			if err := tryBegin(l, read("before")); err != nil {
				t.Fatal(err)
			}
			seg := filepath.Join(c.Dir, segmentName(0))
			if err := spoil(seg); err != nil {
				t.Fatal(err)
			}
			if err := tryBegin(l, read("lost")); !errors.Is(err, ErrClosed) {
				t.Fatalf("written to nowhere and acknowledged: %v", err)
			}
			if s := l.State(); s.Health != Closed || !strings.Contains(s.Why, "segments/") {
				t.Errorf("%+v", s)
			}
			if name == "removed" {
				if s := l.State(); !strings.Contains(s.Why, "was removed while in use") {
					t.Errorf("%+v", s)
				}
				tried := commits.Load()
				time.Sleep(1200 * time.Millisecond)
				if err := tryBegin(l, read("lost")); !errors.Is(err, ErrClosed) || commits.Load() != tried {
					t.Errorf("opened again without its file: %v", err)
				}
				_ = l.Close(t.Context()) // it cannot be closed well
				if _, err := Open(c); !errors.Is(err, ErrIntegrity) {
					t.Errorf("open: %v", err)
				}
				return
			}
			if name == "directory renamed" {
				err := os.Rename(filepath.Dir(seg)+".was", filepath.Dir(seg))
				if err != nil {
					t.Fatal(err)
				}
			} else if err := os.Rename(seg+".was", seg); err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return tryBegin(l, read("after")) == nil })
			mustClose(t, l)
			mustVerify(t, c.Dir, VerifyOptions{})
			if got := records(t, c.Dir, SearchQuery{Path: "models/lost"}); len(got) != 0 {
				t.Errorf("a refused intent is in the log: %+v", got)
			}
		})
	}
}

func TestSecondOpen(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	l := mustOpen(t, c)
	if _, err := Open(c); !errors.Is(err, ErrLocked) {
		t.Errorf("second open in one process: %v", err)
	}
	if r := mustVerify(t, c.Dir, VerifyOptions{}); !r.Live {
		t.Error("verify does not see that it is open")
	}
	if err := tryBegin(l, read("x")); err != nil {
		t.Error(err)
	}
	mustClose(t, l)
	if r := mustVerify(t, c.Dir, VerifyOptions{}); r.Live {
		t.Error("verify sees a closed log as open")
	}
	mustClose(t, mustOpen(t, c))
}

// TestClockStepsBack: time orders nothing.
func TestClockStepsBack(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	now := time.Date(2027, 3, 2, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); now = now.Add(-time.Hour); return now }
	for range 2 {
		l := mustOpen(t, c)
		for i := range 5 {
			if err := tryBegin(l, read(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, l)
	}
	mustVerify(t, c.Dir, VerifyOptions{})
	got := records(t, c.Dir, SearchQuery{Event: "artifact.read"})
	for i := 1; i < len(got); i++ {
		if a, b := got[i-1], got[i]; a.Seq >= b.Seq {
			t.Errorf("record %d behind %d", b.Seq, a.Seq)
		}
	}
	if a, b := got[0], got[1]; !b.Time.Before(a.Time) || b.MonoNS <= a.MonoNS {
		t.Errorf("time %v %v, mono %d %d", a.Time, b.Time, a.MonoNS, b.MonoNS)
	}
}

// TestImpossibleClock: a record is right whatever the clock says.
func TestImpossibleClock(t *testing.T) {
	t.Parallel()
	for _, year := range []int{-5, 0, 9999, 10000, 300000} {
		c := testConfig(t)
		c.Now = func() time.Time { return time.Date(year, 6, 1, 0, 0, 0, 1, time.FixedZone("", 3600)) }
		l := mustOpen(t, c)
		if err := tryBegin(l, read("x")); err != nil {
			t.Error(err)
		}
		mustClose(t, l)
		mustVerify(t, c.Dir, VerifyOptions{})
	}
}

// TestOpenOnAFullDisk fails with one line, changes nothing that was there,
// and works when there is space.
func TestOpenOnAFullDisk(t *testing.T) {
	t.Parallel()
	c, _ := closedLog(t, 2)
	d := newFakeDisk(c.Dir)
	d.on(func(string, int64, []byte) (int, error) { return 0, unix.ENOSPC }, nil, nil)
	c.disk = d
	_, err := Open(c)
	if !errors.Is(err, unix.ENOSPC) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v", err)
	}
	mustVerify(t, c.Dir, VerifyOptions{})
	d.on(nil, nil, nil)
	mustClose(t, mustOpen(t, c))
	mustVerify(t, c.Dir, VerifyOptions{})
}
