// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// Buckets makes and removes buckets while the gateway runs. What it has done
// is in the snapshot in force when it returns.
type Buckets interface {
	// Make makes a bucket, with a backend bucket of the same name and a keyring
	// of its own. store.ErrPrecondition: the name is taken by something that it
	// did not make; store.ErrKey: no bucket can have this name; store.ErrNoLock:
	// the backend cannot lock objects in it, as was asked.
	Make(ctx context.Context, name string, o store.BucketOptions) error
	// Remove removes a bucket that Make made. store.ErrPrecondition: objects of
	// clients are in it; ErrConfigured: the configuration names it;
	// store.ErrNotFound: there is none.
	Remove(ctx context.Context, name string) error
}

// ErrConfigured says that a bucket is one of the configuration: only that adds
// or removes it.
var ErrConfigured = errors.New("the bucket is one of the configuration")

// bucketTime bounds the making and removing of a bucket, which go on when the
// client is gone: half made is of use to nobody.
const bucketTime = time.Minute

// mapped says whether there is a bucket of this name.
func (x *exchange) mapped(name string) bool {
	_, ok := x.snap.Buckets[name]
	return ok
}

// decideCreate lets whoever has a grant in a bucket learn that it is there.
// Making one needs its own right, which only holds where buckets are made on
// demand.
func decideCreate(p *policy.Principal, x *exchange) policy.Decision {
	name := x.op.Resource().Bucket
	if x.mapped(name) || x.g.config.Buckets == nil {
		return p.DecideBucket(name)
	}
	return p.Decide(policy.Query{Verb: policy.VerbBucketCreate, Bucket: "gateway", Key: "buckets/" + name, Now: x.start})
}

func decideDelete(p *policy.Principal, x *exchange) policy.Decision {
	name := x.op.Resource().Bucket
	if x.g.config.Buckets == nil {
		return p.DecideBucket(name)
	}
	return p.Decide(policy.Query{Verb: policy.VerbBucketDelete, Bucket: "gateway", Key: "buckets/" + name, Now: x.start})
}

func (x *exchange) createBucket(op *s3api.CreateBucket, _ policy.Grant) error {
	if err := op.Check(x.body, region); err != nil {
		return err
	}
	switch {
	case x.mapped(op.Bucket):
		return s3api.BucketAlreadyOwnedByYou(op.Bucket)
	case x.g.config.Buckets == nil:
		return x.deny(policy.NoGrant, "", "create bucket "+op.Bucket)
	}
	if op.ObjectLock {
		x.event.Detail = map[string]string{"object_lock": "enabled"}
	}
	if err := x.begin(); err != nil {
		return err
	}
	how := store.BucketOptions{ObjectLock: op.ObjectLock}
	makeIt := func(ctx context.Context, name string) error { return x.g.config.Buckets.Make(ctx, name, how) }
	if err := x.changeBucket(makeIt, op.Bucket); err != nil {
		return bucketError(op.Bucket, "BucketAlreadyExists", err)
	}
	x.outcome.Status = http.StatusOK
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	h := x.w.Header()
	h.Set("Location", "/"+op.Bucket)
	h.Set("X-Amz-Bucket-Arn", "arn:aws:s3:::"+op.Bucket)
	x.w.WriteHeader(http.StatusOK)
	return nil
}

func (x *exchange) deleteBucket(op *s3api.DeleteBucket, _ policy.Grant) error {
	if x.g.config.Buckets == nil {
		return s3api.NotImplemented(op.Action())
	}
	if err := x.begin(); err != nil {
		return err
	}
	if err := x.changeBucket(x.g.config.Buckets.Remove, op.Bucket); err != nil {
		return bucketError(op.Bucket, "BucketNotEmpty", err)
	}
	x.outcome.Status = http.StatusNoContent
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *exchange) changeBucket(change func(context.Context, string) error, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), bucketTime)
	defer cancel()
	return change(ctx, name)
}

// bucketError says what is wrong with making or removing a bucket; conflict is
// the code where it cannot be as things stand.
func bucketError(name, conflict string, err error) error {
	switch {
	case errors.Is(err, store.ErrPrecondition):
		return s3api.NewError(conflict, "").Cause(err)
	case errors.Is(err, store.ErrKey):
		return s3api.NewError("InvalidBucketName", "").Cause(err)
	case errors.Is(err, store.ErrNotFound):
		return s3api.NoSuchBucket(name).Cause(err)
	case errors.Is(err, store.ErrNoLock):
		return s3api.NotImplemented("the header x-amz-bucket-object-lock-enabled, with the storage of this gateway,").Cause(err)
	case errors.Is(err, ErrConfigured):
		return s3api.NotImplemented("DeleteBucket of a bucket that the configuration names").Cause(err)
	}
	return err
}
