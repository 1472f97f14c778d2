// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is the writer's view of the audit directory: names are relative to it,
// with slashes. Tests put faults behind it.
type disk interface {
	// create makes a file that must not exist yet, 0600.
	create(name string) (file, error)
	open(name string) (file, error)
	read(name string) ([]byte, error)
	rename(from, to string) error
	remove(name string) error
	mkdir(name string) error
	// list returns the names in a directory, sorted; none if it is absent.
	list(name string) ([]string, error)
	syncDir(name string) error
	// free returns the number of bytes that may still be written.
	free() (int64, error)
}

// file is one open file.
type file interface {
	io.Reader
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// datasync makes the content durable, and the size if it changed.
	datasync() error
	size() (int64, error)
	// intact returns an error if the file has no link any more or if its
	// path leads to another file.
	intact() error
}

// osDisk is the directory root of the operating system.
type osDisk struct{ root string }

type osFile struct {
	*os.File
	path string
}

func (d osDisk) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

func (d osDisk) create(name string) (file, error) {
	return d.openFlags(name, os.O_CREATE|os.O_EXCL|os.O_RDWR)
}

func (d osDisk) open(name string) (file, error) { return d.openFlags(name, os.O_RDWR) }

// openFlags follows no symbolic link at the end of the path: whoever can place
// one must not choose which file is written.
func (d osDisk) openFlags(name string, flags int) (file, error) {
	f, err := os.OpenFile(d.path(name), flags|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f, path: d.path(name)}, nil
}

func (d osDisk) read(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

func (d osDisk) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d osDisk) remove(name string) error {
	return os.Remove(d.path(name))
}

func (d osDisk) mkdir(name string) error {
	return os.MkdirAll(d.path(name), 0o700)
}

func (d osDisk) list(name string) ([]string, error) {
	entries, err := os.ReadDir(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (d osDisk) syncDir(name string) error {
	f, err := os.Open(d.path(name))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// free counts what an unprivileged process may use (f_bavail).
func (d osDisk) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.root, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// datasync leaves times alone: flushing only them would double the writes.
func (f *osFile) datasync() error {
	for {
		// Interrupted is not failed: nothing has been written back or given up.
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (f *osFile) size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// intact needs both looks: an unlinked file has no link, a replaced one may have
// one elsewhere.
func (f *osFile) intact() error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	if mine.Sys().(*syscall.Stat_t).Nlink == 0 {
		return fmt.Errorf("%s was removed while in use", f.path)
	}
	there, err := os.Lstat(f.path)
	if err != nil {
		return err
	}
	if !os.SameFile(mine, there) {
		return fmt.Errorf("%s was replaced while in use", f.path)
	}
	return nil
}

// closeRead closes a file that was only read: nothing can be lost by it.
func closeRead(c io.Closer) { _ = c.Close() }

// noSpace reports whether err only says that there is no room.
func noSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// dirLock is the lock of an audit directory.
type dirLock struct{ f *os.File }

// lockDir takes the lock of dir for this open file description: a second one,
// in this process or another, is refused, and it ends with the process.
func lockDir(dir string) (dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return dirLock{}, err
	}
	l := dirLock{f}
	err = l.set(unix.F_WRLCK)
	if err == nil {
		return l, nil
	}
	closeRead(f)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return dirLock{}, fmt.Errorf("%w: another gateway writes %s; stop it, or give this one a data directory of its own", ErrLocked, dir)
	}
	return dirLock{}, fmt.Errorf("locking %s: %w", f.Name(), err)
}

func (l dirLock) set(kind int16) error {
	lk := unix.Flock_t{Type: kind, Whence: io.SeekStart}
	return unix.FcntlFlock(l.f.Fd(), unix.F_OFD_SETLK, &lk)
}

// Close gives the directory free. It unlocks first: a child process that is
// between fork and exec holds a copy of the descriptor, and with it the lock.
func (l dirLock) Close() error { return errors.Join(l.set(unix.F_UNLCK), l.f.Close()) }

// locked reports whether a writer has dir open. It takes no lock itself, so
// that looking never keeps a gateway from starting.
func locked(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer closeRead(f)
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lk); err != nil {
		return false
	}
	return lk.Type != unix.F_UNLCK
}
