// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/store"
)

// document asks for a list and returns the answer as it came.
func (s *Store) document(ctx context.Context, q url.Values) (string, error) {
	resp, err := s.begin(ctx, call{method: http.MethodGet, query: q})
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	var doc strings.Builder
	doc.Grow(int(min(max(resp.ContentLength, 0), maxAnswerBytes)))
	if _, err := io.Copy(&doc, resp.Body); err != nil {
		return "", err
	}
	return doc.String(), nil
}

// maxEntries bounds what is kept of an answer before it is held against the
// question: some servers give more than was asked for of what is then left out.
const maxEntries = 2 * store.MaxList

// listing is the answer to ListObjectsV2, as far as it is used.
type listing struct {
	truncated bool
	token     string // used only to get past an empty page
	objects   []store.Object
	prefixes  []string
}

// entries is how many there are, those that nobody asked for among them.
func (l *listing) entries() int { return len(l.objects) + len(l.prefixes) }

// readListing reads an answer. The names in it are decoded when all of it is
// known: what they are encoded in may stand behind them.
func readListing(doc string) (*listing, error) {
	fields := [...]field{{name: "EncodingType"}, {name: "IsTruncated", text: absentFlag}, {name: "NextContinuationToken"}}
	s := scan(doc, "ListBucketResult")
	l := listing{objects: make([]store.Object, 0, min(strings.Count(doc, "<Contents>"), maxEntries))}
	for s.next() {
		if l.entries() == maxEntries {
			return nil, wrongAnswer("too many entries")
		}
		switch s.name() {
		case "Contents":
			l.objects = append(l.objects, s.object())
		case "CommonPrefixes":
			l.prefixes = append(l.prefixes, s.prefix())
		default:
			s.into(fields[:])
		}
	}
	l.truncated, l.token = s.flag(fields[1].text), fields[2].text
	if err := s.end(); err != nil {
		return nil, err
	}
	return &l, l.decode(fields[0].text)
}

func (s *scanner) object() store.Object {
	f := [...]field{{name: "Key"}, {name: "ETag"}, {name: "LastModified", text: absentTime}, {name: "Size", text: absentSize}}
	s.record(f[:])
	return store.Object{Key: f[0].text, ETag: s.tag(f[1].text), LastModified: s.time(f[2].text), Size: s.size(f[3].text)}
}

func (s *scanner) prefix() string {
	f := [...]field{{name: "Prefix"}}
	s.record(f[:])
	return f[0].text
}

// decode undoes the encoding of names.
func (l *listing) decode(encoding string) (err error) {
	for i := range l.objects {
		if l.objects[i].Key, err = plainName(l.objects[i].Key, encoding); err != nil {
			return err
		}
	}
	return plainNames(l.prefixes, encoding)
}

func plainNames(names []string, encoding string) (err error) {
	for i := range names {
		if names[i], err = plainName(names[i], encoding); err != nil {
			return err
		}
	}
	return nil
}

// plainName undoes the encoding of a name. It keeps none of the document that
// the name is from in memory.
func plainName(name, encoding string) (string, error) {
	if encoding == "url" {
		decoded, err := url.QueryUnescape(name)
		if err != nil {
			return "", wrongAnswer("a name that does not decode")
		}
		name = decoded
	}
	return strings.Clone(name), nil
}

// names is the answer held against the question: names that were not asked for
// would be taken for the truth by who pages through them. The common prefix that
// StartAfter lies in is given by some backends and not by others.
func (l *listing) names(o store.ListOptions) ([]name, error) {
	names := slices.DeleteFunc(l.sorted(), func(n name) bool { return n.name <= o.StartAfter })
	if len(names) > min(o.Max, store.MaxList) {
		return nil, wrongAnswer("too many entries")
	}
	return names, check(names, o)
}

// name is one entry: an object, or a common prefix if object is nil.
type name struct {
	name   string
	object *store.Object
}

// sorted merges both kinds into one order.
func (l *listing) sorted() []name {
	names := make([]name, 0, l.entries())
	for i := range l.objects {
		names = append(names, name{l.objects[i].Key, &l.objects[i]})
	}
	for _, prefix := range l.prefixes {
		names = append(names, name{name: prefix})
	}
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.name, b.name) })
	return names
}

// check refuses entries that are no answer to the question.
func check(names []name, o store.ListOptions) error {
	for i, n := range names {
		rest, ok := strings.CutPrefix(n.name, o.Prefix)
		grouped := o.Delimiter != "" && strings.Contains(rest, o.Delimiter)
		if !ok || i > 0 && names[i-1].name == n.name {
			return wrongAnswer("a name that was not asked for")
		}
		if grouped == (n.object != nil) || n.object != nil && (n.object.Size < 0 || n.object.ETag == "") {
			return wrongAnswer("an entry of the wrong sort")
		}
	}
	return nil
}
