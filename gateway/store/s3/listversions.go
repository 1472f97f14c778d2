// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
		if !answer.truncated || len(rows) > limit {
			return versionPageOf(rows, limit), nil
		}
		next := answer.next
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
	truncated bool
	next      after
	versions  []store.Version // and delete markers, whose order is one
	prefixes  []string
}

// readVersions reads an answer.
func readVersions(doc string) (*versionListing, error) {
	fields := [...]field{{name: "EncodingType"}, {name: "IsTruncated", text: absentFlag}, {name: "NextKeyMarker"}, {name: "NextVersionIdMarker"}}
	s := scan(doc, "ListVersionsResult")
	var l versionListing
	for s.next() {
		if len(l.versions)+len(l.prefixes) == maxEntries {
			return nil, wrongAnswer("too many entries")
		}
		switch s.name() {
		case "Version", "DeleteMarker":
			l.versions = append(l.versions, s.version())
		case "CommonPrefixes":
			l.prefixes = append(l.prefixes, s.prefix())
		default:
			s.into(fields[:])
		}
	}
	l.truncated, l.next = s.flag(fields[1].text), after{fields[2].text, fields[3].text}
	if err := s.end(); err != nil {
		return nil, err
	}
	return &l, l.decode(fields[0].text)
}

func (s *scanner) version() store.Version {
	f := [...]field{
		{name: "Key"},
		{name: "ETag"},
		{name: "LastModified", text: absentTime},
		{name: "Size", text: absentSize},
		{name: "VersionId"},
		{name: "IsLatest", text: absentFlag},
	}
	v := store.Version{Marker: s.name() == "DeleteMarker"}
	s.record(f[:])
	v.Key, v.ETag, v.LastModified, v.Size = f[0].text, s.tag(f[1].text), s.time(f[2].text), s.size(f[3].text)
	v.VersionID, v.Latest = strings.Clone(f[4].text), s.flag(f[5].text)
	return v
}

// decode undoes the encoding of names.
func (l *versionListing) decode(encoding string) (err error) {
	for i := range l.versions {
		if l.versions[i].Key, err = plainName(l.versions[i].Key, encoding); err != nil {
			return err
		}
	}
	if l.next.key, err = plainName(l.next.key, encoding); err != nil {
		return err
	}
	return plainNames(l.prefixes, encoding)
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
	doc, err := s.document(ctx, q)
	if err != nil {
		return nil, err
	}
	return readVersions(doc)
}

// rows is the answer held against the question, in the order of the keys.
func (l *versionListing) rows(o store.VersionListOptions) ([]row, error) {
	rows := make([]row, 0, len(l.versions)+len(l.prefixes))
	for i := range l.versions {
		v := &l.versions[i]
		if v.Size < 0 || checkVersion(v.VersionID) != nil || !v.Marker && v.ETag == "" {
			return nil, wrongAnswer("a version that cannot be one")
		}
		if v.VersionID = cmp.Or(v.VersionID, store.NullVersion); v.Marker {
			v.Size, v.ETag = 0, ""
		}
		rows = append(rows, row{v.Key, v})
	}
	for _, prefix := range l.prefixes {
		rows = append(rows, row{prefix, nil})
	}
	for _, r := range rows {
		rest, ok := strings.CutPrefix(r.name, o.Prefix)
		grouped := o.Delimiter == "/" && strings.Contains(rest, "/")
		if !ok || grouped == (r.version != nil) {
			return nil, wrongAnswer("a name that was not asked for")
		}
	}
	if len(rows) > store.MaxList {
		return nil, wrongAnswer("too many entries")
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.name, b.name) })
	return rows, nil
}
