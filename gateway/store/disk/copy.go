// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sealgate/sealgate/gateway/store"
)

// Copy implements store.Copier.
func (s *Store) Copy(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error) {
	obj, err := s.copy(ctx, dst, src, o)
	if err != nil {
		return store.Object{}, fmt.Errorf("copying %q to %q: %w", src, dst, err)
	}
	return obj, nil
}

// copy reads one open file, which stays the version that it was opened as.
func (s *Store) copy(ctx context.Context, dst, src string, o store.CopyOptions) (_ store.Object, err error) {
	if err := errors.Join(store.CheckKey(dst), store.CheckKey(src), o.Check(), noLock(o.Lock), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	if !current(o.SourceVersion) {
		return store.Object{}, fmt.Errorf("version %q of the source: %w", o.SourceVersion, store.ErrNotFound)
	}
	f, from, err := s.openObject(ctx, src)
	if err != nil {
		return store.Object{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if got := from.object().ETag; got != o.SourceETag {
		return store.Object{}, fmt.Errorf("ETag of the source is %s: %w", got, store.ErrPrecondition)
	}
	c := condition{o.IfNoneMatch, o.IfMatch}
	if dst == src && c == (condition{}) {
		c.match = o.SourceETag // a write that comes between must not be undone
	}
	tags, err := s.readTags(src, from.etag)
	if err == nil {
		err = s.overtaken(dst, c)
	}
	if err != nil {
		return store.Object{}, err
	}
	h := header{size: from.size, modified: s.now().UTC(), etag: newETag(), key: dst, metadata: o.Metadata, aligned: from.aligned}
	fill := func(to *os.File) error { return classify(copyFile(ctx, to, h.length(), f, from)) }
	err = s.write(h, fill, func(tmp string) error {
		return s.publish(ctx, tmp, dst, c, s.tagging(ctx, dst, h.etag, tags))
	})
	return h.object(), err
}

// current reports whether a version is the one that there is.
func current(version string) bool { return version == "" || version == store.NullVersion }

// tagging returns what sets the tags of an object that is about to appear under
// key, beside those of the one that it replaces: whichever is there after a
// crash has its own. Nil if there are none to set.
func (s *Store) tagging(ctx context.Context, key string, etag [16]byte, tags []store.Tag) func() error {
	if len(tags) == 0 {
		return nil
	}
	return func() error {
		sets := []tagSet{{etag, tags}}
		f, old, err := s.openObject(ctx, key)
		switch {
		case errors.Is(err, store.ErrNotFound) || isDamaged(err):
			return s.writeTags(key, sets) // nothing there that has tags
		case err != nil:
			return err
		}
		kept, err := s.readTags(key, old.etag)
		if len(kept) > 0 {
			sets = append(sets, tagSet{old.etag, kept})
		}
		if err = errors.Join(err, f.Close()); err != nil && !isDamaged(err) {
			return err
		}
		return s.writeTags(key, sets)
	}
}
