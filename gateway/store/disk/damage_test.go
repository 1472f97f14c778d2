// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
)

// put stores three letters under each key.
func put(t *testing.T, s store.Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := write(s, key, "abc", store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// read reads a whole object.
func read(t *testing.T, s store.Store, key string) (string, error) {
	t.Helper()
	r, err := s.Get(t.Context(), key, store.Whole())
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	body, err := io.ReadAll(r)
	return string(body), err
}

// A file that is not what was written is an error of its own kind: neither an
// absent object nor, in a listing, the end of the others.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "b", "c")
	file := filepath.Join(dir, "b=")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header := len(good) - len("abc")
	damages := map[string][]byte{"one byte more": append(good[:len(good):len(good)], 'x'), "another file": []byte("#!/bin/sh\n")}
	for n := range len(good) {
		damages["cut to "+fmt.Sprint(n)] = good[:n]
	}
	for i := range header {
		b := append([]byte(nil), good...)
		b[i] ^= 0x10
		damages["flipped at "+fmt.Sprint(i)] = b
	}
	for name, b := range damages {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := read(t, s, "b")
		_, herr := s.Head(t.Context(), "b")
		_, perr := s.Put(t.Context(), "b", strings.NewReader(""), store.PutOptions{IfMatch: "x"})
		for op, err := range map[string]error{"Get": err, "Head": herr, "Put": perr} {
			if !errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNotFound) {
				t.Fatalf("%s, %s: %v", name, op, err)
			}
		}
		page, err := s.List(t.Context(), store.ListOptions{})
		if err != nil || len(page.Objects) != 3 || page.Objects[1].Key != "b" || page.Objects[1].Size != -1 {
			t.Fatalf("%s: List = %+v, %v", name, page, err)
		}
	}
	put(t, s, "b")
	if body, err := read(t, s, "b"); err != nil || body != "abc" {
		t.Errorf("written again: %q, %v", body, err)
	}
	if err := os.WriteFile(file, good[:header+1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "b"); err != nil {
		t.Errorf("deleting a damaged object: %v", err)
	}
}

// A file under another key's name is not that object: its header says so.
func TestMovedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "d/x")
	for _, move := range []func(from, to string) error{os.Link, os.Rename} {
		if err := move(filepath.Join(dir, "a="), filepath.Join(dir, "d+/y=")); err != nil {
			t.Fatal(err)
		}
		if body, err := read(t, s, "d/y"); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("an object under another name: %q, %v", body, err)
		}
		if err := os.Remove(filepath.Join(dir, "d+/y=")); err != nil {
			t.Fatal(err)
		}
	}
}

