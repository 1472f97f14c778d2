// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles of AUDIT.md "Tree": eight tree levels high, so 256 hashes wide.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// tile is one file under tile/: hashes of tree level 8*level, from index
// tileWidth*n on.
type tile struct {
	level  int
	n      uint64
	hashes []tlog.Hash // up to tileWidth
}

// path is the C2SP tlog-tiles path of t, with the width while it is partial.
func (t tile) path() string {
	p := fmt.Sprintf("tile/%d/%s", t.level, tileIndex(t.n))
	if len(t.hashes) < tileWidth {
		p += ".p/" + strconv.Itoa(len(t.hashes))
	}
	return p
}

// tileIndex writes n in groups of three digits, all but the last marked with
// an x, so that no directory holds more than a thousand entries.
func tileIndex(n uint64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

func (t tile) data() []byte {
	b := make([]byte, 0, len(t.hashes)*tlog.HashSize)
	for _, h := range t.hashes {
		b = append(b, h[:]...)
	}
	return b
}

// tree is a growing Merkle tree, of which it keeps only the right edge: for
// each tile level the hashes of the tile that is not full yet. A level's
// hashes are all to the left of those of the level below.
type tree struct {
	size uint64
	edge [][]tlog.Hash
	// full receives each tile when it has become complete. It must not keep
	// the hashes.
	full func(tile) error
}

// add appends the leaf hash of the next record.
func (t *tree) add(leaf tlog.Hash) error {
	t.size++
	h := leaf
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]tlog.Hash, 0, tileWidth))
		}
		t.edge[level] = append(t.edge[level], h)
		if len(t.edge[level]) < tileWidth {
			return nil
		}
		done := tile{level: level, n: (t.size - 1) >> (tileHeight * (level + 1)), hashes: t.edge[level]}
		if t.full != nil {
			if err := t.full(done); err != nil {
				return err
			}
		}
		h = subtree(done.hashes)
		t.edge[level] = t.edge[level][:0]
	}
}

// root is the RFC 6962 tree head over all leaves added so far.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		h, err := tlog.TreeHash(0, nil)
		if err != nil {
			panic("audit: internal error: hash of the empty tree: " + err.Error())
		}
		return h
	}
	var acc tlog.Hash
	have := false
	for _, hashes := range t.edge {
		// Perfect subtrees of this level from right to left: the set bits
		// of the count from the lowest up.
		rest := hashes
		for width := 1; len(rest) > 0; width <<= 1 {
			if len(rest)&width == 0 {
				continue
			}
			h := subtree(rest[len(rest)-width:])
			rest = rest[:len(rest)-width]
			if have {
				h = tlog.NodeHash(h, acc)
			}
			acc, have = h, true
		}
	}
	return acc
}

// partial returns copies of the tiles that are not full.
func (t *tree) partial() []tile {
	var out []tile
	for level, hashes := range t.edge {
		if len(hashes) > 0 {
			n := t.size >> (tileHeight * (level + 1))
			out = append(out, tile{level: level, n: n, hashes: append([]tlog.Hash(nil), hashes...)})
		}
	}
	return out
}

// subtree is the root of a perfect tree over the given hashes; their number
// is a power of two.
func subtree(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	level := make([]tlog.Hash, len(hashes)/2)
	for i := range level {
		level[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
	}
	return subtree(level)
}
