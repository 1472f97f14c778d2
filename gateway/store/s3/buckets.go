// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// Buckets makes and removes buckets at an endpoint. It implements
// store.BucketMaker.
type Buckets struct{ s *Store }

var _ store.BucketMaker = Buckets{}

// OpenBuckets checks the configuration, of which Bucket is not used. It does not
// connect.
func OpenBuckets(c Config) (Buckets, error) {
	s, err := open(c)
	if err != nil {
		return Buckets{}, fmt.Errorf("opening S3 endpoint %s: %w", c.Endpoint, err)
	}
	return Buckets{s}, nil
}

// MakeBucket implements store.BucketMaker. It asks once: a second answer to a
// first one that was lost would be that there is one. It looks first: AWS in
// us-east-1, and Ceph, answer that they made a bucket that its owner has
// already, and what lies in that one would be a stranger's.
func (b Buckets) MakeBucket(ctx context.Context, name string, o store.BucketOptions) error {
	err := b.ask(ctx, name, func(ctx context.Context) error {
		if there, err := b.s.core.BucketExists(ctx, name); err != nil || there {
			if e, ok := errors.AsType[minio.ErrorResponse](err); there || ok && e.StatusCode == http.StatusForbidden {
				return store.ErrPrecondition // there, whosever it is
			}
			return err
		}
		err := b.s.makeBucket(ctx, name, o)
		if e, ok := errors.AsType[minio.ErrorResponse](err); ok && o.ObjectLock && e.Code == "NotImplemented" {
			return store.ErrNoLock
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("making bucket %q: %w", name, err)
	}
	return nil
}

func (s *Store) makeBucket(ctx context.Context, name string, o store.BucketOptions) error {
	c := call{method: http.MethodPut, header: map[string]string{}}
	if o.ObjectLock {
		c.header["X-Amz-Bucket-Object-Lock-Enabled"] = "true"
	}
	if s.c.Region != defaultRegion { // which S3 does not take by its name
		var err error
		c.body, err = xml.Marshal(struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CreateBucketConfiguration"`
			Region  string   `xml:"LocationConstraint"`
		}{Region: s.c.Region})
		if err != nil {
			return err
		}
	}
	return s.of(name).ask(ctx, c, nil)
}

// of is s with another bucket.
func (s *Store) of(bucket string) *Store {
	other := *s
	other.c.Bucket = bucket
	return &other
}

// RemoveBucket implements store.BucketMaker. Only S3's own word says that there is
// no such bucket: a 404 of something that stands in between must never make a
// bucket with objects one that was removed.
func (b Buckets) RemoveBucket(ctx context.Context, name string) error {
	err := b.ask(ctx, name, func(ctx context.Context) error {
		err := b.s.of(name).ask(ctx, call{method: http.MethodDelete}, nil)
		switch e, ok := errors.AsType[minio.ErrorResponse](err); {
		case ok && e.Code == minio.NoSuchBucket:
			return store.ErrNotFound
		case ok && e.StatusCode == http.StatusNotFound:
			return wrongAnswer("404 that is not S3's")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("removing bucket %q: %w", name, err)
	}
	return nil
}

func (b Buckets) ask(ctx context.Context, name string, f func(context.Context) error) error {
	if err := errors.Join(store.CheckBucket(name), ctx.Err()); err != nil {
		return err
	}
	return within(ctx, b.s.c.Timeout, func(ctx context.Context) error {
		if err := f(ctx); err != nil {
			return final{err}
		}
		return nil
	})
}
