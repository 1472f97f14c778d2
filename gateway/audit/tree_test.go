// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// reference is the tree as golang.org/x/mod/sumdb/tlog builds it.
type reference []tlog.Hash

func (r *reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = (*r)[at]
	}
	return out, nil
}

func (r *reference) add(t *testing.T, n int64, leaf tlog.Hash) {
	t.Helper()
	hashes, err := tlog.StoredHashesForRecordHash(n, leaf, r)
	if err != nil {
		t.Fatal(err)
	}
	*r = append(*r, hashes...)
}

// TestTreeAgainstReference compares every root, every complete tile, and the
// partial tiles at every size, with those that tlog computes.
func TestTreeAgainstReference(t *testing.T) {
	t.Parallel()
	var ref reference
	var tr tree
	tr.full = func(got tile) error {
		compareWithReference(t, &ref, got)
		return nil
	}
	const sizes = 2*65536 + 700 // three levels of tiles
	for n := range int64(sizes) {
		leaf := tlog.RecordHash(fmt.Appendf(nil, "record %d", n))
		ref.add(t, n, leaf)
		if err := tr.add(leaf); err != nil {
			t.Fatal(err)
		}
		if n > 1200 && n%257 != 0 && n < 65530 || n > 65545 && n%1031 != 0 {
			continue
		}
		want, err := tlog.TreeHash(n+1, &ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := tr.root(); got != want {
			t.Fatalf("root of %d records: got %s, want %s", n+1, got, want)
		}
		for _, p := range tr.partial() {
			compareWithReference(t, &ref, p)
		}
	}
}

func compareWithReference(t *testing.T, ref *reference, got tile) {
	t.Helper()
	rt := tlog.Tile{H: tileHeight, L: got.level, N: int64(got.n), W: len(got.hashes)}
	want, err := tlog.ReadTileData(rt, ref)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got.data()) {
		t.Fatalf("tile %s differs", got.path())
	}
	// C2SP leaves the height out of the path; otherwise it is sumdb's.
	if p := strings.Replace(rt.Path(), "tile/8/", "tile/", 1); p != got.path() {
		t.Fatalf("path %s, want %s", got.path(), p)
	}
}

func TestEmptyRoot(t *testing.T) {
	t.Parallel()
	// RFC 6962 2.1: the hash of the empty tree is SHA-256 of nothing.
	if got := new(tree).root().String(); got != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" {
		t.Error(got)
	}
}

func TestTilePaths(t *testing.T) {
	t.Parallel()
	full := make([]tlog.Hash, tileWidth)
	for _, c := range []struct {
		tile tile
		want string
	}{ // the examples of C2SP tlog-tiles
		{tile{0, 0, full}, "tile/0/000"},
		{tile{0, 67, full[:8]}, "tile/0/067.p/8"},
		{tile{0, 1234067, full}, "tile/0/x001/x234/067"},
		{tile{3, 1234067, full[:255]}, "tile/3/x001/x234/067.p/255"},
		{tile{1, 1000, full}, "tile/1/x001/000"},
	} {
		if got := c.tile.path(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestLoadTree: the right edge read back from tiles, at every size up to that
// of the checkpoint, grows into the same root.
func TestLoadTree(t *testing.T) {
	t.Parallel()
	const size = 3*256 + 41
	dir := t.TempDir()
	var leaves []tlog.Hash
	var tr tree
	save := func(x tile) error {
		p := filepath.Join(dir, x.path())
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return err
		}
		return os.WriteFile(p, x.data(), 0o600)
	}
	tr.full = save
	for n := range size {
		leaves = append(leaves, tlog.RecordHash(fmt.Append(nil, n)))
		if err := tr.add(leaves[n]); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range tr.partial() {
		if err := save(p); err != nil {
			t.Fatal(err)
		}
	}
	for from := range size + 1 {
		got, err := loadTree(osDisk{root: dir}, uint64(from), size)
		if err != nil {
			t.Fatalf("from %d: %v", from, err)
		}
		for _, h := range leaves[from:] {
			if err := got.add(h); err != nil {
				t.Fatal(err)
			}
		}
		if got.root() != tr.root() || got.size != size {
			t.Fatalf("from %d: another root", from)
		}
	}
	if err := os.Remove(filepath.Join(dir, "tile/0/001")); err != nil {
		t.Fatal(err)
	}
	if _, err := loadTree(osDisk{root: dir}, 300, size); err == nil {
		t.Error("a missing tile was not missed")
	}
}
