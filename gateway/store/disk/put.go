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
	if err := errors.Join(store.CheckKey(key), o.Check(), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	// A create of what is there fails before its body is read. The link still
	// decides: this one may be overtaken.
	if o.IfNoneMatch {
		if _, err := s.root.Lstat(pathOf(key)); err == nil {
			return store.Object{}, store.ErrPrecondition
		}
	}
	h := header{size: o.Size, modified: s.now().UTC(), etag: newETag(), key: key, metadata: o.Metadata}
	tmp := tmpDir + "/" + rand.Text()
	there := true
	defer func() {
		if there {
			_ = s.root.Remove(tmp) // what is left over, the next Open removes
		}
	}()
	if err := s.writeTemp(ctx, tmp, h, body); err != nil {
		return store.Object{}, err
	}
	if err := s.publish(ctx, tmp, key, o); err != nil {
		return store.Object{}, err
	}
	there = o.IfNoneMatch // a link leaves it, a rename does not
	return h.object(), nil
}

// writeTemp writes header and body to a new file and makes it durable.
func (s *Store) writeTemp(ctx context.Context, tmp string, h header, body io.Reader) error {
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return classify(err)
	}
	err = s.fill(ctx, f, h, body)
	if cerr := f.Close(); err == nil {
		err = classify(cerr)
	}
	return err
}

func (s *Store) fill(ctx context.Context, f *os.File, h header, body io.Reader) error {
	if _, err := f.Write(h.encode()); err != nil {
		return classify(err)
	}
	exact := store.NewExact(body, h.size)
	if err := copyBody(ctx, f, exact); err != nil {
		if bad := exact.Err(); bad != nil {
			return fmt.Errorf("reading the body: %w", bad)
		}
		return classify(err)
	}
	s.persist(pointBody)
	return classify(f.Sync())
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

// publish gives the finished file its name, if the condition holds, and makes
// the name durable.
func (s *Store) publish(ctx context.Context, tmp, key string, o store.PutOptions) error {
	mu := s.keyLock(key)
	mu.Lock()
	defer mu.Unlock()
	if o.IfMatch != "" {
		if err := s.checkMatch(ctx, key, o.IfMatch); err != nil {
			return err
		}
	}
	place := s.root.Rename
	if o.IfNoneMatch {
		place = s.root.Link // which fails if the name exists, atomically
	}
	name := pathOf(key)
	err := s.inDir(path.Dir(name), func() error {
		s.persist(pointPublish)
		if err := place(tmp, name); err != nil {
			return err
		}
		s.persist(pointPutSync)
		return s.syncDir(path.Dir(name))
	})
	if o.IfNoneMatch && errors.Is(err, fs.ErrExist) {
		return store.ErrPrecondition
	}
	return classify(err)
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
