// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"iter"
	"os"
	"path"
)

// walker keeps the directory open that was entered last. Going on to one inside
// it is a single step then, where a path from the top costs one for each of the
// up to a thousand directories that a key may have.
type walker struct {
	root *os.Root // of the store; not the walker's to close
	at   *os.Root
	dir  string // path of at
}

// enter opens dir, unless that is a symbolic link. It stays open until the next
// enter, or close.
func (w *walker) enter(dir string) (*os.Root, error) {
	if w.at != nil && w.dir == dir {
		return w.at, nil
	}
	from, name := w.root, dir
	if w.at != nil && path.Dir(dir) == w.dir {
		from, name = w.at, path.Base(dir)
	}
	if err := isDir(from, name); err != nil {
		return nil, err
	}
	at, err := from.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	w.close()
	w.at, w.dir = at, dir
	return at, nil
}

func (w *walker) close() {
	if w.at != nil {
		_ = w.at.Close() // nothing is written through it
		w.at = nil
	}
}

// downTo yields the directories of a path from the top down, itself last. The
// store's own directory is not among them.
func downTo(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(dir) {
			if dir[i] == '/' && !yield(dir[:i]) {
				return
			}
		}
		if dir != "." {
			yield(dir)
		}
	}
}
