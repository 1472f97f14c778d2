// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// closedLog makes a log of two starts and n reads each, and closes it.
func closedLog(t *testing.T, n int) (Config, Registration) {
	t.Helper()
	c := testConfig(t)
	var reg Registration
	for range 2 {
		l := mustOpen(t, c)
		for i := range n {
			end(t, begin(t, l, read(fmt.Sprintf("fraud/v%d", i))))
		}
		end(t, begin(t, l, write("fraud/w")))
		reg = l.Registration()
		mustClose(t, l)
	}
	return c, reg
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, p)
		if err == nil && !d.IsDir() && name != keyName && name != lockName {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readFile(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, b []byte, parts ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(parts...), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyLog(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "audit")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, keyName), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestEveryByte flips one bit of every byte of every file of a log, a
// different bit each time, and cuts every file at every length.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	c, reg := closedLog(t, 1)
	o := VerifyOptions{Registered: []Registration{reg}}
	mustVerify(t, c.Dir, o)
	for _, name := range files(t, c.Dir) {
		good := readFile(t, c.Dir, name)
		for i := range good {
			bad := slices.Clone(good)
			bad[i] ^= 1 << (i % 8)
			writeFile(t, bad, c.Dir, name)
			if r, err := Verify(c.Dir, o); !errors.Is(err, ErrIntegrity) {
				t.Fatalf("%s: bit %d of byte %d flipped: %v\n%s", name, i%8, i, err, r)
			}
			if i%7 != 0 {
				continue
			}
			writeFile(t, good[:i], c.Dir, name)
			if r, err := Verify(c.Dir, o); !errors.Is(err, ErrIntegrity) {
				t.Fatalf("%s: cut to %d bytes: %v\n%s", name, i, err, r)
			}
		}
		writeFile(t, good, c.Dir, name)
	}
	mustVerify(t, c.Dir, o)
}

// forge is an attacker who may write every file and knows the format, but has
// no key: it changes lines and then makes the tiles fit again.
func forge(t *testing.T, dir string, change func([][]byte) [][]byte) {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(dir, segmentDir))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, n := range names {
		b := readFile(t, dir, segmentDir, n.Name())
		all = append(all, bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))...)
	}
	all = change(all)
	for _, sub := range []string{segmentDir, tileDir, indexDir} {
		if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
			t.Fatal(err)
		}
	}
	save := func(x tile) error {
		p := filepath.Join(dir, x.path())
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return err
		}
		return os.WriteFile(p, x.data(), 0o600)
	}
	tr := tree{full: save}
	for _, raw := range all {
		if err := tr.add(tlog.RecordHash(raw)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range tr.partial() {
		if err := save(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{segmentDir, indexDir} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, append(bytes.Join(all, []byte("\n")), '\n'), dir, segmentName(0))
}

// renumber gives the lines new numbers in their order.
func renumber(all [][]byte) [][]byte {
	out := make([][]byte, len(all))
	for i, raw := range all {
		r, _, err := decodeRecord(raw, nil)
		if err != nil {
			panic(err)
		}
		r.Seq = uint64(i)
		out[i] = appendLine(nil, &r)
	}
	return out
}

func TestForgedRecords(t *testing.T) {
	t.Parallel()
	c, reg := closedLog(t, 3)
	for name, change := range map[string]func([][]byte) [][]byte{
		"one letter":          func(a [][]byte) [][]byte { a[3] = bytes.Replace(a[3], []byte("v1"), []byte("v9"), 1); return a },
		"dropped":             func(a [][]byte) [][]byte { return slices.Delete(a, 3, 4) },
		"dropped, renumbered": func(a [][]byte) [][]byte { return renumber(slices.Delete(a, 3, 5)) },
		"swapped":             func(a [][]byte) [][]byte { a[3], a[5] = a[5], a[3]; return a },
		"swapped, renumbered": func(a [][]byte) [][]byte { a[3], a[5] = a[5], a[3]; return renumber(a) },
		"duplicated":          func(a [][]byte) [][]byte { return slices.Insert(a, 4, a[3]) },
		"last dropped":        func(a [][]byte) [][]byte { return a[:len(a)-1] },
		"last start dropped":  func(a [][]byte) [][]byte { return a[:len(a)/2] },
		"appended":            func(a [][]byte) [][]byte { return append(a, a[len(a)-1]) },
		"first dropped":       func(a [][]byte) [][]byte { return a[1:] },
		"all dropped":         func(a [][]byte) [][]byte { return a[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyLog(t, c.Dir)
			forge(t, dir, change)
			r, err := Verify(dir, VerifyOptions{Registered: []Registration{reg}})
			if !errors.Is(err, ErrIntegrity) || r.Fault == nil {
				t.Fatalf("verify: %v\n%s", err, r)
			}
			t.Log(r.Fault)
			if l, err := Open(at(c, dir)); !errors.Is(err, ErrIntegrity) {
				if err == nil {
					mustClose(t, l)
				}
				t.Errorf("open: %v", err)
			}
		})
	}
}

// TestFirstBadRecord: with the tiles left alone the changed record is named,
// also where it still is a right record by itself.
func TestFirstBadRecord(t *testing.T) {
	t.Parallel()
	c, _ := closedLog(t, 5)
	seg := filepath.Join(c.Dir, segmentName(0))
	good := readFile(t, seg)
	at := bytes.Index(good, []byte("fraud/v3"))
	bad := slices.Clone(good)
	bad[at+7] = '8'
	writeFile(t, bad, seg)
	want := uint64(bytes.Count(good[:at], []byte("\n")))
	r, err := Verify(c.Dir, VerifyOptions{})
	if !errors.Is(err, ErrIntegrity) || r.Fault.Record == nil || *r.Fault.Record != want {
		t.Fatalf("want record %d: %v", want, err)
	}
	if !strings.Contains(err.Error(), fmt.Sprintf("record %d in %s", want, segmentName(0))) {
		t.Error(err)
	}
}

// TestTileOrRecord: a tile alone that was changed is called that.
func TestTileOrRecord(t *testing.T) {
	t.Parallel()
	c, _ := closedLog(t, 140) // more than one leaf tile
	name := filepath.Join(c.Dir, "tile/0/000")
	b := readFile(t, name)
	b[40] ^= 1
	writeFile(t, b, name)
	r, err := Verify(c.Dir, VerifyOptions{})
	if !errors.Is(err, ErrIntegrity) || r.Fault.File != "tile/0/000" {
		t.Fatalf("%v", err)
	}
}

func TestMissingFiles(t *testing.T) {
	t.Parallel()
	c, reg := closedLog(t, 3)
	for _, name := range files(t, c.Dir) {
		dir := copyLog(t, c.Dir)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := Verify(dir, VerifyOptions{Registered: []Registration{reg}})
		if strings.HasPrefix(name, indexDir) {
			if err != nil {
				t.Errorf("%s is derived and may be missing: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s removed, verify: %v", name, err)
		}
		if _, err := Open(at(c, dir)); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s removed, open: %v", name, err)
		}
	}
}
