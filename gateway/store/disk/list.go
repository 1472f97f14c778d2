// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"container/heap"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/sealgate/sealgate/gateway/store"
)

// List implements store.Store.
//
// The order of keys is not the order of the tree: "a." lies between "a" and
// "a/b", and the pieces of a long segment lie anywhere between its siblings. So
// this is a search by best bound: a heap holds objects and directories not yet
// looked into, each under the least key that can come from it, and the least
// one is taken out until the page is full. What cannot hold a wanted key is
// never looked into.
func (s *Store) List(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	l := &lister{store: s, o: o, at: walker{root: s.root}}
	defer l.at.close()
	page, err := l.run(ctx)
	if err != nil {
		return store.ListPage{}, fmt.Errorf("listing %q: %w", o.Prefix, classify(err))
	}
	return page, nil
}

// lister is the state of one List.
type lister struct {
	store *Store
	at    walker
	o     store.ListOptions
	heap  nodes
	// group is the common prefix given last: all of it is dealt with.
	group string
	page  store.ListPage
	last  string // key or prefix given last
}

// run fills one page, and finds one entry more to say whether there is more.
func (l *lister) run(ctx context.Context) (store.ListPage, error) {
	if err := l.start(); err != nil {
		return store.ListPage{}, err
	}
	for limit := l.o.Limit(); len(l.heap) > 0; {
		if err := ctx.Err(); err != nil {
			return store.ListPage{}, err
		}
		e, err := l.next(heap.Pop(&l.heap).(node))
		if err != nil {
			return store.ListPage{}, err
		}
		if e == nil {
			continue
		}
		if len(l.page.Objects)+len(l.page.Prefixes) == limit {
			l.page.More, l.page.Next = true, l.last
			break
		}
		l.give(*e)
	}
	return l.page, nil
}

// start puts the deepest directory that every wanted key is in on the heap.
func (l *lister) start() error {
	if len(l.o.Prefix) > store.MaxKey {
		return nil // no key is as long
	}
	base := l.o.Prefix[:strings.LastIndexByte(l.o.Prefix, '/')+1]
	dir := dirOf(base)
	if err := l.store.realDir(dir); absent(err) {
		return nil
	} else if err != nil {
		return err
	}
	l.heap = nodes{{bound: base, kind: sufDir, base: base, path: dir}}
	return nil
}

// entry is an object, or a common prefix if object is nil.
type entry struct {
	object *store.Object
	prefix string
}

func (l *lister) give(e entry) {
	if e.object == nil {
		l.page.Prefixes = append(l.page.Prefixes, e.prefix)
		l.group, l.last = e.prefix, e.prefix
		return
	}
	l.page.Objects = append(l.page.Objects, *e.object)
	l.last = e.object.Key
}

// next turns the least node into an entry, or into the nodes below it (nil).
func (l *lister) next(n node) (*entry, error) {
	if !l.wants(n.base, n.kind) || n.kind == sufObject && pathOf(n.base) != n.path {
		return nil, nil // dealt with, or a name that is not ours
	}
	group := l.groupOf(n.base)
	switch {
	case n.kind == sufObject && group == "":
		return l.object(n)
	case n.kind == sufObject:
		return &entry{prefix: group}, nil
	case group == "":
		return nil, l.expand(n)
	}
	// All keys below are one common prefix: it matters only that there is one.
	if ok, err := l.holdsObject(n.path); !ok || err != nil {
		return nil, err
	}
	return &entry{prefix: group}, nil
}

// object reads what a listing tells of an object. One that is gone by now is
// not listed; one that is damaged is, without what cannot be known.
func (l *lister) object(n node) (*entry, error) {
	obj, err := l.read(n.path)
	switch {
	case absent(err):
		return nil, nil
	case isDamaged(err) || err == nil && obj.Key != n.base:
		return &entry{object: &store.Object{Key: n.base, Size: -1}}, nil
	case err != nil:
		return nil, err
	}
	obj.Metadata = ""
	return &entry{object: &obj}, nil
}

func (l *lister) read(name string) (store.Object, error) {
	at, err := l.at.enter(path.Dir(name))
	if err != nil {
		return store.Object{}, err
	}
	f, h, err := openFile(at, path.Base(name))
	if err != nil {
		return store.Object{}, err
	}
	return h.object(), f.Close()
}

// wants reports whether a wanted key can be base (of an object) or start with
// base (of anything else).
func (l *lister) wants(base string, kind byte) bool {
	if l.group != "" && strings.HasPrefix(base, l.group) {
		return false
	}
	if g := l.groupOf(base); g != "" && g <= l.o.StartAfter {
		return false
	}
	if kind == sufObject {
		return strings.HasPrefix(base, l.o.Prefix) && base > l.o.StartAfter
	}
	// Keys that start with a base <= StartAfter are all before it, unless
	// StartAfter is one of them.
	return (strings.HasPrefix(base, l.o.Prefix) || strings.HasPrefix(l.o.Prefix, base)) &&
		(base > l.o.StartAfter || strings.HasPrefix(l.o.StartAfter, base))
}

// groupOf returns the common prefix that key is given as, "" for none.
func (l *lister) groupOf(key string) string {
	if l.o.Delimiter == "" || !strings.HasPrefix(key, l.o.Prefix) {
		return ""
	}
	i := strings.Index(key[len(l.o.Prefix):], l.o.Delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(l.o.Prefix)+i+len(l.o.Delimiter)]
}
