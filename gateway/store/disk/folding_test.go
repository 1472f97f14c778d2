// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

// folding is a directory of a file system that takes some names for others.
type folding struct {
	*os.Root
	fold func(string) string
}

func (f folding) Lstat(name string) (fs.FileInfo, error) {
	if name != f.fold(name) {
		return f.Root.Lstat(f.fold(name))
	}
	return f.Root.Lstat(name)
}

func TestRefuseFolding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fold func(string) string
		want string
	}{
		"exact":   {func(s string) string { return s }, ""},
		"case":    {func(s string) string { return strings.ReplaceAll(s, "CASE", "case") }, "upper and lower case"},
		"Unicode": {func(s string) string { return strings.ReplaceAll(s, "e\u0301", "\u00e9") }, "Unicode"},
	} {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := root.Mkdir(tmpDir, 0o700); err != nil {
			t.Fatal(err)
		}
		err = refuseFolding(folding{root, tt.fold})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if left, err := fs.ReadDir(root.FS(), tmpDir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
		_ = root.Close()
	}
}
