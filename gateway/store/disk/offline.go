// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"fmt"
	"io"
	"os"

	"github.com/sealgate/sealgate/gateway/store"
)

// File is one file of a store, opened without the store: what a tool needs
// that works on a copy of the directory.
type File struct {
	// Object is what the file's header says.
	store.Object
	body *io.SectionReader
	file *os.File
}

// OpenFile opens a file that a Store wrote. store.ErrDamaged if it is none.
func OpenFile(name string) (_ *File, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // read side
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a regular file", name, store.ErrDamaged)
	}
	h, err := readHeader(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{Object: h.object(), body: io.NewSectionReader(f, h.length(), h.size), file: f}, nil
}

// Read reads the body.
func (f *File) Read(p []byte) (int, error) { return f.body.Read(p) }

// ReadAt reads the body from an offset.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.body.ReadAt(p, off) }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
