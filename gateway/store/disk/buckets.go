// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/gateway/store"
)

// Buckets makes and removes the directories of buckets. It implements
// store.BucketMaker.
type Buckets struct {
	// Dir is the directory that the buckets are in. It must exist.
	Dir string
}

var _ store.BucketMaker = Buckets{}

// MakeBucket implements store.BucketMaker.
func (b Buckets) MakeBucket(ctx context.Context, name string, o store.BucketOptions) error {
	err := errors.Join(store.CheckBucket(name), ctx.Err())
	if err == nil && o.ObjectLock {
		err = store.ErrNoLock
	}
	if err != nil {
		return fmt.Errorf("making bucket %q: %w", name, err)
	}
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return fmt.Errorf("making bucket %q: %w", name, classify(err))
	}
	err = root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = store.ErrPrecondition
	}
	if err == nil {
		err = syncRoot(root)
	}
	if err = errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("making bucket %q: %w", name, classify(err))
	}
	return nil
}

// RemoveBucket implements store.BucketMaker. A bucket that a Store has open is
// store.ErrUnavailable: it has to be closed first.
func (b Buckets) RemoveBucket(ctx context.Context, name string) error {
	err := errors.Join(store.CheckBucket(name), ctx.Err())
	if err == nil {
		err = b.remove(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("removing bucket %q: %w", name, err)
	}
	return nil
}

// remove looks into the bucket while nobody else can open it and takes it away
// by one rename. Only then is anything in it removed.
func (b Buckets) remove(ctx context.Context, name string) (err error) {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if _, err := root.Lstat(name); absent(err) {
		return store.ErrNotFound
	}
	s, err := Open(Config{Dir: filepath.Join(b.Dir, name)})
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := flock(s.lock, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("the bucket is in use: %w (%w)", store.ErrUnavailable, err)
	}
	page, err := s.List(ctx, store.ListOptions{Max: 1})
	if err != nil {
		return err
	}
	uploads, err := fs.ReadDir(s.root.FS(), uploadsDir)
	if err != nil {
		return classify(err)
	}
	if len(page.Objects) > 0 || len(uploads) > 0 {
		return fmt.Errorf("it is not empty: %w", store.ErrPrecondition)
	}
	gone := ".removed-" + rand.Text() // no bucket's name
	if err := root.Rename(name, gone); err != nil {
		return classify(err)
	}
	if err := syncRoot(root); err != nil {
		return classify(err)
	}
	return classify(root.RemoveAll(gone))
}
