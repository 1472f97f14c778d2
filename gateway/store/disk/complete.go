// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sealgate/sealgate/gateway/store"
)

// CompleteMultipart implements store.Multiparter.
func (s *Store) CompleteMultipart(
	ctx context.Context, key, upload string, parts []store.PartTag, o store.CompleteOptions,
) (store.Object, error) {
	obj, err := s.complete(ctx, key, upload, parts, o)
	if err != nil {
		return store.Object{}, fmt.Errorf("completing %q: %w", key, err)
	}
	return obj, nil
}

// complete puts the object together while nobody else uses the upload, and
// publishes it as a Put does. The parts stay as they are until then: a failure,
// or a crash, leaves the upload as it was.
func (s *Store) complete(
	ctx context.Context, key, upload string, parts []store.PartTag, o store.CompleteOptions,
) (store.Object, error) {
	if err := errors.Join(store.CheckKey(key), o.Check(), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	if !validUpload(upload) {
		return store.Object{}, store.ErrNoUpload
	}
	release, err := s.uploads.take(ctx, upload, alone)
	if err != nil {
		return store.Object{}, err
	}
	defer release()
	record, err := s.readUpload(key, upload)
	if err != nil {
		return store.Object{}, err
	}
	size, err := s.measure(ctx, key, upload, parts)
	if err != nil {
		return store.Object{}, err
	}
	c := condition{o.IfNoneMatch, o.IfMatch}
	if err := s.overtaken(key, c); err != nil {
		return store.Object{}, err
	}
	h := header{size: size, modified: s.now().UTC(), etag: newETag(), key: key, metadata: record.metadata, aligned: true}
	fill := func(f *os.File) error { return s.join(ctx, f, key, upload, parts) }
	err = s.write(h, fill, func(tmp string) error { return s.publish(ctx, tmp, key, c, nil) })
	if err != nil {
		return store.Object{}, err
	}
	return h.object(), s.drop(upload)
}

// measure holds the list against the parts that are there and returns the size
// of the object, before a byte of it is copied.
func (s *Store) measure(ctx context.Context, key, upload string, parts []store.PartTag) (size int64, err error) {
	if err := store.CheckParts(parts); err != nil {
		return 0, err
	}
	for _, p := range parts {
		f, h, err := s.openPart(key, upload, p)
		if err != nil {
			return 0, err
		}
		size += h.size
		if err := errors.Join(f.Close(), ctx.Err()); err != nil {
			return 0, classify(err)
		}
	}
	return size, nil
}

// join appends the bodies of the parts to f.
func (s *Store) join(ctx context.Context, f *os.File, key, upload string, parts []store.PartTag) error {
	at := int64(alignedHeader)
	for _, p := range parts {
		part, h, err := s.openPart(key, upload, p)
		if err != nil {
			return err
		}
		err = copyFile(ctx, f, at, part, h)
		if err = errors.Join(err, part.Close()); err != nil {
			return classify(err)
		}
		at += h.size
	}
	return nil
}

// copyStep is how much is copied before the context is looked at, and how much
// may wait for the device.
const copyStep = 64 << 20

// copyFile appends the body of one file to another, which is at bytes long. The
// system does the copying: through its own memory, or not at all where the file
// system lets files share blocks and the positions of both are multiples of one.
func copyFile(ctx context.Context, to *os.File, at int64, from *os.File, h header) error {
	if _, err := from.Seek(h.length(), io.SeekStart); err != nil {
		return err
	}
	for left := h.size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, min(left, copyStep))
		writeBack(to, at, n)
		at, left = at+n, left-n
		if errors.Is(err, io.EOF) {
			return damaged("%d bytes missing at the end of a file", left)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
