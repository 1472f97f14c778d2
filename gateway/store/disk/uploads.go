// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sealgate/sealgate/gateway/store"
)

const (
	uploadsDir   = ".uploads"
	uploadRecord = "record"
	// uploadName is the length of the name of an upload: rand.Text.
	uploadName = 26
	// forgotten is how long nothing was added to an upload that Open removes.
	// It is far beyond the life of any upload's name outside of this package.
	forgotten = 30 * 24 * time.Hour
)

func uploadPath(upload string) string { return uploadsDir + "/" + upload }

func partPath(upload string, number int) string {
	return fmt.Sprintf("%s/%05d", uploadPath(upload), number)
}

// partOf is what a part's header holds as metadata: a part that was moved to
// another upload or number is not taken for one of there.
func partOf(upload string, number int) string { return fmt.Sprintf("%s/%05d", upload, number) }

// validUpload reports whether CreateMultipart could have returned this name. No
// other one becomes a path.
func validUpload(upload string) bool {
	if len(upload) != uploadName {
		return false
	}
	for i := range len(upload) {
		if c := upload[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// readUpload reads the record of an upload. ErrNoUpload if there is none of
// this name under this key.
func (s *Store) readUpload(key, upload string) (header, error) {
	if !validUpload(upload) {
		return header{}, store.ErrNoUpload
	}
	f, h, err := openFile(s.root, uploadPath(upload)+"/"+uploadRecord)
	if absent(err) {
		return header{}, store.ErrNoUpload
	}
	if err != nil {
		return header{}, classify(err)
	}
	if h.key != key {
		return header{}, errors.Join(store.ErrNoUpload, f.Close())
	}
	return h, f.Close()
}

// openPart opens a part. What is there but is not this part is store.ErrPart,
// and store.ErrDamaged: the client can send it again.
func (s *Store) openPart(key, upload string, p store.PartTag) (*os.File, header, error) {
	f, h, err := openFile(s.root, partPath(upload, p.Number))
	if absent(err) {
		return nil, header{}, fmt.Errorf("part %d is not there: %w", p.Number, store.ErrPart)
	}
	if err == nil && (h.key != key || h.metadata != partOf(upload, p.Number)) {
		err = errors.Join(damaged("part %d is one of another upload", p.Number), f.Close())
	}
	if isDamaged(err) {
		return nil, header{}, fmt.Errorf("part %d: %w (%w)", p.Number, store.ErrPart, err)
	}
	if err != nil {
		return nil, header{}, classify(err)
	}
	if h.object().ETag != p.ETag {
		return nil, header{}, errors.Join(fmt.Errorf("part %d has another tag: %w", p.Number, store.ErrPart), f.Close())
	}
	return f, h, nil
}

// openUploads makes .uploads, and removes the uploads that nobody can name any
// more: their names were lost between their making and whoever asked for it.
func (s *Store) openUploads() error {
	if err := s.root.Mkdir(uploadsDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := isDir(s.root, uploadsDir); err != nil {
		return err
	}
	if err := s.syncDir("."); err != nil {
		return err
	}
	entries, err := fs.ReadDir(s.root.FS(), uploadsDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && validUpload(e.Name()) && s.now().Sub(info.ModTime()) > forgotten {
			err = s.drop(e.Name())
		}
		if err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

// uploads says who uses which upload. The parts of one are given their names
// side by side; who completes or aborts it is alone with it.
type uploads struct {
	mu   sync.Mutex // guards all below
	used map[string]*claim
}

type claim struct {
	sem   *semaphore.Weighted
	users int // that hold it or wait for it
}

// alone is the weight of a claim that tolerates no other.
const alone = 1 << 30

// take waits until the upload can be used with this weight.
func (u *uploads) take(ctx context.Context, upload string, weight int64) (release func(), err error) {
	u.mu.Lock()
	c := u.used[upload]
	if c == nil {
		c = &claim{sem: semaphore.NewWeighted(alone)}
		if u.used == nil {
			u.used = make(map[string]*claim)
		}
		u.used[upload] = c
	}
	c.users++
	u.mu.Unlock()
	if err := c.sem.Acquire(ctx, weight); err != nil {
		u.leave(upload, c)
		return nil, err
	}
	return func() { c.sem.Release(weight); u.leave(upload, c) }, nil
}

func (u *uploads) leave(upload string, c *claim) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c.users--; c.users == 0 {
		delete(u.used, upload)
	}
}
