// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
)

// dirs knows which directories exist, are no symbolic links and survive a power
// cut, so that not every Put has to find out. Directories are made and removed
// one at a time, by this process only; a write to a directory needs no lock.
type dirs struct {
	// tree is held while one directory is made or removed.
	tree sync.Mutex

	mu sync.RWMutex // guards all below
	// known gives each durable directory the number of its making: another
	// number under the same name is another directory.
	known map[string]uint64
	made  uint64
}

// maxKnown bounds dirs.known; beyond it the names are learnt anew.
const maxKnown = 1 << 14

func (d *dirs) number(dir string) (uint64, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, ok := d.known[dir]
	return n, ok
}

func (d *dirs) add(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxKnown {
		d.known = make(map[string]uint64)
	}
	d.made++
	d.known[dir] = d.made
}

func (d *dirs) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, dir)
}

// maxRaces is how often a directory may be removed between its making and its
// use. Losing more often than a few times means something else is wrong.
const maxRaces = 20

// inDir calls place while the directory dir is there, and returns when what it
// placed hangs from directories that are durable up to the top.
func (s *Store) inDir(dir string, place func() error) error {
	for range maxRaces {
		if err := s.makeDirs(dir); err != nil {
			return err
		}
		n, _ := s.dirs.number(dir)
		err := place()
		if errors.Is(err, fs.ErrNotExist) {
			s.forgetAll(dir) // removed by a Delete just now, or by someone else
			continue
		}
		if err != nil {
			return err
		}
		// Removed and made anew in between: who made it may not have reached
		// the fsync of the directory above.
		if again, known := s.dirs.number(dir); !known || again != n {
			return s.makeDirs(dir)
		}
		return nil
	}
	return fmt.Errorf("directory %s is removed as often as it is made", dir)
}

func (s *Store) forgetAll(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		s.dirs.forget(dir)
	}
}

// makeDirs makes dir and everything above it, durable from the top down: an
// object that is acknowledged must not hang from a directory that a power cut
// takes away.
func (s *Store) makeDirs(dir string) error {
	w := walker{root: s.root}
	defer w.close()
	for d := range downTo(dir) {
		if _, known := s.dirs.number(d); known {
			continue
		}
		err := s.makeDir(&w, d)
		if errors.Is(err, fs.ErrNotExist) {
			s.forgetAll(path.Dir(d))
			return nil // the one above was removed: inDir begins anew
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes one directory, or makes sure of it: the process that made it
// may have died just then.
func (s *Store) makeDir(w *walker, dir string) error {
	s.dirs.tree.Lock()
	defer s.dirs.tree.Unlock()
	above, err := w.enter(path.Dir(dir))
	if err != nil {
		return err
	}
	if err := above.Mkdir(path.Base(dir), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := isDir(above, path.Base(dir)); err != nil {
		return err
	}
	s.persist(pointDir)
	if err := syncRoot(above); err != nil {
		return err
	}
	s.dirs.add(dir)
	return nil
}

// realDir checks that dir and everything above it are directories themselves.
func (s *Store) realDir(dir string) error {
	if _, known := s.dirs.number(dir); known {
		return nil
	}
	if _, err := s.root.Lstat(dir); err != nil {
		return err // absent, nearly always: no need to look at all of them
	}
	w := walker{root: s.root}
	defer w.close()
	for d := range downTo(dir) {
		if _, err := w.enter(d); err != nil {
			return err
		}
	}
	return nil
}

// isDir refuses anything but a directory itself, symbolic links to one above
// all: keys below it would be objects of another place under a second name.
func isDir(above *os.Root, name string) error {
	info, err := above.Lstat(name)
	if err == nil && !info.IsDir() {
		err = damaged("%s is no directory but %s", name, info.Mode().Type())
	}
	return err
}

// syncDir makes the names in dir durable.
func (s *Store) syncDir(dir string) error {
	w := walker{root: s.root}
	defer w.close()
	at, err := w.enter(dir)
	if err != nil {
		return err
	}
	return syncRoot(at)
}

func syncRoot(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// pruneDepth is how many directories are open at once to remove them. A key may
// have a thousand.
const pruneDepth = 32

// prune removes dir and the directories above it as far as they are empty.
// Failing is no fault: an empty directory is in nobody's way.
func (s *Store) prune(dir string) {
	for dir != "." && s.empty(dir) {
		batch := []string{dir} // from the bottom up
		for path.Dir(dir) != "." && len(batch) < pruneDepth {
			dir = path.Dir(dir)
			batch = append(batch, dir)
		}
		if !s.pruneBatch(batch) {
			return
		}
		dir = path.Dir(dir)
	}
}

// pruneBatch removes directories that lie in one another, the innermost first,
// and reports whether all of them are gone.
func (s *Store) pruneBatch(dirs []string) bool {
	above := make([]*os.Root, len(dirs)) // above[i] holds dirs[i]
	defer func() {
		for _, r := range above {
			if r != nil {
				_ = r.Close() // only looked through
			}
		}
	}()
	from, name := s.root, path.Dir(dirs[len(dirs)-1])
	for i := len(dirs) - 1; i >= 0; i-- {
		var err error
		if above[i], err = from.OpenRoot(name); err != nil {
			return false
		}
		from, name = above[i], path.Base(dirs[i])
	}
	for i, dir := range dirs {
		if s.removeDir(above[i], dir) != nil {
			return false
		}
	}
	return true
}

func (s *Store) empty(dir string) bool {
	f, err := s.root.Open(dir)
	if err != nil {
		return false
	}
	names, _ := f.Readdirnames(1)
	return f.Close() == nil && len(names) == 0
}

// errUsed says that a directory holds something.
var errUsed = errors.New("directory is not empty")

// removeDir removes an empty directory. What looks empty but is written to just
// now stays, since the system removes no other.
func (s *Store) removeDir(above *os.Root, dir string) error {
	f, err := above.Open(path.Base(dir))
	if err != nil {
		return err
	}
	names, _ := f.Readdirnames(1)
	if err := f.Close(); err != nil || len(names) > 0 {
		return errors.Join(errUsed, err)
	}
	s.dirs.tree.Lock()
	defer s.dirs.tree.Unlock()
	s.dirs.forget(dir)
	return above.Remove(path.Base(dir))
}

// absent reports whether err says that there is no such file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// child joins a directory of the store and a name in it.
func child(dir, name string) string {
	if dir == "." {
		return name
	}
	return strings.Join([]string{dir, name}, "/")
}
