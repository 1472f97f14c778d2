// SPDX-License-Identifier: Apache-2.0

package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// The durable steps of KEYSTORE.md §4, in their order, after those of a key
// file.
const (
	pointKeyFileSync    = "keystore.keyfile.sync"
	pointKeyFileLink    = "keystore.keyfile.link"
	pointKeyFileDirSync = "keystore.keyfile.dirsync"
	pointTempSync       = "keystore.temp.sync"
	pointBackup         = "keystore.backup.rename"
	pointRename         = "keystore.rename"
	pointDirSync        = "keystore.dirsync"
	pointGeneration     = "keystore.generation"
)

// PersistPoints lists every name that Config.Persist is called with.
var PersistPoints = []string{
	pointKeyFileSync, pointKeyFileLink, pointKeyFileDirSync,
	pointTempSync, pointBackup, pointRename, pointDirSync, pointGeneration,
}

const (
	tempSuffix   = ".tmp"
	backupSuffix = ".1"
)

// replace writes the keystore as KEYSTORE.md §4 says, steps 1 to 4. The caller
// holds the folder's lock.
func (c Config) replace(b []byte) error {
	temp := c.Path + tempSuffix
	if err := writeSynced(temp, b, func() { c.Persist(pointTempSync) }); err != nil {
		return err
	}
	if err := c.backUp(); err != nil {
		return err
	}
	c.Persist(pointRename)
	if err := os.Rename(temp, c.Path); err != nil {
		return bare(err)
	}
	c.Persist(pointDirSync)
	return syncDir(filepath.Dir(c.Path))
}

// backUp makes keystore.1 a second name of the present keystore. It goes by a
// link and a rename: there is always a keystore, and always a keystore.1 once
// there was one.
func (c Config) backUp() error {
	temp := c.Path + backupSuffix + tempSuffix
	if err := removeIfThere(temp); err != nil {
		return err
	}
	err := os.Link(c.Path, temp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the first keystore has none before it
	}
	if err != nil {
		return fmt.Errorf("keeping the present keystore: %w", bare(err))
	}
	c.Persist(pointBackup)
	if err := os.Rename(temp, c.Path+backupSuffix); err != nil {
		return bare(err)
	}
	// After a crash both may be names of one file; rename then does nothing.
	return removeIfThere(temp)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return bare(err)
	}
	return nil
}

// makeKeyFile writes 32 random bytes to path if there is no file yet, and
// reports whether it did. A key file is never overwritten: the keystore that
// it opens would be lost.
func (c Config) makeKeyFile(path string) (made bool, err error) {
	temp := path + tempSuffix
	_ = os.Remove(temp) // after a crash it may be a second name of the key; where it cannot go, none was made
	if _, err := os.Lstat(path); err == nil {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, fmt.Errorf("making key file %s: %w", path, bare(err))
	}
	key := make([]byte, keyFileSize)
	rand.Read(key) // it cannot fail: it ends the process instead
	defer clear(key)
	err = writeSynced(temp, key, func() { c.Persist(pointKeyFileSync) })
	if err == nil {
		c.Persist(pointKeyFileLink)
		err = bare(os.Link(temp, path)) // unlike a rename, it fails on a file that appeared meanwhile
	}
	if err = cmp.Or(err, bare(os.Remove(temp))); err != nil {
		return false, fmt.Errorf("making key file %s: %w", path, err)
	}
	c.Persist(pointKeyFileDirSync)
	return true, syncDir(filepath.Dir(path))
}

// writeSynced writes a file of mode 0600 anew and makes its bytes durable.
func writeSynced(path string, b []byte, persist func()) error {
	if err := removeIfThere(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return bare(err)
	}
	_, err = f.Write(b)
	if err == nil {
		persist()
		err = f.Sync()
	}
	return bare(cmp.Or(err, f.Close()))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return bare(err)
	}
	return bare(cmp.Or(d.Sync(), d.Close()))
}

// lockWait is how long a change waits for another process's.
const lockWait = 10 * time.Second

// lockFolder keeps other processes from changing the keystore until unlock is
// called or the process ends. Reading needs no lock: the file is always whole.
func lockFolder(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, bare(err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = d.Close() }, nil // closing a folder opened to read loses nothing
		}
		select {
		case <-ctx.Done():
			_ = d.Close() // the same
			return nil, fmt.Errorf("another process is changing it: locking %s: %w", dir, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
