// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/gateway/store"
)

// Config of a Store.
type Config struct {
	// Dir is the directory of the bucket. It is made, 0700, if it is absent;
	// it must be empty or the directory of an earlier Store.
	Dir string
	// Persist, if not nil, is called with one of PersistPoints before each
	// step that makes a change durable. Tests crash in it.
	Persist func(point string)
}

// The steps that make a change durable, in the order of a Put, a Delete, an
// upload, and the setting of tags.
const (
	pointBody       = "disk.put.body"       // fsync of a complete temporary file
	pointDir        = "disk.put.mkdir"      // fsync of the directory that holds a new one
	pointPublish    = "disk.put.publish"    // link or rename to the object's name
	pointPutSync    = "disk.put.sync"       // fsync of the object's directory
	pointUnlink     = "disk.delete.unlink"  // removal of the object's name
	pointGoneSync   = "disk.delete.sync"    // fsync of the directory it was in
	pointRecord     = "disk.upload.record"  // fsync of a new upload's record
	pointUpload     = "disk.upload.publish" // rename of a new upload to its name
	pointUploadSync = "disk.upload.sync"    // fsync of the directory of uploads
	pointPart       = "disk.part.publish"   // rename of a part to its name
	pointPartSync   = "disk.part.sync"      // fsync of the upload's directory
	pointDrop       = "disk.upload.drop"    // removal of an upload's name
	pointDropSync   = "disk.upload.gone"    // fsync of the directory of uploads
	pointTags       = "disk.tags.publish"   // rename to, or removal of, the name of an object's tags
	pointTagsSync   = "disk.tags.sync"      // fsync of the object's directory
)

// PersistPoints are the names that Config.Persist is called with.
var PersistPoints = []string{
	pointBody, pointDir, pointPublish, pointPutSync, pointUnlink, pointGoneSync,
	pointRecord, pointUpload, pointUploadSync, pointPart, pointPartSync, pointDrop, pointDropSync,
	pointTags, pointTagsSync,
}

const (
	tmpDir     = ".tmp"
	formatFile = ".format"
	formatText = "sealgate disk store 1\n"
)

// Store is one bucket in one directory. It implements store.Store, and all
// that is optional but versions.
type Store struct {
	root    *os.Root
	lock    *os.File // the open .tmp, flocked shared while the store is open
	persist func(point string)
	now     func() time.Time

	// keys serializes the last step of writes to one key, so that a condition
	// still holds when the write takes effect. Keys that share a stripe wait
	// for each other and nothing else.
	seed maphash.Seed
	keys [256]sync.Mutex

	dirs    dirs
	uploads uploads
}

var (
	_ store.Multiparter = (*Store)(nil)
	_ store.Copier      = (*Store)(nil)
	_ store.Tagger      = (*Store)(nil)
)

// Open opens or makes the store in c.Dir and removes what a crash left in
// .tmp. It refuses a file system that folds case or normalizes Unicode, since
// two keys would be one file there, and a directory that holds other things.
func Open(c Config) (*Store, error) {
	s, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("opening disk store %s: %w", c.Dir, err)
	}
	return s, nil
}

func open(c Config) (_ *Store, err error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{root: root, persist: c.Persist, now: time.Now, seed: maphash.MakeSeed()}
	defer func() {
		if err != nil {
			_ = s.Close() // the error that led here is the one to tell
		}
	}()
	if s.persist == nil {
		s.persist = func(string) {}
	}
	if err := s.checkFormat(); err != nil {
		return nil, err
	}
	if err := s.openTemp(); err != nil {
		return nil, err
	}
	if err := refuseFolding(root); err != nil {
		return nil, err
	}
	if err := s.setFormat(); err != nil {
		return nil, err
	}
	return s, s.openUploads()
}

// Close releases the directory. Operations fail from then on; bodies that are
// being read can be read to their end.
func (s *Store) Close() error {
	var err error
	if s.lock != nil {
		// By name: a child that this process is just making has the file as well.
		err = errors.Join(flock(s.lock, unix.LOCK_UN), s.lock.Close())
	}
	return errors.Join(err, s.root.Close())
}

// checkFormat refuses a directory of another layout, or of something else:
// objects strewn into a home directory by a wrong path are hard to undo.
func (s *Store) checkFormat() error {
	text, err := s.root.ReadFile(formatFile)
	if err == nil && string(text) != formatText {
		return fmt.Errorf("%s is %.40q: made by another version or program", formatFile, text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != tmpDir && e.Name() != "lost+found" {
			return fmt.Errorf("directory is not empty and no store: it holds %q; name an empty one", e.Name())
		}
	}
	return nil
}

// setFormat names the layout, once everything else about the directory is
// known to be good.
func (s *Store) setFormat() error {
	if _, err := s.root.Lstat(formatFile); err == nil {
		return nil
	}
	f, err := s.root.OpenFile(tmpDir+"/format", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(formatText)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := s.root.Rename(tmpDir+"/format", formatFile); err != nil {
		return err
	}
	return s.syncDir(".")
}

// openTemp makes .tmp and empties it, unless another Store has it open: what
// lies there may then be a write in progress.
func (s *Store) openTemp() error {
	if err := s.root.Mkdir(tmpDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := isDir(s.root, tmpDir); err != nil {
		return err
	}
	f, err := s.root.Open(tmpDir)
	if err != nil {
		return err
	}
	s.lock = f
	if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil {
		if err := s.emptyTemp(); err != nil {
			return err
		}
	}
	return flock(f, unix.LOCK_SH)
}

func (s *Store) emptyTemp() error {
	names, err := s.lock.Readdirnames(-1)
	for _, name := range names {
		err = errors.Join(err, s.root.RemoveAll(tmpDir+"/"+name))
	}
	return err
}

// flock repeats the call when a signal interrupts it.
func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, key string) (store.Object, error) {
	f, h, err := s.openObject(ctx, key)
	if err != nil {
		return store.Object{}, fmt.Errorf("reading %q: %w", key, err)
	}
	return h.object(), f.Close()
}

// keyLock returns the lock of the stripe that key is in.
func (s *Store) keyLock(key string) *sync.Mutex {
	return &s.keys[maphash.String(s.seed, key)%uint64(len(s.keys))]
}

// newETag draws the tag of one write.
func newETag() (tag [16]byte) {
	_, _ = rand.Read(tag[:]) // never fails (crypto/rand)
	return tag
}
