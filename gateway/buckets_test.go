// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

const bucketPolicy = `version: 1
trust_domain: acme.ai
identities: {maker: spiffe://acme.ai/maker, user: spiffe://acme.ai/user, wide: spiffe://acme.ai/wide}
roles:
  maker:
    who: [maker]
    can:
      - {do: [read, list, write, delete], paths: ["*/**"]}
      - {do: [bucket-create, bucket-delete], paths: ["gateway/buckets/**"]}
  wide: # every right in every bucket makes none
    who: [wide]
    can: [{do: [read, list, write, delete, tag], paths: ["*/**"]}]
  user:
    who: [user]
    can: [{do: [read], paths: ["data/**", "elsewhere/**"]}]
`

// maker makes buckets in memory.
type maker struct {
	w     *world
	err   error
	calls []string

	locked bool // asked for by the last Make
}

func (m *maker) Make(ctx context.Context, name string, o store.BucketOptions) error {
	m.calls = append(m.calls, "make "+name)
	m.locked = o.ObjectLock
	if _, limited := ctx.Deadline(); !limited {
		return errors.New("no deadline")
	}
	return m.err
}

func (m *maker) Remove(_ context.Context, name string) error {
	m.calls = append(m.calls, "remove "+name)
	return m.err
}

func TestBucketsAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: bucketPolicy})
	maker, user := w.client("/maker"), w.client("/user")
	for _, c := range []*http.Client{maker, user} {
		w.do(c, http.MethodPut, "/data", nil).want(t, 409, "BucketAlreadyOwnedByYou")
		w.do(c, http.MethodDelete, "/data", nil).want(t, 501, "NotImplemented")
		w.do(c, http.MethodPut, "/elsewhere", nil).want(t, 403, "AccessDenied")
	}
	w.do(user, http.MethodPut, "/plain", nil).want(t, 403, "AccessDenied")
	w.do(user, http.MethodDelete, "/plain", nil).want(t, 403, "AccessDenied")
	if n := w.store.Calls(storetest.Any); n != 0 {
		t.Errorf("%d calls to the store", n)
	}
}

func TestBucketsOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: bucketPolicy})
	m := &maker{w: w}
	w.g.config.Buckets = m
	c, user := w.client("/maker"), w.client("/user")
	r := w.do(c, http.MethodPut, "/new", nil)
	if r.status != 200 || r.header.Get("Location") != "/new" {
		t.Fatalf("got %d %v %s", r.status, r.header, r.body)
	}
	if rec := w.last(); rec.event.Event != "bucket.create" || rec.event.Bucket != "new" || !rec.event.AwaitOutcome || rec.outcome.Status != 200 {
		t.Errorf("recorded %+v", rec)
	}
	w.do(c, http.MethodPut, "/data", nil).want(t, 409, "BucketAlreadyOwnedByYou")
	w.do(user, http.MethodPut, "/new", nil).want(t, 403, "AccessDenied")
	w.do(user, http.MethodDelete, "/new", nil).want(t, 403, "AccessDenied")
	wide := w.client("/wide")
	w.do(wide, http.MethodPut, "/new", nil).want(t, 403, "AccessDenied")
	w.do(wide, http.MethodDelete, "/new", nil).want(t, 403, "AccessDenied")
	w.do(c, http.MethodDelete, "/new", nil).want(t, 204, "")
	if rec := w.last(); rec.event.Event != "bucket.delete" || rec.outcome.Status != 204 {
		t.Errorf("recorded %+v", rec)
	}
	w.do(c, http.MethodPut, "/x-y", []byte("<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>")).want(t, 400, "InvalidLocationConstraint")
	for _, tt := range []struct {
		err        error
		made       int
		makeCode   string
		removed    int
		removeCode string
	}{
		{store.ErrPrecondition, 409, "BucketAlreadyExists", 409, "BucketNotEmpty"},
		{store.ErrNoLock, 501, "NotImplemented", 501, "NotImplemented"},
		{store.ErrKey, 400, "InvalidBucketName", 400, "InvalidBucketName"},
		{store.ErrNotFound, 404, "NoSuchBucket", 404, "NoSuchBucket"},
		{ErrConfigured, 501, "NotImplemented", 501, "NotImplemented"},
		{store.ErrUnavailable, 503, "ServiceUnavailable", 503, "ServiceUnavailable"},
	} {
		m.err = tt.err
		w.do(c, http.MethodPut, "/new", nil).want(t, tt.made, tt.makeCode)
		w.do(c, http.MethodDelete, "/new", nil).want(t, tt.removed, tt.removeCode)
		if rec := w.last(); rec.outcome.S3Error != tt.removeCode {
			t.Errorf("recorded %+v", rec.outcome)
		}
	}
	calls := len(m.calls)
	w.rec.fail(recorderFault{begin: errors.New("closed")})
	w.do(c, http.MethodPut, "/new", nil).want(t, 503, "ServiceUnavailable")
	w.do(c, http.MethodDelete, "/new", nil).want(t, 503, "ServiceUnavailable")
	if len(m.calls) != calls {
		t.Errorf("without a record: %v", m.calls[calls:])
	}
}
