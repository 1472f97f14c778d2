// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	return s.GetVersion(ctx, key, "", o)
}

// GetVersion implements store.Versioner.
func (s *Store) GetVersion(ctx context.Context, key, version string, o store.GetOptions) (*store.Reader, error) {
	r, err := s.get(ctx, key, version, o)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", key, err)
	}
	return r, nil
}

func (s *Store) get(ctx context.Context, key, version string, o store.GetOptions) (_ *store.Reader, err error) {
	if err := errors.Join(checkKey(key), checkVersion(version), ctx.Err()); err != nil {
		return nil, err
	}
	c := call{method: http.MethodGet, key: key}
	if c.header, err = getHeader(o); err != nil {
		return nil, err
	}
	if version != "" {
		c.query = url.Values{"versionId": {version}}
	}
	within, cancel := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			cancel(nil)
		}
	}()
	slow := time.AfterFunc(s.c.Timeout, func() { cancel(errSlow) })
	defer slow.Stop()
	var r *store.Reader
	err = retry(within, func(ctx context.Context) error {
		resp, err := s.begin(ctx, c)
		if err != nil {
			return ofVersion(err, version)
		}
		if r, err = newReader(key, o, resp); err == nil {
			err = sameVersion(&r.Object, version)
		}
		if err != nil {
			return errors.Join(err, resp.Body.Close())
		}
		r.ReadCloser = &download{ctx: within, cancel: cancel, body: resp.Body, left: r.Len, pace: newPace(s.c.StallTimeout, cancel)}
		return nil
	})
	return r, err
}

// getHeader asks for a range, except for one that is the whole object: that
// would be refused by an empty one.
func getHeader(o store.GetOptions) (map[string]string, error) {
	h := map[string]string{}
	switch {
	case o.Off < 0:
		h["Range"] = fmt.Sprintf("bytes=%d", o.Off)
	case o.Len == 0:
		return nil, fmt.Errorf("range of no bytes: %w", store.ErrRange)
	case o.Len > 0:
		// The end is cut to what a header can hold and any object is below.
		h["Range"] = fmt.Sprintf("bytes=%d-%d", o.Off, o.Off+min(o.Len, 1<<62-o.Off)-1)
	case o.Off > 0:
		h["Range"] = fmt.Sprintf("bytes=%d-", o.Off)
	}
	if o.IfMatch != "" {
		h["If-Match"] = `"` + o.IfMatch + `"`
	}
	return h, nil
}

// newReader holds the answer against the question: the range must be the one
// that was asked for, of an object of the size that it says.
func newReader(key string, o store.GetOptions, resp *http.Response) (*store.Reader, error) {
	modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if err != nil {
		return nil, wrongAnswer("no time of the last change")
	}
	obj, err := describe(key, minio.ObjectInfo{
		Size: resp.ContentLength, ETag: etagOf(resp.Header), LastModified: modified, VersionID: resp.Header.Get("X-Amz-Version-Id"), Headers: resp.Header,
	})
	if err != nil {
		return nil, err
	}
	if o.IfMatch != "" && o.IfMatch != obj.ETag {
		return nil, wrongAnswer("another ETag")
	}
	text := resp.Header.Get("Content-Range")
	if o.Off == 0 && o.Len < 0 {
		if text != "" {
			return nil, wrongAnswer("a part of the object")
		}
		return &store.Reader{Object: obj, Len: obj.Size}, nil
	}
	if obj.Size == 0 {
		return nil, fmt.Errorf("range of an empty object: %w", store.ErrRange)
	}
	var first, last, total int64
	if n, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &total); n != 3 || err != nil {
		return nil, wrongAnswer("no range")
	}
	off, n, err := o.Resolve(total)
	if err != nil || off != first || off+n-1 != last || n != obj.Size || fmt.Sprintf("bytes %d-%d/%d", first, last, total) != text {
		return nil, wrongAnswer("another range")
	}
	obj.Size = total
	return &store.Reader{Object: obj, Off: off, Len: n}, nil
}

func wrongAnswer(what string) error {
	return fmt.Errorf("storage answered with %s: %w", what, store.ErrUnavailable)
}

// download is the body of one Get.
type download struct {
	ctx    context.Context // of this transfer, from its Get to its Close
	cancel context.CancelCauseFunc
	body   io.ReadCloser
	left   int64
	pace   *pace
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	d.pace.wait()
	n, err := d.body.Read(p[:min(int64(len(p)), d.left)])
	d.pace.moved(n)
	d.left -= int64(n)
	switch {
	case n > 0:
		return n, nil // an error comes again
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("%d bytes missing: %w (%w)", d.left, io.ErrUnexpectedEOF, store.ErrUnavailable)
	}
	return 0, classify(d.ctx, err)
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.pace.stop()
	d.cancel(nil)
	return d.body.Close()
}
