// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func pemOf(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }

// copyDir copies a directory with modes and symbolic links; sockets are left
// out.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, info.Mode().Perm())
		case d.Type()&fs.ModeSymlink != 0:
			dest, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(dest, target)
		case d.Type().IsRegular():
			return copyFile(path, target, info.Mode().Perm())
		}
		return nil
	})
	check(t, err)
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// restore makes dir hold what saved does, and nothing else.
func restore(t *testing.T, saved, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	check(t, err)
	for _, n := range names {
		check(t, os.RemoveAll(filepath.Join(dir, n.Name())))
	}
	copyDir(t, saved, dir)
}
