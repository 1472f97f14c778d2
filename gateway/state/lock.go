// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// DirLock is the ownership of a data directory. It ends with Close or with the
// process, however that ends.
type DirLock struct {
	f *os.File
}

// A LockedError says who owns a data directory. It unwraps to ErrLocked.
type LockedError struct {
	// Dir is the directory.
	Dir string
	// PID and Started are the owner's, zero if it has not written them yet.
	PID     int
	Started time.Time
}

// Error names the owner and what to do.
func (e *LockedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("pid %d, started %s", e.PID, e.Started.Format(time.RFC3339))
	}
	return fmt.Sprintf("locking data directory %s: in use by %s; stop it or give this one a directory of its own with --data", e.Dir, who)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// LockDir takes the file "lock" in dir, which must exist, and writes the
// process id and the time into it. If another process holds it, it is a
// *LockedError at once.
//
// The file is never deleted: a second process could hold a lock on the deleted
// file and a third one on its successor.
func LockDir(dir string) (*DirLock, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking data directory: %w", err)
	}
	if err := takeLock(f, dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &DirLock{f: f}, nil
}

func takeLock(f *os.File, dir string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ownerOf(f, dir)
	}
	if err != nil {
		return fmt.Errorf("locking data directory %s: %w", dir, err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	_, err = fmt.Fprintf(f, "pid %d\nstarted %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return nil
}

// ownerOf reads who holds the lock. What cannot be read stays zero: it is only
// for the message.
func ownerOf(f *os.File, dir string) error {
	e := &LockedError{Dir: dir}
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return e
	}
	var started string
	if _, err := fmt.Sscanf(string(text), "pid %d\nstarted %s\n", &e.PID, &started); err != nil {
		return &LockedError{Dir: dir}
	}
	if e.Started, err = time.Parse(time.RFC3339, started); err != nil {
		return &LockedError{Dir: dir}
	}
	return e
}

// Close gives the directory back. Closing twice is no error.
func (l *DirLock) Close() error {
	if err := l.f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlocking data directory: %w", err)
	}
	return nil
}
