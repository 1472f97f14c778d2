// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// Put implements store.Store. A body that has begun is sent once: after a
// failure the caller decides, who alone can make it anew.
func (s *Store) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	obj, err := s.put(ctx, key, body, o)
	if err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	return obj, nil
}

func (s *Store) put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if err := errors.Join(checkKey(key), o.Check(), ctx.Err()); err != nil {
		return store.Object{}, err
	}
	exact := store.NewExact(body, o.Size)
	if o.Size == 0 {
		// No request body will be sent, but there must be none either.
		_, _ = exact.Read(make([]byte, 1)) // Err and Complete tell
	}
	info, err := s.send(ctx, key, exact, o)
	if bad := exact.Err(); bad != nil {
		return store.Object{}, fmt.Errorf("reading the body: %w", bad)
	}
	if err != nil {
		return store.Object{}, conditional(err, o)
	}
	if info.ETag == "" || !exact.Complete() {
		return store.Object{}, wrongAnswer("success before the whole body, or without an ETag")
	}
	return store.Object{
		Key: key, Size: o.Size, ETag: info.ETag, LastModified: info.LastModified,
		Metadata: o.Metadata, VersionID: version(info.VersionID),
	}, nil
}

// send makes the request, again while its body has not begun.
func (s *Store) send(ctx context.Context, key string, body *store.Exact, o store.PutOptions) (info minio.UploadInfo, err error) {
	if err := body.Err(); err != nil {
		return info, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = retry(ctx, func(ctx context.Context) error {
		up := &upload{body: body, pace: newPace(s.c.StallTimeout, cancel)}
		info, err = s.core.Client.PutObject(ctx, s.c.Bucket, key, up, o.Size, putOptions(o))
		if begun := up.end(); begun && err != nil {
			return final{err}
		}
		return err
	})
	return info, err
}

// conditional makes "there is nothing to match" a condition that does not hold.
func conditional(err error, o store.PutOptions) error {
	if o.IfMatch != "" && errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("no object to match: %w", store.ErrPrecondition)
	}
	return err
}

func putOptions(o store.PutOptions) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{ContentType: contentType, DisableMultipart: true}
	// The signed chunks of nothing are a body that some servers leave unread,
	// and take for the next request.
	opts.DisableContentSha256 = o.Size == 0
	if o.Metadata != "" {
		opts.UserMetadata = map[string]string{metadataName: o.Metadata}
	}
	if o.IfNoneMatch {
		opts.SetMatchETagExcept("*")
	}
	if o.IfMatch != "" {
		opts.SetMatchETag(o.IfMatch)
	}
	return opts
}

// errEnded is what the transport gets that still reads when its try is over.
var errEnded = errors.New("s3: the upload has ended")

// upload is the body of one try as the transport sees it. It is no seeker, so
// that nothing below sends it again, and it is taken from the transport when the
// try is over: a transport outlives an early answer, and would read on beside
// the next try, or after Put has returned.
type upload struct {
	pace *pace

	mu    sync.Mutex // guards all below; held while the body is read
	body  *store.Exact
	last  int // bytes given to the transport by the Read before
	begun bool
	ended bool
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return 0, errEnded
	}
	u.begun = true
	u.pace.moved(u.last)
	n, err := u.body.Read(p)
	if u.last = n; err == nil {
		u.pace.wait()
	} // else the transport's own limit holds, for the answer
	return n, err
}

// end takes the body from the transport, and reports whether it has begun.
func (u *upload) end() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	u.pace.stop()
	return u.begun
}
