// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"io"
	"strings"
	"sync"
	"testing"
)

// fakeDisk is the real directory with misfortune in front of it. Without any
// it leaves out the syncs, which only cost time when nothing is cut.
type fakeDisk struct {
	osDisk

	mu    sync.Mutex
	write func(name string, off int64, b []byte) (int, error) // what to do instead of a write; n < 0: write
	sync  func(name string) error
	spare func() (int64, error)
}

type fakeFile struct {
	file
	name string
	d    *fakeDisk
}

func newFakeDisk(dir string) *fakeDisk { return &fakeDisk{osDisk: osDisk{root: dir}} }

// on sets the misfortunes; nil ones do not happen.
func (d *fakeDisk) on(write func(string, int64, []byte) (int, error), sync func(string) error, spare func() (int64, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write, d.sync, d.spare = write, sync, spare
}

func (d *fakeDisk) hooks() (func(string, int64, []byte) (int, error), func(string) error, func() (int64, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.write, d.sync, d.spare
}

func (d *fakeDisk) create(name string) (file, error) {
	if w, _, _ := d.hooks(); w != nil {
		if n, err := w(name, -1, nil); n >= 0 && err != nil {
			return nil, err
		}
	}
	f, err := d.osDisk.create(name)
	if err != nil {
		return nil, err
	}
	return &fakeFile{f, name, d}, nil
}

func (d *fakeDisk) open(name string) (file, error) {
	f, err := d.osDisk.open(name)
	if err != nil {
		return nil, err
	}
	return &fakeFile{f, name, d}, nil
}

func (d *fakeDisk) syncDir(name string) error {
	if _, s, _ := d.hooks(); s != nil {
		return s(name)
	}
	return nil
}

func (d *fakeDisk) free() (int64, error) {
	if _, _, f := d.hooks(); f != nil {
		return f()
	}
	return 1 << 40, nil
}

func (f *fakeFile) WriteAt(b []byte, off int64) (int, error) {
	if w, _, _ := f.d.hooks(); w != nil {
		n, err := w(f.name, off, b)
		if n >= 0 {
			if n > 0 {
				if _, werr := f.file.WriteAt(b[:n], off); werr != nil {
					return 0, werr
				}
			}
			return n, err
		}
	}
	return f.file.WriteAt(b, off)
}

func (f *fakeFile) datasync() error {
	if _, s, _ := f.d.hooks(); s != nil {
		return s(f.name)
	}
	return nil
}

func isSegment(name string) bool { return strings.HasPrefix(name, segmentDir+"/") }

var _ io.WriterAt = (*fakeFile)(nil)

// fakeConfig is testConfig on a fake disk.
func fakeConfig(t *testing.T) (Config, *fakeDisk) {
	t.Helper()
	c := realConfig(t)
	d := newFakeDisk(c.Dir)
	c.disk = d
	return c, d
}
