// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/sealgate/sealgate/gateway/store"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	obj, err := s.put(ctx, key, body, o)
	if err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	return obj, nil
}

func (s *Store) put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if err := errors.Join(store.CheckKey(key), o.Check(), noLock(o.Lock), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	if err := s.overtaken(key, condition{noneMatch: o.IfNoneMatch}); err != nil {
		return store.Object{}, err
	}
	h := header{size: o.Size, modified: s.now().UTC(), etag: newETag(), key: key, metadata: o.Metadata}
	err := s.write(h, func(f *os.File) error { return readBody(ctx, f, body, h.size) }, func(tmp string) error {
		return s.publish(ctx, tmp, key, condition{o.IfNoneMatch, o.IfMatch}, nil)
	})
	if err != nil {
		return store.Object{}, err
	}
	return h.object(), nil
}

// write makes a temporary file of the header and what fill adds, makes it
// durable and lets place give it its name. What place leaves is removed.
func (s *Store) write(h header, fill func(*os.File) error, place func(tmp string) error) error {
	tmp := tmpDir + "/" + rand.Text()
	defer func() { _ = s.root.Remove(tmp) }() // what is left over even so, the next Open removes
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return classify(err)
	}
	_, err = f.Write(h.encode())
	if err = classify(err); err == nil {
		err = fill(f)
	}
	if err == nil {
		s.persist(pointBody)
		err = classify(f.Sync())
	}
	if cerr := f.Close(); err == nil {
		err = classify(cerr)
	}
	if err != nil {
		return err
	}
	return place(tmp)
}

// readBody copies a body to a file. Its own errors stay what they are.
func readBody(ctx context.Context, f *os.File, body io.Reader, size int64) error {
	exact := store.NewExact(body, size)
	err := copyBody(ctx, f, exact)
	if bad := exact.Err(); err != nil && bad != nil {
		return fmt.Errorf("reading the body: %w", bad)
	}
	return classify(err)
}

// buffers are what bodies are copied through: large, since every piece is a
// system call, and shared, since there are as many as transfers.
var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// flushStep is how much of a body may wait before it is sent to the device:
// enough for long writes, and little for the fsync at the end to wait for.
const flushStep = 8 << 20

// copyBody copies src to f until its end, and stops when ctx ends.
func copyBody(ctx context.Context, f *os.File, src io.Reader) error {
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	for written, flushed := int64(0), int64(0); ; {
		if written-flushed >= flushStep {
			writeBack(f, flushed, written-flushed)
			flushed = written
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.Read(buf[:])
		if n > 0 {
			if _, werr := f.Write(buf[:n]); werr != nil {
				return werr
			}
			written += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// condition is what a write demands of what is there: at most one of the two.
type condition struct {
	noneMatch bool
	match     string
}

// publish gives the finished file its name, if the condition holds, and makes
// the name durable. What before is called just before that, if not nil, under
// the lock of the key and with the object's directory there.
func (s *Store) publish(ctx context.Context, tmp, key string, c condition, before func() error) error {
	mu := s.keyLock(key)
	mu.Lock()
	defer mu.Unlock()
	if c.match != "" {
		if err := s.checkMatch(ctx, key, c.match); err != nil {
			return err
		}
	}
	place := s.root.Rename
	if c.noneMatch {
		place = s.root.Link // which fails if the name exists, atomically
	}
	name := pathOf(key)
	err := s.inDir(path.Dir(name), func() error {
		if before != nil {
			if err := before(); err != nil {
				return err
			}
		}
		s.persist(pointPublish)
		if err := place(tmp, name); err != nil {
			return err
		}
		s.persist(pointPutSync)
		return s.syncDir(path.Dir(name))
	})
	if c.noneMatch && errors.Is(err, fs.ErrExist) {
		return store.ErrPrecondition
	}
	return classify(err)
}

// overtaken reports that a create cannot succeed, before anything is read or
// copied for it. The link still decides: another write may come between.
func (s *Store) overtaken(key string, c condition) error {
	if c.noneMatch {
		if _, err := s.root.Lstat(pathOf(key)); err == nil {
			return store.ErrPrecondition
		}
	}
	return nil
}

// checkMatch compares the tag of what is stored now. The caller holds the lock
// of the key.
func (s *Store) checkMatch(ctx context.Context, key, etag string) error {
	f, h, err := s.openObject(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("no object to match: %w", store.ErrPrecondition)
	}
	if err != nil {
		return err
	}
	if got := h.object().ETag; got != etag {
		err = fmt.Errorf("ETag is %s: %w", got, store.ErrPrecondition)
	}
	return errors.Join(err, f.Close())
}

// noLock refuses what cannot be promised: whoever may write to a directory may
// delete from it.
func noLock(l store.Lock) error {
	if l.IsZero() {
		return nil
	}
	return store.ErrNoLock
}
