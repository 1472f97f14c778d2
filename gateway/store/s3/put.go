// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

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
	c := call{method: http.MethodPut, key: key, header: objectHeader(o.Metadata), framed: !o.Lock.IsZero()} // S3 demands a checksum beside a lock
	setLock(c.header, o.Lock)
	c.again = !setConditions(c.header, o.IfNoneMatch, o.IfMatch) && o.Lock.IsZero()
	exact := exactly(body, o.Size)
	header, err := s.transfer(ctx, c, exact, o.Size)
	if err != nil {
		return store.Object{}, s.lockedOut(ctx, key, "", o.Lock, conditional(err, o.IfMatch))
	}
	etag := etagOf(header)
	if etag == "" || !exact.Complete() {
		return store.Object{}, wrongAnswer("success before the whole body, or without an ETag")
	}
	return store.Object{
		Key: key, Size: o.Size, ETag: etag, Metadata: o.Metadata, VersionID: version(header.Get("X-Amz-Version-Id")), Lock: o.Lock,
	}, nil
}

// setConditions adds what a write depends on, and reports whether that is
// anything.
func setConditions(header map[string]string, noneMatch bool, match string) bool { //nolint:revive // both are conditions, not modes
	if noneMatch {
		header["If-None-Match"] = "*"
	}
	if match != "" {
		header["If-Match"] = `"` + match + `"`
	}
	return noneMatch || match != ""
}

// exactly returns the reader of a body of size bytes.
func exactly(body io.Reader, size int64) *store.Exact {
	exact := store.NewExact(body, size)
	if size == 0 {
		// No request body will be sent, but there must be none either.
		_, _ = exact.Read(make([]byte, 1)) // Err and Complete tell
	}
	return exact
}

// send makes the request that f sends a body with, again while the body has not
// begun. The body's own errors come before those of the backend.
func (s *Store) send(ctx context.Context, body *store.Exact, f func(context.Context, io.Reader) error) error {
	err := body.Err()
	if err == nil {
		err = s.sendOn(ctx, body, f)
	}
	return bodyFirst(body, err)
}

// bodyFirst puts what is wrong with a body before what that led to.
func bodyFirst(body *store.Exact, err error) error {
	if bad := body.Err(); bad != nil {
		return fmt.Errorf("reading the body: %w", bad)
	}
	return err
}

func (s *Store) sendOn(ctx context.Context, body *store.Exact, f func(context.Context, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return retry(ctx, func(ctx context.Context) error {
		up := &upload{body: body, pace: newPace(s.c.StallTimeout, cancel)}
		err := f(ctx, up)
		if begun := up.end(); begun && err != nil {
			return final{err}
		}
		return err
	})
}

// conditional makes "there is nothing to match" a condition that does not hold.
func conditional(err error, match string) error {
	if match != "" && errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("no object to match: %w", store.ErrPrecondition)
	}
	return err
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