// A crash may leave directories without objects. They are no common prefixes,
// and do not make a listing long.
func TestLeftDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "some/b+/x", "z")
	for _, left := range []string{strings.Repeat("deep+/", 200), "some+/a+/b+", "some+/c+/d+", "wide+/a+", "wide+/b+", "wide+/c~/d+"} {
		if err := os.MkdirAll(filepath.Join(dir, left), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.List(t.Context(), store.ListOptions{Delimiter: "/"})
	if err != nil || len(page.Objects) != 1 || len(page.Prefixes) != 1 || page.Prefixes[0] != "some/" {
		t.Errorf("List = %+v, %v", page, err)
	}
	put(t, s, strings.Repeat("deep/", 200)+"k", "wide/b/k")
	page, err = s.List(t.Context(), store.ListOptions{Delimiter: "/"})
	if err != nil || len(page.Prefixes) != 3 {
		t.Errorf("List = %+v, %v", page, err)
	}
}

// Nothing in the directory leads out of it, or to another place in it.
func TestLinks(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	elsewhere := open(t, filepath.Join(outside, "store"))
	put(t, elsewhere, "x", "k")
	s := open(t, dir)
	put(t, s, "in/x", "k")
	for name, target := range map[string]string{
		"out+": filepath.Join(outside, "store"), "up+": "../../store", "same+": "in+", "self+": ".",
		"f=": filepath.Join(outside, "store", "k="), "g=": "k=", "dangling=": "nothing", "loop=": "loop=",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo="), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder="), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"out/x", "up/x", "same/x", "self/k", "f", "g", "fifo", "folder"} {
		if body, err := read(t, s, key); err == nil {
			t.Errorf("Get(%q) = %q", key, body)
		}
	}
	for _, key := range []string{"out/new", "up/new", "same/new", "self/new", "out/x", "same/x", "self/k"} {
		if err := write(s, key, "abc", store.PutOptions{}); err == nil {
			t.Errorf("Put(%q) was taken", key)
		}
		if err := s.Delete(t.Context(), key); err == nil {
			t.Errorf("Delete(%q) was taken", key)
		}
	}
	for _, prefix := range []string{"out/", "same/", "self/"} {
		if page, err := s.List(t.Context(), store.ListOptions{Prefix: prefix}); err == nil {
			t.Errorf("List(%q) = %+v", prefix, page)
		}
	}
	page, err := s.List(t.Context(), store.ListOptions{})
	if err != nil {
		t.Error(err)
	}
	var got []string
	for _, obj := range page.Objects {
		got = append(got, fmt.Sprintf("%s:%d", obj.Key, obj.Size))
	}
	if want := "f:-1 fifo:-1 folder:-1 g:-1 in/x:3 k:3 loop:-1"; strings.Join(got, " ") != want {
		t.Errorf("List shows %q, want %s", got, want)
	}
	for key, st := range map[string]store.Store{"x": elsewhere, "k": elsewhere, "in/x": s} {
		if body, err := read(t, st, key); err != nil || body != "abc" {
			t.Errorf("%s was touched: %q, %v", key, body, err)
		}
	}
	// A link at the place of an object is replaced, not followed.
	put(t, s, "f", "g")
	if body, err := read(t, elsewhere, "k"); err != nil || body != "abc" {
		t.Errorf("the target of a link was written: %q, %v", body, err)
	}
}

// Names that are no keys' are neither listed nor in the way.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "d/b")
	for _, name := range []string{"README", "%61=", "%c3%a9=", "x y=", "=x", ".tmp/left", "d+/.nfs0001", "d+/~"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Pieces that are cut where this package does not cut.
	for _, name := range []string{"b~", "only~"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(dir, "a="), filepath.Join(dir, name, "c-d=")); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.List(t.Context(), store.ListOptions{})
	if err != nil || len(page.Objects) != 2 {
		t.Errorf("List = %+v, %v", page, err)
	}
	page, err = s.List(t.Context(), store.ListOptions{Prefix: "o", Delimiter: "-"})
	if err != nil || len(page.Prefixes) > 0 {
		t.Errorf("List = %+v, %v", page, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(dir string) error{
		"is no store": func(dir string) error { return os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600) },
		"another version": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".format"), []byte("sealgate disk store 2\n"), 0o600)
		},
		"a file":      func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600)) },
		"linked temp": func(dir string) error { return os.Symlink("/tmp", filepath.Join(dir, ".tmp")) },
	} {
		dir := filepath.Join(t.TempDir(), "store")
		if err := errors.Join(os.Mkdir(dir, 0o700), prepare(dir)); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadDir(dir)
		s, err := disk.Open(disk.Config{Dir: dir})
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error does not say which directory: %v", name, err)
		}
		if after, _ := os.ReadDir(dir); len(after) != len(before) {
			t.Errorf("%s: left %v", name, after)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"lost+found", ".tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
}

// The deepest and longest keys there are.
func TestExtremeKeys(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	keys := []string{
		strings.Repeat("/", store.MaxKey), strings.Repeat("d/", 500) + "deep", strings.Repeat("\u20ac", 341),
		strings.Repeat("\x01", store.MaxKey), strings.Repeat("%", store.MaxKey), strings.Repeat("k", store.MaxKey),
	}
	put(t, s, keys...)
	for _, key := range keys {
		if body, err := read(t, s, key); err != nil || body != "abc" {
			t.Errorf("%.20q: %q, %v", key, body, err)
		}
	}
	page, err := s.List(t.Context(), store.ListOptions{})
	if err != nil || len(page.Objects) != len(keys) {
		t.Errorf("List: %d objects, %v", len(page.Objects), err)
	}
	for _, key := range keys {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
}
