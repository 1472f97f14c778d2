// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// TestSigningWhileItGrows: tiles that become complete while a checkpoint is
// written belong to the next one; what the written one needs stays.
func TestSigningWhileItGrows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	grow := func(s *signer, n int) {
		for range n {
			s.grow([]tlog.Hash{tlog.RecordHash(fmt.Append(nil, s.tree.size))})
		}
	}
	s := &signer{key: newLogKey(), epoch: 1, now: time.Now, dirs: make(map[string]bool)}
	s.tree.full = s.keep
	more := 200
	s.disk = durable{disk: newFakeDisk(dir), persist: func(point string) {
		if point == pointCheckpoint {
			grow(s, more)
		}
	}}
	grow(s, 300)
	for range 40 {
		if err := s.sign(); err != nil {
			t.Fatal(err)
		}
		note, err := os.ReadFile(filepath.Join(dir, checkpointName))
		if err != nil {
			t.Fatal(err)
		}
		cp, err := openCheckpoint(note, s.key.public())
		if err != nil {
			t.Fatal(err)
		}
		got, err := loadTree(osDisk{root: dir}, cp.size, cp.size)
		if err != nil || got.root() != cp.root {
			t.Fatalf("tiles of the checkpoint over %d records: %v", cp.size, err)
		}
	}
	more = 0
	if err := s.sign(); err != nil {
		t.Fatal(err)
	}
	if len(s.full) != 0 {
		t.Errorf("%d tiles are still to be written", len(s.full))
	}
	// Partial tiles of complete ones, and of older checkpoints, are gone.
	left, err := filepath.Glob(filepath.Join(dir, "tile/*/*.p/*"))
	if err != nil || len(left) != len(s.tree.partial()) {
		t.Errorf("%v, %v", left, err)
	}
}

// TestNeededTileStays: a partial tile that the checkpoint on disk needs is not
// touched while the next one is being written; a kill may come at any time.
func TestNeededTileStays(t *testing.T) {
	t.Parallel()
	d := newFakeDisk(t.TempDir())
	s := &signer{disk: durable{disk: d}, key: newLogKey(), epoch: 1, now: time.Now, dirs: make(map[string]bool)}
	s.tree.full = s.keep
	for range 3 {
		for range 300 - len(s.partial)*50 {
			s.grow([]tlog.Hash{tlog.RecordHash(nil)})
		}
		needed := &s.partial
		d.on(func(name string, _ int64, _ []byte) (int, error) {
			if slices.Contains(*needed, name) {
				t.Errorf("%s is written again", name)
			}
			return -1, nil
		}, nil, nil)
		if err := s.sign(); err != nil {
			t.Fatal(err)
		}
		s.grow([]tlog.Hash{tlog.RecordHash(nil)}) // the upper tile stays as it is
		if err := s.sign(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingNewIsSigned: an idle log writes nothing.
func TestNothingNewIsSigned(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	l := mustOpen(t, c)
	before := l.Checkpoint()
	l.checkpoint()
	if string(before) != string(l.Checkpoint()) {
		t.Error("signed again")
	}
	if err := tryBegin(l, write("x")); err != nil {
		t.Fatal(err)
	}
	l.checkpoint()
	if string(before) == string(l.Checkpoint()) {
		t.Error("not signed")
	}
	mustClose(t, l)
}
