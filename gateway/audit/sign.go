// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// signer owns the tree of the running log and signs its head.
type signer struct {
	disk  durable
	key   logKey
	epoch uint64
	now   func() time.Time

	mu   sync.Mutex // guards what follows
	tree tree
	full []tile // complete, not on disk yet
	last signed

	// Only sign, which is never called twice at once, touches these.
	partial []string        // partial tiles of the newest checkpoint: durable, never written again
	dirs    map[string]bool // tile directories known to be durable
}

// signed is the newest checkpoint on disk.
type signed struct {
	size uint64
	note []byte
	at   time.Time
}

// keep collects a complete tile until the next checkpoint.
func (s *signer) keep(t tile) error {
	t.hashes = slices.Clone(t.hashes)
	s.full = append(s.full, t)
	return nil
}

// grow adds the leaf hashes of records that are durable.
func (s *signer) grow(leaves []tlog.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range leaves {
		if err := s.tree.add(h); err != nil {
			panic("audit: internal error: keeping a tile: " + err.Error())
		}
	}
}

func (s *signer) state() (size uint64, last signed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree.size, s.last
}

// sign writes the tiles and then the checkpoint of all records so far, if
// there are new ones. After an error the next call does all of it again.
func (s *signer) sign() error {
	s.mu.Lock()
	cp := checkpoint{uuid: s.key.uuid, epoch: s.epoch, size: s.tree.size}
	if cp.size == s.last.size {
		s.mu.Unlock()
		return nil
	}
	cp.root = s.tree.root()
	// Copies: s.full grows and is cut below while these are in use.
	full, partial := slices.Clone(s.full), s.tree.partial()
	s.mu.Unlock()

	if err := s.writeTiles(slices.Concat(full, partial)); err != nil {
		return fmt.Errorf("writing hash tiles: %w", err)
	}
	msg, err := cp.sign(s.key)
	if err != nil {
		return fmt.Errorf("signing the checkpoint: %w", err)
	}
	at := steps{pointCheckpoint, pointCheckpointNew, pointCheckpointDir}
	if err := s.disk.replace(".", checkpointName, msg, at); err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	s.mu.Lock()
	s.last = signed{size: cp.size, note: msg, at: s.now()}
	s.full = slices.Delete(s.full, 0, len(full))
	s.mu.Unlock()
	s.sweep(full, partial)
	return nil
}

// writeTiles makes tiles durable. A tile that a crash left behind at the same
// path is replaced: no checkpoint covers it, or it has the same content.
func (s *signer) writeTiles(tiles []tile) error {
	files := make([]file, 0, len(tiles))
	defer func() {
		for _, f := range files {
			_ = f.Close() // the content is durable already, or the error is being reported
		}
	}()
	touched := make(map[string]bool)
	for _, t := range tiles {
		if slices.Contains(s.partial, t.path()) {
			continue // there already, and the checkpoint on disk needs it
		}
		dir := path.Dir(t.path())
		if err := s.makeDir(dir); err != nil {
			return err
		}
		touched[dir] = true
		f, err := s.disk.createOver(t.path())
		if err != nil {
			return err
		}
		files = append(files, f)
		if _, err := f.WriteAt(t.data(), 0); err != nil {
			return err
		}
	}
	// All are written before the first is synced: the later syncs then find
	// little left to do.
	for _, f := range files {
		s.disk.at(pointTile)
		if err := f.datasync(); err != nil {
			return &syncError{err}
		}
	}
	for dir := range touched {
		s.disk.at(pointTileDirectory)
		if err := s.disk.syncDir(dir); err != nil {
			return &syncError{err}
		}
	}
	return nil
}

// makeDir makes dir and everything above it down from tile/ durable.
func (s *signer) makeDir(dir string) error {
	if s.dirs[dir] {
		return nil
	}
	if err := s.disk.mkdir(dir); err != nil {
		return err
	}
	for up := dir; up != "."; {
		up = path.Dir(up)
		s.disk.at(pointTileDirectory)
		if err := s.disk.syncDir(up); err != nil {
			return &syncError{err}
		}
	}
	s.dirs[dir] = true
	return nil
}

// sweep removes partial tiles that the newest checkpoint does not need. It is
// tidiness only: what cannot be removed does no harm.
func (s *signer) sweep(full, partial []tile) {
	var now []string
	for _, t := range partial {
		now = append(now, t.path())
	}
	for _, old := range s.partial {
		if !slices.Contains(now, old) {
			_ = s.disk.remove(old)
		}
	}
	for _, t := range full {
		s.clearPartials(t.path() + ".p")
	}
	s.partial = now
}

// clearPartials removes what a complete tile replaces, also from earlier starts.
func (s *signer) clearPartials(dir string) {
	names, _ := s.disk.list(dir)
	for _, name := range names {
		_ = s.disk.remove(dir + "/" + name)
	}
	_ = s.disk.remove(dir)
	delete(s.dirs, dir)
}

// loadTree returns the tree over the first size records, read from the tiles
// of a log whose checkpoint covers cpSize records. Nothing is believed yet:
// the root at cpSize proves it or not.
func loadTree(d disk, size, cpSize uint64) (tree, error) {
	t := tree{size: size}
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		count := size >> (tileHeight * level)
		hashes := make([]tlog.Hash, 0, tileWidth)
		if want := int(count % tileWidth); want > 0 {
			got, err := readTile(d, level, count/tileWidth, cpSize)
			if err != nil {
				return tree{}, err
			}
			if len(got) < want {
				return tree{}, errors.New("a tile is shorter than the checkpoint says")
			}
			hashes = append(hashes, got[:want]...)
		}
		t.edge = append(t.edge, hashes)
	}
	return t, nil
}

// readTile reads the tile (level, n) at the width that a checkpoint over
// cpSize records gives it.
func readTile(d disk, level int, n, cpSize uint64) ([]tlog.Hash, error) {
	width := min(cpSize>>(tileHeight*level)-n*tileWidth, tileWidth)
	name := tile{level: level, n: n, hashes: make([]tlog.Hash, width)}.path()
	b, err := d.read(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if uint64(len(b)) != width*tlog.HashSize {
		return nil, &Fault{File: name, What: fmt.Sprintf("has %d bytes, %d belong there", len(b), width*tlog.HashSize)}
	}
	hashes := make([]tlog.Hash, width)
	for i := range hashes {
		copy(hashes[i][:], b[i*tlog.HashSize:])
	}
	return hashes, nil
}
