// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
)

// begin begins an upload of k and sends its first parts.
func begin(t *testing.T, s *disk.Store, bodies ...string) (upload string, parts []store.PartTag) {
	t.Helper()
	upload, err := s.CreateMultipart(t.Context(), "k", "ABC")
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		tag, err := s.PutPart(t.Context(), "k", upload, i+1, strings.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, store.PartTag{Number: i + 1, ETag: tag})
	}
	return upload, parts
}

// An upload goes on where it was when the store is opened again.
func TestUploadSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := disk.Open(disk.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	upload, parts := begin(t, first, "abc", "def")
	other, _ := begin(t, first, "xyz")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	tag, err := s.PutPart(t.Context(), "k", upload, 2, strings.NewReader("DEF!"), 4)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := s.CompleteMultipart(t.Context(), "k", upload, []store.PartTag{parts[0], {Number: 2, ETag: tag}}, store.CompleteOptions{})
	if err != nil || obj.Size != 7 || obj.Metadata != "ABC" {
		t.Fatalf("completing after a restart: %+v, %v", obj, err)
	}
	if body, err := read(t, s, "k"); err != nil || body != "abcDEF!" {
		t.Errorf("%q, %v", body, err)
	}
	if err := s.AbortMultipart(t.Context(), "k", other); err != nil {
		t.Errorf("aborting after a restart: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".uploads")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// An upload that nothing was added to for a month is nobody's any more.
func TestForgottenUploads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := disk.Open(disk.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	old, _ := begin(t, first, "abc")
	young, parts := begin(t, first, "abc")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, ".uploads", "notes")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, age := range map[string]time.Duration{
		filepath.Join(dir, ".uploads", old): 31 * 24 * time.Hour, filepath.Join(dir, ".uploads", young): 29 * 24 * time.Hour, foreign: 1000 * time.Hour,
	} {
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	if _, err := s.CompleteMultipart(t.Context(), "k", old, parts, store.CompleteOptions{}); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("the old upload: %v", err)
	}
	if _, err := s.CompleteMultipart(t.Context(), "k", young, parts, store.CompleteOptions{}); err != nil {
		t.Errorf("the young upload: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("what is no upload was removed: %v", err)
	}
}

// A part whose file is not what was written is not put into an object: it can be
// sent again.
func TestDamagedPart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	upload, parts := begin(t, s, "abc", "def")
	other, others := begin(t, s, "abc", "def")
	file := func(upload, name string) string { return filepath.Join(dir, ".uploads", upload, name) }
	good, err := os.ReadFile(file(upload, "00002"))
	if err != nil {
		t.Fatal(err)
	}
	damage := func(name string, change func() error, tag ...string) {
		t.Helper()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		list := slices.Clone(parts)
		if len(tag) > 0 {
			list[1].ETag = tag[0]
		}
		_, err := s.CompleteMultipart(t.Context(), "k", upload, list, store.CompleteOptions{})
		if !errors.Is(err, store.ErrPart) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := read(t, s, "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: an object was made: %v", name, err)
		}
		if err := errors.Join(os.RemoveAll(file(upload, "00002")), os.WriteFile(file(upload, "00002"), good, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	overwrite := func(b []byte) func() error {
		return func() error { return os.WriteFile(file(upload, "00002"), b, 0o600) }
	}
	replace := func(by func(string) error) func() error {
		return func() error { return errors.Join(os.Remove(file(upload, "00002")), by(file(upload, "00002"))) }
	}
	damage("cut off", overwrite(good[:len(good)-1]))
	damage("without a header", overwrite([]byte("def")))
	damage("empty", overwrite(nil))
	damage("of another number", replace(func(p string) error { return os.Link(file(upload, "00001"), p) }), parts[0].ETag)
	damage("of another upload", replace(func(p string) error { return os.Link(file(other, "00002"), p) }), others[1].ETag)
	damage("a link", replace(func(p string) error { return os.Symlink("00001", p) }))
	damage("a folder", replace(func(p string) error { return os.Mkdir(p, 0o700) }))
	if _, err := s.CompleteMultipart(t.Context(), "k", upload, parts, store.CompleteOptions{}); err != nil {
		t.Errorf("mended: %v", err)
	}
	// An upload whose record is damaged can be aborted, and nothing else.
	if err := os.WriteFile(file(other, "record"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompleteMultipart(t.Context(), "k", other, parts, store.CompleteOptions{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a damaged record: %v", err)
	}
	if err := s.AbortMultipart(t.Context(), "k", other); err != nil {
		t.Errorf("aborting with a damaged record: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".uploads")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// The directory of uploads is one itself, or the store is not opened: not one
// outside, and not one whose names are somebody else's.
func TestLinkedUploads(t *testing.T) {
	t.Parallel()
	for _, target := range []string{t.TempDir(), ".tmp"} {
		dir := t.TempDir()
		first, err := disk.Open(disk.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(first.Close(), os.Remove(filepath.Join(dir, ".uploads")), os.Symlink(target, filepath.Join(dir, ".uploads")))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := disk.Open(disk.Config{Dir: dir}); err == nil {
			t.Errorf("opened with a link to %s", target)
			_ = s.Close()
		}
	}
}

// A part that is given its name while the upload is completed is in it or is
// refused: it is never lost after it was taken.
func TestPartBesideComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := make(chan struct{})
	var once sync.Once
	s, err := disk.Open(disk.Config{Dir: dir, Persist: func(point string) {
		if point == "disk.put.publish" {
			once.Do(func() {
				close(at)
				time.Sleep(50 * time.Millisecond)
			})
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	upload, parts := begin(t, s, "abc")
	done := make(chan error, 1)
	go func() {
		_, err := s.CompleteMultipart(context.Background(), "k", upload, parts, store.CompleteOptions{})
		done <- err
	}()
	<-at
	if _, err := s.PutPart(t.Context(), "k", upload, 1, strings.NewReader("new"), 3); !errors.Is(err, store.ErrNoUpload) {
		t.Errorf("a part during the completion: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if body, err := read(t, s, "k"); err != nil || body != "abc" {
		t.Errorf("%q, %v", body, err)
	}
}

// Who waits for an upload that another completes can give up.
func TestWaitingForAnUpload(t *testing.T) {
	t.Parallel()
	at, on := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s, err := disk.Open(disk.Config{Dir: t.TempDir(), Persist: func(point string) {
		if point == "disk.put.publish" {
			once.Do(func() { close(at); <-on })
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	upload, parts := begin(t, s, "abc")
	done := make(chan error, 1)
	go func() {
		_, err := s.CompleteMultipart(context.Background(), "k", upload, parts, store.CompleteOptions{})
		done <- err
	}()
	<-at
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.CompleteMultipart(ctx, "k", upload, parts, store.CompleteOptions{})
	aerr := s.AbortMultipart(ctx, "k", upload)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(aerr, context.DeadlineExceeded) {
		t.Errorf("a second Complete: %v; Abort: %v", err, aerr)
	}
	close(on)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An object that is copied onto itself is not put over what was written
// meanwhile.
func TestCopyOntoItselfIsNoUndo(t *testing.T) {
	t.Parallel()
	at, on := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	s, err := disk.Open(disk.Config{Dir: t.TempDir(), Persist: func(point string) {
		if point == "disk.put.body" && armed.CompareAndSwap(true, false) {
			close(at)
			<-on
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
	armed.Store(true)
	done := make(chan error, 1)
	go func() {
		_, err := s.Copy(context.Background(), "k", "k", store.CopyOptions{SourceETag: obj.ETag, Metadata: "NEW"})
		done <- err
	}()
	<-at
	if err := write(s, "k", "newer", store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	close(on)
	if err := <-done; !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("the copy: %v", err)
	}
	if body, err := read(t, s, "k"); err != nil || body != "newer" {
		t.Errorf("%q, %v", body, err)
	}
}

// A file of tags that makes no sense, or is of another key, is no tags at all
// that anybody set, and can be written anew.
func TestDamagedTags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "b")
	tags := []store.Tag{{Key: "one", Value: "1"}, {Key: "two", Value: "2"}}
	if err := errors.Join(s.SetTags(t.Context(), "a", "", tags), s.SetTags(t.Context(), "b", "", tags)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a@")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Tags(t.Context(), "a", ""); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for i := range good {
		b := append([]byte(nil), good...)
		b[i] ^= 1
		check("flipped", b)
		check("cut off", good[:i])
	}
	check("longer", append(good[:len(good):len(good)], 0))
	other, err := os.ReadFile(filepath.Join(dir, "b@"))
	if err != nil {
		t.Fatal(err)
	}
	check("of another key", other)
	if body, err := read(t, s, "a"); err != nil || body != "abc" {
		t.Errorf("the object: %q, %v", body, err)
	}
	if err := s.SetTags(t.Context(), "a", "", tags[:1]); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Tags(t.Context(), "a", ""); err != nil || len(got) != 1 {
		t.Errorf("set anew: %v, %v", got, err)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the tags of a deleted object: %v", err)
	}
}

// Copies of what parts were made of begin at a block, so that file systems that
// can share blocks do.
func TestAlignedBodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	upload, parts := begin(t, s, "abc")
	obj, err := s.CompleteMultipart(t.Context(), "k", upload, parts, store.CompleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Copy(t.Context(), "copy", "k", store.CopyOptions{SourceETag: obj.ETag, Metadata: "longer"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"k=", "copy="} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(b) != 4096+3 || string(b[4096:]) != "abc" {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		f, err := disk.OpenFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil || string(body) != "abc" || f.Size != 3 {
			t.Errorf("%s offline: %q, %v", name, body, err)
		}
	}
}
