// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// ListVersions implements store.Versioner.
func (s *Store) ListVersions(ctx context.Context, o store.VersionListOptions) (store.VersionPage, error) {
	if err := ctx.Err(); err != nil {
		return store.VersionPage{}, fmt.Errorf("listing the versions of %q: %w", o.Prefix, err)
	}
	if len(o.Prefix) > store.MaxKey || !possible(o.Prefix) {
		return store.VersionPage{}, nil // no key that could be stored starts so
	}
	var page store.VersionPage
	err := within(ctx, s.c.Timeout, func(ctx context.Context) (err error) {
		page, err = s.versionPage(ctx, o)
		return err
	})
	if err != nil {
		return store.VersionPage{}, fmt.Errorf("listing the versions of %q: %w", o.Prefix, err)
	}
	return page, nil
}

// row is one entry: a version, or a common prefix if version is nil.
type row struct {
	name    string
	version *store.Version
}

// after is where a listing goes on: behind this version of this key, or behind
// all of its versions.
type after struct{ key, version string }

// versionPage asks until the page is full and one row more is known, or there
// are no more.
func (s *Store) versionPage(ctx context.Context, o store.VersionListOptions) (store.VersionPage, error) {
	limit := store.ListOptions{Max: o.Max}.Limit()
	at := after{o.KeyMarker, o.VersionMarker}
	if g := groupOf(o.KeyMarker, o); g != "" {
		at = behind(g)
	}
	var rows []row
	for range maxAsks {
		answer, err := s.versionsOnce(ctx, o, at, limit+1-len(rows))
		if err != nil {
			return store.VersionPage{}, err
		}
		found, err := answer.rows(o)
		if err != nil {
			return store.VersionPage{}, err
		}
		rows = gather(rows, found, o)
		if !answer.IsTruncated || len(rows) > limit {
			return versionPageOf(rows, limit), nil
		}
		next := after{answer.NextKeyMarker, answer.NextVersionIDMarker}
		if len(found) > 0 {
			next = found[len(found)-1].after(o)
		}
		if next.key < at.key || next == at {
			return store.VersionPage{}, wrongAnswer("more, but not where")
		}
		at = next
	}
	return store.VersionPage{}, wrongAnswer("no end of empty pages")
}

// groupOf returns the common prefix that a key is given as, "" for none.
func groupOf(key string, o store.VersionListOptions) string {
	rest, ok := strings.CutPrefix(key, o.Prefix)
	if !ok || o.Delimiter == "" {
		return ""
	}
	if head, _, found := strings.Cut(rest, o.Delimiter); found {
		return o.Prefix + head + o.Delimiter
	}
	return ""
}

// behind is the place after everything in a common prefix.
func behind(prefix string) after { return after{key: prefix + "\U0010ffff"} }

// after returns the place behind a row as the server gave it.
func (r row) after(o store.VersionListOptions) after {
	if g := groupOf(r.name, o); g != "" {
		return behind(g)
	}
	return after{r.name, r.version.VersionID}
}

// gather adds what was found, makes common prefixes of the keys that contain
// the delimiter, and drops repeated ones and what the marker excludes.
func gather(rows, found []row, o store.VersionListOptions) []row {
	for _, r := range found {
		if g := groupOf(r.name, o); g != "" {
			r = row{name: g}
			if len(rows) > 0 && rows[len(rows)-1].name == g || g == groupOf(o.KeyMarker, o) {
				continue
			}
		}
		if r.name < o.KeyMarker || r.name == o.KeyMarker && o.VersionMarker == "" {
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

func versionPageOf(rows []row, limit int) store.VersionPage {
	var page store.VersionPage
	if len(rows) > limit {
		rows = rows[:limit]
		last := rows[limit-1]
		page.More, page.NextKey = true, last.name
		if last.version != nil {
			page.NextVersion = last.version.VersionID
		}
	}
	for _, r := range rows {
		if r.version == nil {
			page.Prefixes = append(page.Prefixes, r.name)
		} else {
			page.Versions = append(page.Versions, *r.version)
		}
	}
	return page
}

// versionListing is the answer to ListObjectVersions, as far as it is used.
type versionListing struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	EncodingType        string
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string `xml:"NextVersionIdMarker"`
	CommonPrefixes      []struct{ Prefix string }
	// Rest holds versions and delete markers, whose order is one.
	Rest []versionElement `xml:",any"`
}

type versionElement struct {
	XMLName      xml.Name
	Key, ETag    string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified time.Time
	Size         int64
}

func (s *Store) versionsOnce(ctx context.Context, o store.VersionListOptions, at after, most int) (*versionListing, error) {
	q := url.Values{
		"versions": {""}, "encoding-type": {"url"}, "prefix": {o.Prefix},
		"max-keys": {strconv.Itoa(min(most, store.MaxList))},
	}
	if o.Delimiter == "/" { // others are grouped here: MinIO knows no other
		q.Set("delimiter", o.Delimiter)
	}
	if at.key != "" {
		q.Set("key-marker", speakable(at.key))
	}
	if at.version != "" {
		q.Set("version-id-marker", at.version)
	}
	answer := new(versionListing)
	return answer, s.ask(ctx, call{method: http.MethodGet, query: q}, answer)
}

// rows is the answer held against the question, in the order of the keys.
func (l *versionListing) rows(o store.VersionListOptions) ([]row, error) {
	plain := func(s string) (string, error) { return s, nil }
	if l.EncodingType == "url" {
		plain = url.QueryUnescape
	}
	var rows []row
	var failed error
	add := func(name string, v *store.Version) {
		name, err := plain(name)
		rest, ok := strings.CutPrefix(name, o.Prefix)
		grouped := o.Delimiter == "/" && strings.Contains(rest, "/")
		if err != nil || !ok || grouped == (v != nil) {
			failed = wrongAnswer("a name that was not asked for")
			return
		}
		if v != nil {
			v.Key = name
		}
		rows = append(rows, row{name, v})
	}
	for _, e := range l.Rest {
		if e.XMLName.Local != "Version" && e.XMLName.Local != "DeleteMarker" {
			continue
		}
		v := &store.Version{Latest: e.IsLatest, Marker: e.XMLName.Local == "DeleteMarker"}
		if e.Size < 0 || checkVersion(e.VersionID) != nil || !v.Marker && strings.Trim(e.ETag, `"`) == "" {
			return nil, wrongAnswer("a version that cannot be one")
		}
		v.VersionID, v.LastModified = cmp.Or(e.VersionID, store.NullVersion), e.LastModified.UTC()
		if !v.Marker {
			v.Size, v.ETag = e.Size, strings.Trim(e.ETag, `"`)
		}
		add(e.Key, v)
	}
	for _, p := range l.CommonPrefixes {
		add(p.Prefix, nil)
	}
	if failed == nil && len(rows) > store.MaxList {
		failed = wrongAnswer("too many entries")
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.name, b.name) })
	return rows, failed
}
