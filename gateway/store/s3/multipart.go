// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// CreateMultipart implements store.Multiparter.
func (s *Store) CreateMultipart(ctx context.Context, key, metadata string) (string, error) {
	return s.CreateLocked(ctx, key, metadata, store.Lock{})
}

// CreateLocked implements store.Locker.
func (s *Store) CreateLocked(ctx context.Context, key, metadata string, lock store.Lock) (string, error) {
	if err := errors.Join(store.CheckMetadata(metadata), lock.Check()); err != nil {
		return "", fmt.Errorf("beginning an upload of %q: %w", key, err)
	}
	upload, err := s.create(ctx, key, metadata, nil, lock)
	return upload, s.lockedOut(ctx, key, "", lock, err)
}

// create begins an upload of an object with these tags and this lock. It is tried again only
// when the backend has answered: each one that succeeds makes an upload, and one
// that nobody knows the name of stays.
func (s *Store) create(ctx context.Context, key, metadata string, tags []store.Tag, lock store.Lock) (string, error) {
	var answer struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadID string   `xml:"UploadId"`
	}
	header := objectHeader(metadata)
	setLock(header, lock)
	if len(tags) > 0 {
		header["X-Amz-Tagging"] = tagQuery(tags)
	}
	err := s.retry(ctx, "beginning an upload of", key, func(ctx context.Context) error {
		err := s.ask(ctx, call{method: http.MethodPost, key: key, query: url.Values{"uploads": {""}}, header: header}, &answer)
		if _, answered := errors.AsType[minio.ErrorResponse](err); err != nil && !answered {
			return final{err}
		}
		return err
	})
	if err == nil && !validUpload(answer.UploadID) {
		err = fmt.Errorf("beginning an upload of %q: %w", key, wrongAnswer("no name of an upload"))
	}
	if err != nil {
		return "", err
	}
	return answer.UploadID, nil
}

// objectHeader is what every object is written with.
func objectHeader(metadata string) map[string]string {
	header := map[string]string{"Content-Type": contentType}
	if metadata != "" {
		header["X-Amz-Meta-"+metadataName] = metadata
	}
	return header
}

// validUpload reports whether a backend can have named an upload so. A name is a
// path to some of them: versitygw would take parts for "..", a place of its own.
func validUpload(upload string) bool {
	for seg := range strings.SplitSeq(upload, "/") {
		if seg == "" || seg == "." || seg == ".." {
			return false
		}
	}
	return len(upload) <= store.MaxUpload && !strings.ContainsFunc(upload, func(r rune) bool { return r <= ' ' || r > '~' })
}

// PutPart implements store.Multiparter. As with Put, a body that has begun is
// sent once.
func (s *Store) PutPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	etag, err := s.putPart(ctx, key, upload, number, body, size)
	if err != nil {
		return "", fmt.Errorf("writing part %d of %q: %w", number, key, err)
	}
	return etag, nil
}

func (s *Store) putPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	if err := errors.Join(checkKey(key), store.CheckPart(number, size), ctx.Err()); err != nil {
		return "", err
	}
	if !validUpload(upload) {
		return "", store.ErrNoUpload
	}
	exact := exactly(body, size)
	c := call{method: http.MethodPut, key: key, again: true, part: true, query: url.Values{"uploadId": {upload}, "partNumber": {strconv.Itoa(number)}}}
	header, err := s.transfer(ctx, c, exact, size)
	if err != nil {
		return "", absentUpload(err)
	}
	etag := etagOf(header)
	if etag == "" || !exact.Complete() {
		return "", wrongAnswer("success before the whole body, or without an ETag")
	}
	return etag, nil
}

// ofUpload makes what backends say of an upload whose name has another form than
// theirs what it means.
func ofUpload(err error) error {
	if e, ok := errors.AsType[minio.ErrorResponse](err); ok && e.Code == "XMinioInvalidResourceName" {
		return fmt.Errorf("%w (status %d, %.60q)", store.ErrNoUpload, e.StatusCode, e.Code)
	}
	return err
}

// absentUpload makes "no such object" what it means where there need be none.
func absentUpload(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w (%w)", store.ErrNoUpload, err)
	}
	return err
}

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

// complete asks once from the moment when the list has begun to be sent. What
// was done after that, only an answer tells: a second one might find no upload
// any more and be taken for the failure of the first.
func (s *Store) complete(
	ctx context.Context, key, upload string, parts []store.PartTag, o store.CompleteOptions,
) (store.Object, error) {
	if err := errors.Join(checkKey(key), o.Check(), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	if !validUpload(upload) {
		return store.Object{}, store.ErrNoUpload
	}
	if err := store.CheckParts(parts); err != nil {
		return store.Object{}, err
	}
	list := make([]minio.CompletePart, len(parts))
	for i, p := range parts {
		list[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.ETag}
	}
	var opts minio.PutObjectOptions
	if o.IfNoneMatch {
		opts.SetMatchETagExcept("*")
	}
	if o.IfMatch != "" {
		opts.SetMatchETag(o.IfMatch)
	}
	var info minio.UploadInfo
	err := within(ctx, s.c.LongTimeout, func(ctx context.Context) (err error) {
		t := &trip{long: true}
		info, err = s.core.CompleteMultipartUpload(t.in(ctx), s.c.Bucket, key, upload, list, opts)
		if err = ofUpload(err); err != nil && t.hasBegun() {
			return final{err}
		}
		return err
	})
	if err != nil {
		return store.Object{}, s.lockedOut(ctx, key, "", store.Lock{}, absentUpload(conditional(err, o.IfMatch)))
	}
	return s.completed(ctx, key, info)
}

// completed looks at what a Complete is said to have made. versitygw says so
// while another call is still at it, and of an upload that it does not know where
// there is just any object of this key.
func (s *Store) completed(ctx context.Context, key string, info minio.UploadInfo) (store.Object, error) {
	obj, err := s.HeadVersion(ctx, key, version(info.VersionID))
	if errors.Is(err, store.ErrNotFound) || err == nil && obj.ETag != info.ETag {
		err = wrongAnswer("a completed upload, but not with its object")
	}
	return obj, err
}

// AbortMultipart implements store.Multiparter.
func (s *Store) AbortMultipart(ctx context.Context, key, upload string) error {
	if !validUpload(upload) {
		return checkKey(key)
	}
	c := call{method: http.MethodDelete, key: key, query: url.Values{"uploadId": {upload}}}
	err := absentUpload(s.retry(ctx, "aborting an upload of", key, func(ctx context.Context) error {
		return ofUpload(s.ask(ctx, c, nil))
	}))
	if errors.Is(err, store.ErrNoUpload) {
		return nil
	}
	return err
}
