// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

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
		last := !answer.truncated && answer.entries() < min(rest.Max, store.MaxList)
		// That more follows is believed of the largest page, which has no room for
		// an entry more: asking for that would be every second call of a listing.
		full := answer.truncated && len(names) == store.MaxList && o.Delimiter == ""
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
		case !answer.truncated && !stuck:
			stuck = true // full of what lies before the start: a larger page reaches past it
		default:
			if token = answer.token; token == "" {
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
	page.Objects = make([]store.Object, 0, len(names))
	for _, n := range names {
		if n.object == nil {
			page.Prefixes = append(page.Prefixes, n.name)
		} else {
			page.Objects = append(page.Objects, *n.object)
		}
	}
	return page
}

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
	doc, err := s.document(ctx, q)
	if err != nil {
		return nil, err
	}
	return readListing(doc)
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
