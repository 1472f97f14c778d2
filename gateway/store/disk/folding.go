// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// twins are names that some file systems take for one another.
var twins = []struct{ what, one, other string }{
	{"upper and lower case", "case", "CASE"},
	// U+00E9, and U+0065 U+0301.
	{"composed and decomposed Unicode", "\u00e9", "e\u0301"},
}

// names is what the check needs of a directory.
type names interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Lstat(name string) (fs.FileInfo, error)
	Remove(name string) error
}

// refuseFolding makes a file under one name and looks for it under the other.
// It does so in .tmp, whose properties are those of the store's directory.
func refuseFolding(dir names) error {
	stem := tmpDir + "/" + rand.Text()
	for _, t := range twins {
		f, err := dir.OpenFile(stem+t.one, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, found := dir.Lstat(stem + t.other)
		if err := errors.Join(f.Close(), dir.Remove(stem+t.one)); err != nil {
			return err
		}
		if found == nil {
			return fmt.Errorf("the file system does not tell %s apart: two objects would be one file; choose a directory on another one", t.what)
		}
		if !errors.Is(found, fs.ErrNotExist) {
			return found
		}
	}
	return nil
}
