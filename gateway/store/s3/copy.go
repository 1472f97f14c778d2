// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/gateway/store"
)

const (
	// copyPart is how much one request copies of an object that is copied in
	// parts, in bytes: enough that its price in requests is small, and little
	// enough that one answer does not take long.
	copyPart = 1 << 30
	// copiesAtOnce is how many parts of one copy are under way.
	copiesAtOnce = 4
)

// Copy implements store.Copier.
//
// Servers do not look at conditions on the destination of a CopyObject. A copy
// that has one is made as an upload of a single part, whose completion they
// decide.
func (s *Store) Copy(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error) {
	obj, err := s.copy(ctx, dst, src, o)
	if err != nil {
		return store.Object{}, fmt.Errorf("copying %q to %q: %w", src, dst, err)
	}
	return obj, nil
}

func (s *Store) copy(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error) {
	if err := errors.Join(checkKey(dst), checkKey(src), o.Check(), checkVersion(o.SourceVersion), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	from, err := s.HeadVersion(ctx, src, o.SourceVersion)
	if err != nil {
		return store.Object{}, err
	}
	if from.ETag != o.SourceETag {
		return store.Object{}, fmt.Errorf("ETag of the source is %s: %w", from.ETag, store.ErrPrecondition)
	}
	var obj store.Object
	if from.Size > s.c.CopyLimit || o.IfNoneMatch || o.IfMatch != "" {
		obj, err = s.copyInParts(ctx, dst, src, from.Size, o)
	} else {
		obj, err = s.copyWhole(ctx, dst, src, o)
	}
	obj.Key, obj.Size, obj.Metadata = dst, from.Size, o.Metadata
	return obj, s.lockedOut(ctx, dst, "", o.Lock, err)
}

// sourceHeader is what every request that copies says about the source.
func (s *Store) sourceHeader(src string, o store.CopyOptions) map[string]string {
	source := s3utils.EncodePath(s.c.Bucket + "/" + src)
	if o.SourceVersion != "" {
		source += "?versionId=" + url.QueryEscape(o.SourceVersion)
	}
	return map[string]string{"X-Amz-Copy-Source": source, "X-Amz-Copy-Source-If-Match": `"` + o.SourceETag + `"`}
}

// copyWhole copies by one request. It is made again after a lost answer: what
// it does twice is what it does once, except that an object that was copied
// onto itself may have another tag by then.
func (s *Store) copyWhole(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error) {
	header := s.sourceHeader(src, o)
	for name, value := range objectHeader(o.Metadata) {
		header[name] = value
	}
	setLock(header, o.Lock)
	header["X-Amz-Metadata-Directive"] = "REPLACE" // tags are copied
	var info minio.ObjectInfo
	var t *trip
	asked := 0
	err := within(ctx, s.c.LongTimeout, func(ctx context.Context) (err error) {
		t = &trip{long: true}
		asked++
		// The library's own header of the source comes after ours.
		from := minio.CopySrcOptions{VersionID: url.QueryEscape(o.SourceVersion)}
		info, err = s.core.CopyObject(t.in(ctx), s.c.Bucket, src, s.c.Bucket, dst, header, from, minio.PutObjectOptions{})
		return err
	})
	if dst == src && asked > 1 && errors.Is(err, store.ErrPrecondition) {
		err = fmt.Errorf("the answer to a copy was lost: %w", store.ErrUnavailable)
	}
	if err != nil {
		return store.Object{}, err
	}
	if info.ETag == "" {
		return store.Object{}, wrongAnswer("no ETag") // an error in an answer of success has none
	}
	return store.Object{ETag: info.ETag, LastModified: info.LastModified.UTC(), VersionID: version(t.get("X-Amz-Version-Id"))}, nil
}

// copyInParts copies by an upload of its own. Each request names the tag of the
// source: all parts are of one version of it, or there is no copy.
func (s *Store) copyInParts(
	ctx context.Context, dst, src string, size int64, o store.CopyOptions,
) (_ store.Object, err error) {
	c := store.CompleteOptions{IfNoneMatch: o.IfNoneMatch, IfMatch: o.IfMatch}
	if dst == src && c == (store.CompleteOptions{}) {
		c.IfMatch = o.SourceETag // a write that comes between must not be undone
	}
	tags, err := s.Tags(ctx, src, o.SourceVersion)
	if err != nil {
		return store.Object{}, err
	}
	upload, err := s.create(ctx, dst, o.Metadata, tags, o.Lock)
	if err != nil {
		return store.Object{}, err
	}
	defer func() {
		if err == nil {
			return
		}
		if errors.Is(err, store.ErrNoUpload) || errors.Is(err, store.ErrPart) {
			err = fmt.Errorf("%w: the upload of the copy was tampered with (%v)", store.ErrUnavailable, err) //nolint:errorlint // not of a kind that a copy has
		}
		// Detached: who gave up must not leave the parts behind.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, s.AbortMultipart(ctx, dst, upload))
	}()
	parts, err := s.copyParts(ctx, dst, src, upload, size, s.sourceHeader(src, o))
	if err != nil {
		return store.Object{}, s.whyNot(ctx, src, o, err)
	}
	return s.complete(ctx, dst, upload, parts, c)
}

// whyNot looks for the reason of a failure in the source: versitygw holds the
// range against the size of what is there now, before it looks at the tag.
func (s *Store) whyNot(ctx context.Context, src string, o store.CopyOptions, err error) error {
	if errors.Is(err, errRefused) || errors.Is(err, store.ErrRange) {
		if now, herr := s.HeadVersion(ctx, src, o.SourceVersion); herr == nil && now.ETag != o.SourceETag {
			return fmt.Errorf("ETag of the source became %s: %w", now.ETag, store.ErrPrecondition)
		}
	}
	return err
}

// copyParts copies the source, a few parts at a time.
func (s *Store) copyParts(ctx context.Context, dst, src, upload string, size int64, header map[string]string) ([]store.PartTag, error) {
	step := max(min(copyPart, s.c.CopyLimit), (size+store.MaxParts-1)/store.MaxParts)
	parts := make([]store.PartTag, max(1, (size+step-1)/step))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	for i := range parts {
		off := int64(i) * step
		n := min(step, size-off)
		if n == size {
			n = -1 // no range: an empty object has none
		}
		group.Go(func() error {
			return within(ctx, s.c.LongTimeout, func(ctx context.Context) error {
				t := &trip{long: true}
				part, err := s.core.CopyObjectPart(t.in(ctx), s.c.Bucket, src, s.c.Bucket, dst, upload, i+1, off, n, header)
				if err != nil {
					return err
				}
				parts[i] = store.PartTag{Number: i + 1, ETag: strings.Trim(part.ETag, `"`)}
				if parts[i].ETag == "" {
					return wrongAnswer("no ETag")
				}
				return nil
			})
		})
	}
	return parts, group.Wait()
}
