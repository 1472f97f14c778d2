// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// PersistPoints are the names that Config.Persist is called with, each directly
// before the step it names.
var PersistPoints = []string{
	pointParent,
	"authority.keys.sync", "authority.keys.rename", "authority.keys.syncdir",
	"authority.entries.sync", "authority.entries.rename", "authority.entries.syncdir",
}

const (
	pointParent = "authority.parent.syncdir"
	maxFile     = 4 << 20 // bytes
)

// files reads and writes the files of one folder (AUTHORITY.md §7).
type files struct {
	dir     string
	persist func(string)
}

// file is one of them: its name, and the part of its persist points' names.
type file struct{ name, point string }

var (
	keysFile    = file{"keys.json", "authority.keys"}
	entriesFile = file{"entries.json", "authority.entries"}
)

// prepare makes the folder if it is absent, durably, and refuses one that others
// may write: they could put their own entries in.
func (f files) prepare() error {
	if err := os.Mkdir(f.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the folder: %w", err)
	}
	// Also where it exists: the process that made it may have died before this.
	f.persist(pointParent)
	if err := syncDir(filepath.Dir(f.dir)); err != nil {
		return err
	}
	info, err := os.Stat(f.dir)
	if err != nil {
		return fmt.Errorf("looking at the folder: %w", err)
	}
	return checkOurs(f.dir, info)
}

// read returns the file's bytes, nil if there is no file.
func (f files) read(which file) ([]byte, error) {
	path := filepath.Join(f.dir, which.name)
	h, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	defer h.Close() //nolint:errcheck // read side
	info, err := h.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", path, err)
	}
	if err := checkOurs(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(h, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("reading %s: over %d bytes", path, maxFile)
	}
	return data, nil
}

// checkOurs refuses what another user may write.
func checkOurs(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s may be written by other users (mode %#o); chmod go-w it after checking what is in it", path, info.Mode().Perm())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d, not to this process's %d", path, st.Uid, os.Geteuid())
	}
	return nil
}

// write replaces the file: whole and durable on return, or the old one is still
// there. After an error of the last step it may be either.
func (f files) write(which file, data []byte) error {
	path := filepath.Join(f.dir, which.name)
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a left-over file: %w", err)
	}
	if err := f.writeTemp(which, temp, data); err != nil {
		return fmt.Errorf("writing %s: %w", temp, err)
	}
	f.persist(which.point + ".rename")
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("putting a new file in place: %w", err)
	}
	f.persist(which.point + ".syncdir")
	return syncDir(f.dir)
}

// writeTemp leaves data in a durable file of its own.
func (f files) writeTemp(which file, temp string, data []byte) error {
	h, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer h.Close() //nolint:errcheck // the error that counts is that of Sync
	if _, err := h.Write(data); err != nil {
		return err
	}
	f.persist(which.point + ".sync")
	return h.Sync()
}

// syncDir makes a rename or a new name in dir durable (fsync(2), notes).
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening a folder to sync it: %w", err)
	}
	defer d.Close() //nolint:errcheck // only synced
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing folder %s: %w", dir, err)
	}
	return nil
}
