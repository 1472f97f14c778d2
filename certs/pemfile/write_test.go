// SPDX-License-Identifier: Apache-2.0

package pemfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func in(dir string) pemfile.Config {
	return pemfile.Config{
		CertFile:   filepath.Join(dir, pemfile.CertName),
		KeyFile:    filepath.Join(dir, pemfile.KeyName),
		BundleFile: filepath.Join(dir, pemfile.BundleName),
	}
}

func TestWriteReadsBack(t *testing.T) {
	t.Parallel()
	m := certstest.NewCA(t, "acme.ai").Intermediate(t).SVID(t, "/a", certstest.Options{})
	dir := filepath.Join(t.TempDir(), "deep", "me")
	if err := pemfile.Write(dir, m); err != nil {
		t.Fatal(err)
	}
	got, err := pemfile.Load(t.Context(), in(dir))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != m.ID || len(got.Chain) != 2 || !got.Chain[0].Equal(m.Chain[0]) {
		t.Errorf("got %s with a chain of %d", got.ID, len(got.Chain))
	}
	for name, want := range map[string]fs.FileMode{pemfile.CertName: 0o644, pemfile.KeyName: 0o600, pemfile.BundleName: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&^want != 0 {
			t.Errorf("%s: mode %v, %v; want at most %v", name, info.Mode(), err, want)
		}
	}
}

func TestWriteRefusesWhatDoesNotCheck(t *testing.T) {
	t.Parallel()
	m := certstest.NewCA(t, "acme.ai").SVID(t, "/a", certstest.Options{})
	m.Key = certstest.P256(t)
	dir := filepath.Join(t.TempDir(), "me")
	if err := pemfile.Write(dir, m); err == nil {
		t.Error("a key of another certificate was written")
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was written all the same")
	}
}

// Regular files of an earlier hand give way.
func TestWriteReplacesRegularFiles(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	dir := t.TempDir()
	for _, name := range []string{pemfile.CertName, pemfile.KeyName, pemfile.BundleName} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := pemfile.Write(dir, ca.SVID(t, "/a", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	if _, err := pemfile.Load(t.Context(), in(dir)); err != nil {
		t.Error(err)
	}
}

// errStop is what a test stops a writer with.
var errStop = errors.New("the machine stops here")

// stopAt makes a writer that ends at the nth call of its hook.
func stopAt(dir string, n int, seen *[]string) pemfile.Writer {
	calls := 0
	return pemfile.Writer{Dir: dir, Persist: func(point string) {
		*seen = append(*seen, point)
		if calls++; calls == n {
			panic(errStop)
		}
	}}
}

// writeUntilStop reports whether the writer came to its end.
func writeUntilStop(t *testing.T, w pemfile.Writer, m *certs.Material) (done bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != any(errStop) {
			panic(r)
		}
	}()
	if err := w.Write(m); err != nil {
		t.Error(err)
	}
	return true
}

// Wherever the writer stops, the files are those of before or those of after.
func TestWriteStoppedAnywhere(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	for _, first := range []bool{true, false} {
		var points []string
		for n := 1; ; n++ {
			dir := t.TempDir()
			before, after := ca.SVID(t, "/a", certstest.Options{}), ca.SVID(t, "/a", certstest.Options{})
			if !first {
				if err := pemfile.Write(dir, before); err != nil {
					t.Fatal(err)
				}
			}
			points = nil
			done := writeUntilStop(t, stopAt(dir, n, &points), after)
			m, err := pemfile.Load(t.Context(), in(dir))
			switch {
			case err != nil && (!first || done || !errors.Is(err, fs.ErrNotExist)):
				t.Errorf("stopped at %v (first write: %v): %v", points, first, err)
			case err == nil && !m.Chain[0].Equal(after.Chain[0]) && !m.Chain[0].Equal(before.Chain[0]):
				t.Errorf("stopped at %v: another certificate", points)
			case err == nil && done && !m.Chain[0].Equal(after.Chain[0]):
				t.Error("the write came to its end and is not there")
			}
			if done {
				break
			}
		}
		if got := slices.Compact(points); first && !slices.Equal(got, pemfile.PersistPoints) {
			t.Errorf("points %v, want %v", got, pemfile.PersistPoints)
		}
	}
}

// Readers see a whole pair while writers write: a stale read is retried within Load.
func TestWriteUnderReaders(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	dir := t.TempDir()
	if err := pemfile.Write(dir, ca.SVID(t, "/a", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 60 {
				if err := pemfile.Write(dir, ca.SVID(t, "/a", certstest.Options{})); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 200 {
				if _, err := pemfile.Load(t.Context(), in(dir)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWriteSweepsOldGenerations(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	dir := t.TempDir()
	mine := filepath.Join(dir, ".svid-of-mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := pemfile.Write(dir, ca.SVID(t, "/a", certstest.Options{})); err != nil {
			t.Fatal(err)
		}
		age(t, dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	generations := 0
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), ".svid-") {
			generations++
		}
	}
	if generations != 3 {
		t.Errorf("%d directories; want the one in force, the one before, and the one that is not ours", generations)
	}
}

// age makes every generation look an hour old.
func age(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	all, err := filepath.Glob(filepath.Join(dir, ".svid-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
}
