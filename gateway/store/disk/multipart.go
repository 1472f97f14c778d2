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

	"github.com/sealgate/sealgate/gateway/store"
)

// CreateMultipart implements store.Multiparter.
func (s *Store) CreateMultipart(ctx context.Context, key, metadata string) (string, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckMetadata(metadata), ctx.Err()); err != nil {
		return "", fmt.Errorf("beginning an upload of %q: %w", key, err)
	}
	upload := rand.Text()
	if err := s.makeUpload(upload, header{modified: s.now().UTC(), key: key, metadata: metadata}); err != nil {
		return "", fmt.Errorf("beginning an upload of %q: %w", key, classify(err))
	}
	return upload, nil
}

// makeUpload makes the upload's directory with its record in .tmp and moves it
// to its place: there is no upload without a record, whatever a crash leaves.
func (s *Store) makeUpload(upload string, record header) error {
	tmp := tmpDir + "/" + rand.Text()
	if err := s.root.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer func() { _ = s.root.RemoveAll(tmp) }() // what is left over even so, the next Open removes
	f, err := s.root.OpenFile(tmp+"/"+uploadRecord, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(record.encode())
	s.persist(pointRecord)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := s.syncDir(tmp); err != nil {
		return err
	}
	s.persist(pointUpload)
	if err := s.root.Rename(tmp, uploadPath(upload)); err != nil {
		return err
	}
	s.persist(pointUploadSync)
	return s.syncDir(uploadsDir)
}

// PutPart implements store.Multiparter.
func (s *Store) PutPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	etag, err := s.putPart(ctx, key, upload, number, body, size)
	if err != nil {
		return "", fmt.Errorf("writing part %d of %q: %w", number, key, err)
	}
	return etag, nil
}

func (s *Store) putPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckPart(number, size), ctx.Err()); err != nil {
		return "", err
	}
	if _, err := s.readUpload(key, upload); err != nil {
		return "", err
	}
	h := header{size: size, modified: s.now().UTC(), etag: newETag(), key: key, metadata: partOf(upload, number), aligned: true}
	err := s.write(h, func(f *os.File) error { return readBody(ctx, f, body, size) }, func(tmp string) error {
		return s.publishPart(ctx, tmp, upload, number)
	})
	return h.object().ETag, err
}

// publishPart gives the finished part its name, unless the upload has gone.
func (s *Store) publishPart(ctx context.Context, tmp, upload string, number int) error {
	release, err := s.uploads.take(ctx, upload, 1)
	if err != nil {
		return err
	}
	defer release()
	s.persist(pointPart)
	err = s.root.Rename(tmp, partPath(upload, number))
	if errors.Is(err, fs.ErrNotExist) {
		return store.ErrNoUpload
	}
	if err != nil {
		return classify(err)
	}
	s.persist(pointPartSync)
	return classify(s.syncDir(uploadPath(upload)))
}

// AbortMultipart implements store.Multiparter.
func (s *Store) AbortMultipart(ctx context.Context, key, upload string) error {
	if err := errors.Join(store.CheckKey(key), s.abort(ctx, key, upload)); err != nil {
		return fmt.Errorf("aborting an upload of %q: %w", key, err)
	}
	return nil
}

func (s *Store) abort(ctx context.Context, key, upload string) error {
	if !validUpload(upload) {
		return ctx.Err()
	}
	release, err := s.uploads.take(ctx, upload, alone)
	if err != nil {
		return err
	}
	defer release()
	_, err = s.readUpload(key, upload)
	switch {
	case errors.Is(err, store.ErrNoUpload):
		// It may have gone a moment ago: that is made durable as well, or a
		// repeated call would promise what the first one did not reach.
		return classify(s.syncDir(uploadsDir))
	case err != nil && !isDamaged(err):
		return err
	}
	return s.drop(upload)
}

// drop takes an upload away, all of it at once, and then what it holds. Its
// claim is held, by nobody else.
func (s *Store) drop(upload string) error {
	tmp := tmpDir + "/" + rand.Text()
	s.persist(pointDrop)
	if err := s.root.Rename(uploadPath(upload), tmp); err != nil {
		return classify(err)
	}
	s.persist(pointDropSync)
	if err := s.syncDir(uploadsDir); err != nil {
		return classify(err)
	}
	_ = s.root.RemoveAll(tmp) // the next Open removes what is left
	return nil
}
