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

// List implements store.Store.
//
// The request is made here, since the client library's own listing takes no
// context.
func (s *Store) List(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	if err := ctx.Err(); err != nil {
		return store.ListPage{}, fmt.Errorf("listing %q: %w", o.Prefix, err)
	}
	if len(o.Prefix) > store.MaxKey || !possible(o.Prefix) {
		return store.ListPage{}, nil // no key that could be stored starts so
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.c.Timeout, errSlow)
	defer cancel()
	var page store.ListPage
	err := retry(ctx, func(ctx context.Context) (err error) {
		page, err = s.listPage(ctx, o)
		return err
	})
	if err != nil {
		return store.ListPage{}, fmt.Errorf("listing %q: %w", o.Prefix, err)
	}
	return page, nil
}

// maxAsks bounds how often one page is asked for: a backend may answer with
// fewer entries than there are, even none, and say that there are more.
const maxAsks = 100

// listPage asks until the page is full and more is known to follow, or there
// are no more.
func (s *Store) listPage(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	var names []name
	rest, token, stuck := o, "", false
	if o.Delimiter != "/" {
		rest.Delimiter = "" // grouped here: MinIO knows no other
	}
	for range maxAsks {
		if rest.Max = o.Limit() + 1 - len(names); stuck {
			rest.Max = store.MaxList
		}
		answer, err := s.listOnce(ctx, rest, token)
		if err != nil {
			return store.ListPage{}, err
		}
		found, err := answer.names(rest)
		if err != nil {
			return store.ListPage{}, err
		}
		names = group(append(names, found...), o)
		// The end is believed of a page that has room left: MinIO tells it of
		// full ones, too, with keys still to come.
		last := !answer.IsTruncated && answer.entries() < min(rest.Max, store.MaxList)
		// That more follows is believed of the largest page, which has no room for
		// an entry more: asking for that would be every second call of a listing.
		full := answer.IsTruncated && len(names) == store.MaxList && o.Delimiter == ""
		if last || full || len(names) > o.Limit() {
			page := pageOf(names, o)
			if full {
				page.More, page.Next = true, names[len(names)-1].name
			}
			return page, nil
		}
		token = ""
		switch {
		case len(found) > 0:
			rest.StartAfter, stuck = past(found[len(found)-1].name, names, rest), false
		case !answer.IsTruncated && !stuck:
			stuck = true // full of what lies before the start: a larger page reaches past it
		default:
			if token = answer.NextContinuationToken; token == "" {
				return store.ListPage{}, wrongAnswer("more, but not where")
			}
		}
	}
	return store.ListPage{}, wrongAnswer("no end of empty pages")
}

// group makes common prefixes of the keys that contain the delimiter, drops the
// repeated ones and those that StartAfter excludes.
func group(names []name, o store.ListOptions) []name {
	if o.Delimiter == "" {
		return names
	}
	grouped := names[:0]
	for _, n := range names {
		if head, _, found := strings.Cut(n.name[len(o.Prefix):], o.Delimiter); found {
			n = name{name: o.Prefix + head + o.Delimiter}
		}
		repeated := len(grouped) > 0 && grouped[len(grouped)-1].name == n.name
		if !repeated && n.name > o.StartAfter {
			grouped = append(grouped, n)
		}
	}
	return grouped
}

// past returns where to go on after the last key that was found: when that is
// in a common prefix made here, near the end of it.
func past(key string, names []name, rest store.ListOptions) string {
	if rest.Delimiter == "" && len(names) > 0 {
		if last := names[len(names)-1]; last.object == nil {
			return max(key, last.name+"\U0010ffff")
		}
	}
	return key
}

// pageOf makes a page of at most the limit of the names.
func pageOf(names []name, o store.ListOptions) store.ListPage {
	var page store.ListPage
	if limit := o.Limit(); len(names) > limit {
		names = names[:limit]
		page.More, page.Next = true, names[limit-1].name
	}
	for _, n := range names {
		if n.object == nil {
			page.Prefixes = append(page.Prefixes, n.name)
		} else {
			page.Objects = append(page.Objects, *n.object)
		}
	}
	return page
}

// listing is the answer to ListObjectsV2, as far as it is used.
type listing struct {
	XMLName      xml.Name `xml:"ListBucketResult"`
	EncodingType string
	IsTruncated  bool
	// NextContinuationToken is used only to get past an empty page.
	NextContinuationToken string
	Contents              []struct {
		Key, ETag    string
		LastModified time.Time
		Size         int64
	}
	CommonPrefixes []struct{ Prefix string }
}

// entries is how many there are, those that nobody asked for among them.
func (l *listing) entries() int { return len(l.Contents) + len(l.CommonPrefixes) }

func (s *Store) listOnce(ctx context.Context, o store.ListOptions, token string) (*listing, error) {
	q := url.Values{
		"list-type": {"2"}, "encoding-type": {"url"}, "prefix": {o.Prefix},
		"max-keys": {strconv.Itoa(min(o.Max, store.MaxList))},
	}
	if o.Delimiter != "" {
		q.Set("delimiter", o.Delimiter)
	}
	if o.StartAfter != "" {
		q.Set("start-after", speakable(o.StartAfter))
	}
	if token != "" {
		q.Set("continuation-token", token)
	}
	answer := new(listing)
	return answer, s.ask(ctx, call{method: http.MethodGet, query: q}, answer)
}

// speakable returns a start that every server takes, at after or just before
// it: MinIO refuses one with a segment of dots. What comes too early is dropped
// when the answer is read.
func speakable(after string) string {
	const last = "\U0010ffff"
	start := 0
	for seg := range strings.SplitSeq(after, "/") {
		switch seg {
		case ".":
			return after[:start] + "-" + last
		case "..":
			return after[:start] + ".-" + last
		}
		start += len(seg) + 1
	}
	return after
}

// names is the answer held against the question: names that were not asked for
// would be taken for the truth by who pages through them. The common prefix that
// StartAfter lies in is given by some backends and not by others.
func (l *listing) names(o store.ListOptions) ([]name, error) {
	names, err := l.decode()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n name) bool { return n.name <= o.StartAfter })
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

// decode undoes the URL encoding and merges both kinds into one order.
func (l *listing) decode() ([]name, error) {
	plain := func(s string) (string, error) { return s, nil }
	if l.EncodingType == "url" {
		plain = url.QueryUnescape
	}
	names := make([]name, 0, len(l.Contents)+len(l.CommonPrefixes))
	for _, c := range l.Contents {
		key, err := plain(c.Key)
		if err != nil {
			return nil, wrongAnswer("a name that does not decode")
		}
		etag := strings.Trim(c.ETag, `"`)
		names = append(names, name{key, &store.Object{Key: key, Size: c.Size, ETag: etag, LastModified: c.LastModified.UTC()}})
	}
	for _, c := range l.CommonPrefixes {
		prefix, err := plain(c.Prefix)
		if err != nil {
			return nil, wrongAnswer("a name that does not decode")
		}
		names = append(names, name{name: prefix})
	}
	slices.SortFunc(names, func(a, b name) int { return cmp.Compare(a.name, b.name) })
	return names, nil
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
