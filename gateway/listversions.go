// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// versionMarker is where a listing of versions goes on: after this version of
// this key, or after the key.
type versionMarker struct{ key, version string }

// versionPages is pages for a listing of versions: every version of a key is
// an entry of that name, the newest first. The walk over grants and prefixes
// is the same, so what may not be listed shows no version either.
func (l *lister) versionPages(ctx context.Context, o store.ListOptions) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		v := store.VersionListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter, KeyMarker: o.StartAfter, Max: listPage}
		if o.StartAfter == l.marker.key {
			v.VersionMarker = l.marker.version
		}
		for {
			page, err := l.versions.ListVersions(ctx, v)
			if err != nil {
				yield(listed{}, err)
				return
			}
			for _, e := range mergedVersions(page) {
				if e, ok := l.managed(e); ok && !yield(e, nil) {
					return
				}
			}
			if !page.More {
				return
			}
			v.KeyMarker, v.VersionMarker = page.NextKey, page.NextVersion
		}
	}
}

// mergedVersions gives the versions and prefixes of a page in byte order of
// their names, the versions of a key as they came.
func mergedVersions(p store.VersionPage) []listed {
	out := make([]listed, 0, len(p.Versions)+len(p.Prefixes))
	for _, v := range p.Versions {
		out = append(out, listed{name: v.Key, object: v.Object, latest: v.Latest, marker: v.Marker})
	}
	for _, prefix := range p.Prefixes {
		out = append(out, listed{name: prefix, prefix: true})
	}
	slices.SortStableFunc(out, func(a, b listed) int { return strings.Compare(a.name, b.name) })
	return out
}

func (x *exchange) listVersions(op *s3api.ListObjectVersions, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	l := &lister{store: rd.store, who: x.who, bucket: g.Bucket(), now: x.start, marker: versionMarker{op.KeyMarker, op.VersionMarker}}
	l.versions, _ = rd.versioner() // without: each object is its only version
	if l.versions == nil && op.VersionMarker != "" && op.VersionMarker != store.NullVersion {
		return badVersion(op.VersionMarker)
	}
	if err := x.begin(); err != nil {
		return err
	}
	page, err := x.versionPage(l, op)
	if err != nil {
		return err
	}
	x.g.config.Metrics.unmanaged.Add(float64(l.unmanaged))
	x.outcome.Listed = int64(len(page.Versions) + len(page.Prefixes))
	s3api.WriteVersions(x.w, op, page)
	return nil
}

// versionPage collects at most op.Max versions and prefixes.
func (x *exchange) versionPage(l *lister, op *s3api.ListObjectVersions) (s3api.VersionList, error) {
	var page s3api.VersionList
	if op.Max == 0 {
		return page, nil
	}
	count := 0
	for e, err := range l.entries(x.r.Context(), op.Prefix, op.Delimiter, op.KeyMarker) {
		switch {
		case err != nil:
			return page, err
		case count == op.Max:
			page.More = true
			return page, nil
		case e.prefix:
			page.Prefixes = append(page.Prefixes, e.name)
			page.NextKey, page.NextVersion = e.name, ""
		default:
			v := e.version()
			page.Versions = append(page.Versions, v)
			page.NextKey, page.NextVersion = v.Key, v.VersionID
		}
		count++
	}
	return page, nil
}

// version gives an entry as clients see it. An object of a store that keeps no
// versions is the null version of itself.
func (e listed) version() s3api.VersionListed {
	v := s3api.VersionListed{
		Key: e.name, VersionID: e.object.VersionID, Latest: e.latest, Marker: e.marker,
		Modified: e.object.LastModified, Size: e.object.Size,
	}
	if !e.marker {
		v.ETag = s3api.ETag(e.object.ETag)
	}
	if v.VersionID == "" {
		v.VersionID = store.NullVersion
	}
	return v
}
