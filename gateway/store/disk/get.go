// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"

	"github.com/sealgate/sealgate/gateway/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	r, err := s.get(ctx, key, o)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", key, err)
	}
	return r, nil
}

func (s *Store) get(ctx context.Context, key string, o store.GetOptions) (_ *store.Reader, err error) {
	f, h, err := s.openObject(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // only read from
		}
	}()
	obj := h.object()
	if o.IfMatch != "" && o.IfMatch != obj.ETag {
		return nil, fmt.Errorf("ETag is %s: %w", obj.ETag, store.ErrPrecondition)
	}
	off, n, err := o.Resolve(h.size)
	if err != nil {
		return nil, err
	}
	body := &body{file: f, off: h.length() + off, left: n}
	return &store.Reader{Object: obj, Off: off, Len: n, ReadCloser: body}, nil
}

// openObject opens the file of a key and reads its header. The file stays the
// same whatever happens to its name: that is what makes a Get one version.
func (s *Store) openObject(ctx context.Context, key string) (*os.File, header, error) {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return nil, header{}, err
	}
	name := pathOf(key)
	f, h, err := openFile(s.root, name)
	if err == nil && h.key != key {
		err = errors.Join(damaged("file %s is of the key %q", name, h.key), f.Close())
	}
	if absent(err) {
		return nil, header{}, store.ErrNotFound
	}
	if err != nil {
		return nil, header{}, classify(err)
	}
	return f, h, nil
}

// openFile opens a file below dir and reads its header. On error there is
// nothing to close.
func openFile(dir *os.Root, name string) (*os.File, header, error) {
	// Not waiting: a fifo in our directory is not an object, but would hang us.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if info, lerr := dir.Lstat(name); lerr == nil && info.Mode()&os.ModeSymlink != 0 && !absent(err) {
			err = damaged("%s is a symbolic link", path.Base(name))
		}
		return nil, header{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = damaged("%s is no file but %s", path.Base(name), info.Mode().Type())
	}
	var h header
	if err == nil {
		h, err = readHeader(f, info.Size())
	}
	if err != nil {
		return nil, header{}, errors.Join(err, f.Close())
	}
	return f, h, nil
}

// body is the part of a file that a Get asked for.
type body struct {
	file *os.File
	off  int64
	left int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.file.ReadAt(p[:min(int64(len(p)), b.left)], b.off)
	b.off += int64(n)
	b.left -= int64(n)
	switch {
	case n > 0:
		return n, nil // an error comes again
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("%d bytes missing: %w", b.left, io.ErrUnexpectedEOF)
	}
	return 0, classify(err)
}

// Close implements io.Closer.
func (b *body) Close() error { return b.file.Close() }
