// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
)

func TestOpenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, open(t, dir), "a/b")
	f, err := disk.OpenFile(filepath.Join(dir, "a+", "b="))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(f)
	last := make([]byte, 1)
	_, rerr := f.ReadAt(last, 2)
	if err := errors.Join(err, rerr); err != nil || string(body) != "abc" || string(last) != "c" || f.Key != "a/b" || f.Metadata != "ABC" || f.Size != 3 {
		t.Errorf("%q, %q, %+v, %v", body, last, f.Object, err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("not an object"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{other: store.ErrDamaged, dir: store.ErrDamaged, other + "x": os.ErrNotExist} {
		if _, err := disk.OpenFile(name); !errors.Is(err, want) {
			t.Errorf("OpenFile(%s): %v, want %v", name, err, want)
		}
	}
}
