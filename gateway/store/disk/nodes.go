// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"cmp"
	"container/heap"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/sealgate/sealgate/gateway/store"
)

// node is something that keys come from: an object, a directory, or the rest of
// a directory of which the first names are on the heap already.
type node struct {
	// bound: no key of this node is less. Nodes of one directory are ordered
	// by (bound, name), which is unique.
	bound, name string
	kind        byte   // sufObject, sufDir, sufPiece
	base        string // the key of an object; what all keys of the others start with
	path        string // of the file or directory
	rest        bool   // only what comes after (bound, name)
}

func (n node) compare(m node) int {
	return cmp.Or(cmp.Compare(n.bound, m.bound), cmp.Compare(n.name, m.name))
}

// nodes is a heap with the least node first.
type nodes []node

func (h nodes) Len() int           { return len(h) }
func (h nodes) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h nodes) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *nodes) Push(x any) { *h = append(*h, x.(node)) }

// Pop implements heap.Interface.
func (h *nodes) Pop() any {
	last := len(*h) - 1
	n := (*h)[last]
	*h = (*h)[:last]
	return n
}

// readBatch is how many names are read from a directory at once.
const readBatch = 1024

// expand puts the wanted names of a directory on the heap: as many as a page
// can use, and a node for the rest. A directory of millions of names is read
// through, but never held.
func (l *lister) expand(dir node) error {
	at, err := l.at.enter(dir.path)
	if absent(err) || isDamaged(err) {
		return nil // removed just now, or never a directory of ours
	}
	if err != nil {
		return err
	}
	keep := least{limit: l.o.Limit() + 1}
	err = eachName(at, func(name string, p piece) bool {
		if keep.beyond(p) {
			return true
		}
		n := node{bound: dir.base + p.bound(), name: name, kind: p.kind}
		n.base = n.bound
		if l.wants(n.base, n.kind) && (!dir.rest || n.compare(dir) > 0) {
			keep.add(n)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, n := range keep.sorted() {
		n.path = child(dir.path, n.name)
		heap.Push(&l.heap, n)
	}
	if keep.more {
		rest, last := dir, keep.nodes[len(keep.nodes)-1]
		rest.bound, rest.name, rest.rest = last.bound, last.name, true
		heap.Push(&l.heap, rest)
	}
	return nil
}

// least keeps the least nodes of those that it is given.
type least struct {
	limit int
	nodes nodes
	more  bool   // some were dropped
	above string // the text of names that are greater than all that are kept
}

// beyond reports whether a name is known to be dropped, which in a big directory
// most are: before anything is made of it. It compares the text alone, which is
// what differs between the bounds of one directory.
func (l *least) beyond(p piece) bool { return l.more && p.text > l.above }

func (l *least) add(n node) {
	if l.nodes = append(l.nodes, n); len(l.nodes) >= 2*l.limit {
		l.cut()
	}
}

// cut drops what is beyond the limit.
func (l *least) cut() {
	slices.SortFunc(l.nodes, node.compare)
	if len(l.nodes) > l.limit {
		l.nodes, l.more = l.nodes[:l.limit], true
		last, _ := parseName(l.nodes[l.limit-1].name)
		// With the slash that follows it, which may sort it behind longer ones.
		l.above = last.text + "/"
	}
}

func (l *least) sorted() nodes {
	l.cut()
	return l.nodes
}

// eachName calls f for every name in an open directory that can be one of ours,
// until f returns false. Whether it is what its suffix says is seen when it is
// opened: finding out here would cost a system call for every name.
func eachName(dir *os.Root, f func(name string, p piece) bool) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // only read from
	for {
		names, err := d.Readdirnames(readBatch)
		for _, name := range names {
			if p, ok := parseName(name); ok && !f(name, p) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) || absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unseen is a directory that holdsObject has still to look into.
type unseen struct {
	path string
	// tried is the directory in it that a first look led to, in vain: now all
	// others have their turn. Trying it again would double the work at every
	// level of a tree of empty directories.
	tried string
}

// holdsObject reports whether there is an object anywhere below dir. The first
// name of use nearly always leads to one, since directories without objects are
// removed.
func (l *lister) holdsObject(dir string) (bool, error) {
	stack := []unseen{{path: dir}}
	for len(stack) > 0 {
		u := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		found, below, err := l.look(u)
		if found || err != nil {
			return found, err
		}
		if u.tried == "" && len(below) > 0 {
			stack = append(stack, unseen{u.path, below[0]})
		}
		for _, path := range below {
			stack = append(stack, unseen{path: path})
		}
	}
	return false, nil
}

// look reads a directory until there is an object or, in a first look, anything
// that may lead to one.
func (l *lister) look(u unseen) (found bool, below []string, err error) {
	dir, err := l.at.enter(u.path)
	if err == nil {
		err = eachName(dir, func(name string, p piece) bool {
			path := child(u.path, name)
			if p.kind == sufObject {
				_, found = keyOf(path)
				return !found
			}
			if path != u.tried {
				below = append(below, path)
			}
			return u.tried != ""
		})
	}
	if absent(err) || isDamaged(err) {
		err = nil // as in expand
	}
	return found, below, err
}

func isDamaged(err error) bool { return errors.Is(err, store.ErrDamaged) }
