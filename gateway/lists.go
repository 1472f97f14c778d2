// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

func (x *exchange) listObjects(op *s3api.ListObjects, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	scope := pageScope{Identity: x.caller.ID.String(), Bucket: g.Bucket(), Prefix: op.Prefix, Delimiter: op.Delimiter}
	after, err := x.goOnAfter(op, scope)
	if err != nil {
		return x.refuse(err)
	}
	if err := x.begin(); err != nil {
		return err
	}
	l := &lister{store: rd.store, who: x.who, bucket: g.Bucket(), now: x.start}
	if op.Delimiter == "" || op.Delimiter == "/" { // else many keys may be one line
		l.first = op.Max + 1
	}
	page, err := x.page(l, op, after)
	if err != nil {
		return err
	}
	x.g.config.Metrics.unmanaged.Add(float64(l.unmanaged))
	x.outcome.Listed = int64(len(page.Objects) + len(page.Prefixes))
	if page.More && op.Version == 2 {
		if page.Next, err = sealPage(pageBox(x.snap.Keys), scope, page.Next); err != nil {
			return err
		}
	}
	s3api.WriteList(x.w, op, page)
	return nil
}

// goOnAfter gives the name that the page begins behind.
func (x *exchange) goOnAfter(op *s3api.ListObjects, scope pageScope) (string, error) {
	if op.Token == "" {
		return max(op.StartAfter, op.Marker), nil // V2 has the one, V1 the other
	}
	after, err := openPage(pageBox(x.snap.Keys), scope, op.Token)
	if err != nil {
		return "", s3api.InvalidArgument("continuation-token", "", err.Error())
	}
	return after, nil
}

// page collects at most op.Max names.
func (x *exchange) page(l *lister, op *s3api.ListObjects, after string) (s3api.Listing, error) {
	var page s3api.Listing
	if op.Max == 0 {
		return page, nil
	}
	count := 0
	for e, err := range l.entries(x.r.Context(), op.Prefix, op.Delimiter, after) {
		switch {
		case err != nil:
			return page, err
		case count == op.Max:
			page.More = true
			return page, nil
		case e.prefix:
			page.Prefixes = append(page.Prefixes, e.name)
		default:
			page.Objects = append(page.Objects, s3api.Listed{
				Key: e.name, Size: e.object.Size, ETag: s3api.ETag(e.object.ETag), Modified: e.object.LastModified,
			})
		}
		page.Next = e.name
		if count++; count == op.Max && e.followed {
			page.More = true
			return page, nil
		}
	}
	return page, nil
}

func (x *exchange) headBucket(_ *s3api.HeadBucket, g policy.Grant) error {
	if err := x.inBucket(g); err != nil {
		return err
	}
	x.w.Header().Set("X-Amz-Bucket-Region", region)
	x.w.WriteHeader(http.StatusOK)
	return nil
}

func (x *exchange) bucketLocation(_ *s3api.GetBucketLocation, g policy.Grant) error {
	if err := x.inBucket(g); err != nil {
		return err
	}
	s3api.WriteLocation(x.w, region)
	return nil
}

// region is what clients are told; no part of Sealgate depends on one.
const region = "us-east-1"

func (x *exchange) inBucket(g policy.Grant) error {
	if _, ok := x.snap.Buckets[g.Bucket()]; !ok {
		return s3api.NoSuchBucket(g.Bucket())
	}
	return x.begin()
}

// listBuckets names the buckets in which the caller has a grant, and no
// other.
func (x *exchange) listBuckets(op *s3api.ListBuckets, _ policy.Grant) error {
	if err := x.begin(); err != nil {
		return err
	}
	var shown []s3api.Bucket
	for name, b := range x.snap.Buckets {
		if x.who.AnyGrant(name) {
			shown = append(shown, s3api.Bucket{Name: name, Created: b.Created})
		}
	}
	x.outcome.Listed = int64(len(shown))
	s3api.WriteBuckets(x.w, op, shown)
	return nil
}

// listedBelow is the prefix of a listing; false of what is none.
func listedBelow(op s3api.Op) (string, bool) {
	switch l := op.(type) {
	case *s3api.ListObjects:
		return l.Prefix, true
	case *s3api.ListObjectVersions:
		return l.Prefix, true
	case *s3api.ListMultipartUploads:
		return l.Prefix, true
	}
	return "", false
}
