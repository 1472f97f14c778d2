// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills a real, small file system under a running log: it
// closes, loses nothing that was acknowledged, and opens by itself when there
// is space again.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		t.Skipf("mounting a tmpfs: %v (run as root in a mount namespace of one's own)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c := realConfig(t)
	c.Dir, c.Reserve, c.SegmentSize, c.ReopenFree = filepath.Join(mount, "audit"), 64<<10, 256<<10, 512<<10
	l := mustOpen(t, c)
	ballast := filepath.Join(mount, "ballast")
	acked := 0
	for round := range 3 {
		fill(t, ballast)
		var err error
		for i := 0; err == nil && i < 10000; i++ {
			var p Pending
			if p, err = l.Begin(t.Context(), read("kept")); err == nil {
				acked++
				err = p.End(t.Context(), Outcome{Status: 200})
			}
		}
		if !errors.Is(err, ErrClosed) || l.State().Health != Closed {
			t.Fatalf("round %d: full disk: %v, %+v", round, err, l.State())
		}
		if why := l.State().Why; !strings.Contains(why, "no space left on "+c.Dir) {
			t.Errorf("%s", why)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			p, err := l.Begin(t.Context(), read("kept"))
			if err != nil {
				return false
			}
			acked++
			return p.End(t.Context(), Outcome{Status: 200}) == nil
		})
	}
	mustClose(t, l)
	r := mustVerify(t, c.Dir, VerifyOptions{})
	if r.Open != 0 {
		t.Errorf("%s", r)
	}
	if got := len(records(t, c.Dir, SearchQuery{Path: "models/kept", Event: "artifact.read"})); got != 2*acked {
		t.Errorf("%d records of kept, want intent and outcome of %d", got, acked)
	}
}

// fill takes all the space there is.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer closeRead(f)
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}
