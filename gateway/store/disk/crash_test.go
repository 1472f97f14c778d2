// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
)

// contents returns what a store holds, each object read whole, and fails the
// test for one that cannot be.
func contents(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	page, err := s.List(t.Context(), store.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	held := make(map[string]string)
	for _, obj := range page.Objects {
		r, err := s.Get(t.Context(), obj.Key, store.Whole())
		if err != nil {
			t.Fatalf("%s is listed but: %v", obj.Key, err)
		}
		body, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || len(body) < 3 || r.Object.Metadata != strings.ToUpper(string(body[:3])) {
			t.Fatalf("%s: %d bytes with the metadata %q, %v", obj.Key, len(body), r.Object.Metadata, err)
		}
		held[obj.Key] = string(body)
		tags, err := s.(store.Tagger).Tags(t.Context(), obj.Key, "")
		if err != nil {
			t.Fatalf("the tags of %s: %v", obj.Key, err)
		}
		for _, tag := range tags {
			held[obj.Key+" "+tag.Key] = tag.Value
		}
	}
	return held
}

// A process that dies at any step leaves the state before or the state after,
// and nothing that the next one does not clean up.
func TestCrash(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	died := make(map[string]bool) // points that were reached
	t.Run("points", func(t *testing.T) {
		for change := range changes {
			points, done := reached(t, change)
			for _, point := range points {
				t.Run(change+"@"+point, func(t *testing.T) {
					t.Parallel()
					if crash(t, change, point, done) {
						mu.Lock()
						died[point] = true
						mu.Unlock()
					}
				})
			}
		}
	})
	for _, point := range disk.PersistPoints {
		if !died[point] {
			t.Errorf("no change died at %s", point)
		}
	}
}

// reached returns the points that a change comes by, and what is there after it.
func reached(t *testing.T, change string) (points []string, done map[string]string) {
	t.Helper()
	dir := t.TempDir()
	prepare(t, dir)
	s, err := disk.Open(disk.Config{Dir: dir, Persist: func(p string) {
		if !slices.Contains(points, p) {
			points = append(points, p)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := changes[change](s); err != nil {
		t.Fatalf("%s: %v", change, err)
	}
	done = contents(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return points, done
}

// crash makes the change in a child that dies at the point, and reports whether
// it did.
func crash(t *testing.T, change, point string, done map[string]string) bool {
	t.Helper()
	dir := t.TempDir()
	was := prepare(t, dir)
	state, out := child(t, "crash", dir, change+"@"+point, nil)
	died := state.Sys().(syscall.WaitStatus).Signaled()
	if !died && !state.Success() {
		t.Fatalf("child: %v: %s", state, out)
	}
	after := open(t, dir)
	is := contents(t, after)
	if left, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in .tmp: %v, %v", left, err)
	}
	abortAll(t, after, dir)
	if err := changes[change](after); err != nil && !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the change again: %v", err)
	}
	if again := contents(t, after); !same(again, done) {
		t.Errorf("the change again leaves %s, and %s when nothing happens", describe(again), describe(done))
	}
	if !same(is, was) && !same(is, done) {
		t.Errorf("neither before nor after: %s", describe(is))
	}
	return died
}

// prepare makes a store that holds one object. No child of another test is
// forked meanwhile: until it becomes another program it would hold the lock of
// this store, and the next Open would take the store for one in use.
func prepare(t *testing.T, dir string) map[string]string {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	s, err := disk.Open(disk.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(s, "dir/old", oldBody, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetTags(t.Context(), "dir/old", "", []store.Tag{{Key: "old", Value: "old"}}); err != nil {
		t.Fatal(err)
	}
	was := contents(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return was
}

// abortAll aborts the uploads that a crash has left, and nothing of them stays.
func abortAll(t *testing.T, s *disk.Store, dir string) {
	t.Helper()
	uploads, err := os.ReadDir(filepath.Join(dir, ".uploads"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads {
		for _, key := range []string{"dir/new", "dir/old"} {
			if err := s.AbortMultipart(t.Context(), key, u.Name()); err != nil {
				t.Errorf("aborting what is left: %v", err)
			}
		}
	}
	for _, name := range []string{".uploads", ".tmp"} {
		if left, err := os.ReadDir(filepath.Join(dir, name)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", name, left, err)
		}
	}
}

func same(a, b map[string]string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func describe(held map[string]string) string {
	var b strings.Builder
	for key, body := range held {
		fmt.Fprintf(&b, "%s: %d bytes %.3s; ", key, len(body), body)
	}
	return b.String()
}

// A store that is open keeps its writes in progress when another is opened.
func TestTempOfAnOpenStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	r, w := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), "k", r, store.PutOptions{Size: 4})
		done <- err
	}()
	if _, err := w.Write([]byte("bo")); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	_, err := w.Write([]byte("dy"))
	if err := errors.Join(err, w.Close(), <-done); err != nil {
		t.Errorf("Put beside another Open: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	// Mounts of the child must not come back to this name space.
	attr.Unshareflags = syscall.CLONE_NEWNS
	if state, out := child(t, "full", t.TempDir(), "", attr); !state.Success() {
		t.Errorf("%v: %s", state, out)
	}
}

// Of two writes that match one tag the first wins, however long it takes from
// the comparison to the rename; a write without a condition waits as well.
func TestMatchHoldsUntilRename(t *testing.T) {
	t.Parallel()
	s, err := disk.Open(disk.Config{Dir: t.TempDir(), Persist: func(point string) {
		if point == "disk.put.publish" {
			time.Sleep(20 * time.Millisecond)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	put(t, s, "k")
	obj, err := s.Head(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	var wins atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			err := write(s, "k", "new", store.PutOptions{IfMatch: obj.ETag})
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, store.ErrPrecondition) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d writes matched one tag", wins.Load())
	}
}

// Everything is the owner's alone, whatever the umask.
func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	defer syscall.Umask(syscall.Umask(0))
	s := open(t, dir)
	for _, key := range []string{"a", "b/c/d", strings.Repeat("l", 300)} {
		if err := write(s, key, "body", store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, want %v (%v)", path, info.Mode(), want, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Deleting leaves no directories behind, and takes none from under a write.
func TestEmptyDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			key := fmt.Sprintf("a/b/c/%d", i)
			for range 200 {
				if err := errors.Join(write(s, key, "body", store.PutOptions{}), s.Delete(t.Context(), key)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(dir)
	names := slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == ".tmp" || e.Name() == ".uploads" || e.Name() == ".format" })
	if err != nil || len(names) > 0 {
		t.Errorf("left: %v, %v", names, err)
	}
}
