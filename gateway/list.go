// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// lister walks the keys of one bucket that one identity may list, in byte
// order. It asks the store only for prefixes below which a grant lies, so
// what the identity may not see costs no time and leaves no empty page
// (POLICY.md §7).
type lister struct {
	store  store.Store
	who    *policy.Principal
	bucket string
	now    time.Time

	// first is how many names are asked of the store at first; 0: listPage.
	first int

	// versions is set for a listing of versions, which goes on after marker.
	versions store.Versioner
	marker   versionMarker

	// unmanaged counts objects left out because no plaintext has their
	// stored size (FORMAT.md §10).
	unmanaged int
}

// listed is one line of a listing: a key with its object, or a common prefix.
type listed struct {
	name   string
	prefix bool
	object store.Object // Size is the plaintext's
	latest bool         // the object is its newest version
	marker bool         // of versions: the object was deleted; it has no size

	// followed is set where the store has said that it has more behind this key,
	// and all of that may be listed: who has enough need not look for more. What
	// follows may still be nothing that is ever shown.
	followed bool
}

// entries yields what lies below prefix after the name after, rolled up at
// delimiter.
func (l *lister) entries(ctx context.Context, prefix, delimiter, after string) iter.Seq2[listed, error] {
	dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
	switch delimiter {
	case "":
		return l.keys(ctx, dir, prefix, after)
	case "/":
		return l.level(ctx, dir, prefix, after)
	default:
		return l.rolled(ctx, dir, prefix, delimiter, after)
	}
}

// keys yields every visible key that begins with prefix, which lies in the
// directory dir. One recursion per directory in which grants differ.
func (l *lister) keys(ctx context.Context, dir, prefix, after string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		switch l.who.Coverage(policy.VerbList, l.bucket, dir, l.now) {
		case policy.CoverNone:
		case policy.CoverAll:
			for e, err := range l.pages(ctx, store.ListOptions{Prefix: prefix, StartAfter: after}) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		case policy.CoverSome:
			l.descend(ctx, dir, prefix, after, yield)
		}
	}
}

// descend yields the visible keys of a directory in which grants differ.
func (l *lister) descend(ctx context.Context, dir, prefix, after string, yield func(listed, error) bool) {
	// A name to go on after lies inside a child: finish that child first, the
	// store then goes on behind it.
	if child := childOf(dir, after); child != "" && strings.HasPrefix(child, prefix) {
		for e, err := range l.keys(ctx, child, child, after) {
			if !yield(e, err) || err != nil {
				return
			}
		}
		after = child
	}
	for e, err := range l.pages(ctx, store.ListOptions{Prefix: prefix, Delimiter: "/", StartAfter: after}) {
		switch {
		case err != nil:
			yield(e, err)
			return
		case !e.prefix:
			e.followed = false // that may be hidden
			if l.visible(e.name) && !yield(e, nil) {
				return
			}
		default:
			for e, err := range l.keys(ctx, e.name, e.name, "") {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// childOf gives the directory directly in dir that holds name, "" if none.
func childOf(dir, name string) string {
	rest, below := strings.CutPrefix(name, dir)
	first, _, deeper := strings.Cut(rest, "/")
	if !below || !deeper {
		return ""
	}
	return dir + first + "/"
}

// level yields the keys directly in a directory and its children as common
// prefixes. A child appears only if a visible key lies below it.
func (l *lister) level(ctx context.Context, dir, prefix, after string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		cover := l.who.Coverage(policy.VerbList, l.bucket, dir, l.now)
		if cover == policy.CoverNone {
			return
		}
		for e, err := range l.pages(ctx, store.ListOptions{Prefix: prefix, Delimiter: "/", StartAfter: after}) {
			show := err != nil
			switch {
			case show:
			case e.prefix:
				show, err = l.holdsVisible(ctx, e.name)
				show = show || err != nil
			default:
				show = l.visible(e.name)
				e.followed = e.followed && cover == policy.CoverAll
			}
			if show && (!yield(e, err) || err != nil) {
				return
			}
		}
	}
}

func (l *lister) visible(key string) bool {
	return l.who.Decide(policy.Query{Verb: policy.VerbList, Bucket: l.bucket, Key: key, Now: l.now}).Allowed()
}

// holdsVisible says whether a directory that the store named holds a key that
// may be listed. Where all keys may be, the store has answered that already:
// to look would be a call for each line of the listing.
func (l *lister) holdsVisible(ctx context.Context, dir string) (bool, error) {
	if l.who.Coverage(policy.VerbList, l.bucket, dir, l.now) == policy.CoverAll {
		return true, nil
	}
	for _, err := range l.keys(ctx, dir, dir, "") {
		return err == nil, err
	}
	return false, nil
}

// rolled rolls visible keys up at any delimiter.
func (l *lister) rolled(ctx context.Context, dir, prefix, delimiter, after string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		last := after // names come in order: what is not behind the last one was given
		for more := true; more; {
			more = false
			skipped := 0
			for e, err := range l.keys(ctx, dir, prefix, after) {
				key := e.name
				if at := strings.Index(e.name[min(len(prefix), len(e.name)):], delimiter); err == nil && at >= 0 {
					e = listed{name: e.name[:len(prefix)+at+len(delimiter)], prefix: true}
				}
				if err == nil && (e.name < last || e.name == last && e.prefix) { // versions of a key share its name
					if skipped++; skipped < listPage {
						continue
					}
					after, more = behind(e.name, key), true // the rest of a large prefix is jumped over
					break
				}
				last, skipped = e.name, 0
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// behind gives a name that sorts behind key, and behind almost all keys that
// begin with prefix as it does.
func behind(prefix, key string) string {
	if len(prefix)+utf8.UTFMax > store.MaxKey {
		return key
	}
	return max(key, prefix+"\U0010FFFF")
}

// pages yields the store's own listing: reserved names left out, stored
// sizes turned into plaintext sizes.
func (l *lister) pages(ctx context.Context, o store.ListOptions) iter.Seq2[listed, error] {
	if l.versions != nil {
		return l.versionPages(ctx, o)
	}
	return func(yield func(listed, error) bool) {
		for asks := 0; ; asks++ {
			o.Max = l.pageSize(asks)
			page, err := l.store.List(ctx, o)
			if err != nil {
				yield(listed{}, err)
				return
			}
			for e := range merged(page) {
				e.followed = page.More && !e.prefix && e.name == page.Next
				if e, ok := l.managed(e); ok && !yield(e, nil) {
					return
				}
			}
			if !page.More {
				return
			}
			o.StartAfter = page.Next
		}
	}
}

// pageSize gives how many names are asked for after that many asks.
func (l *lister) pageSize(asks int) int {
	switch {
	case asks == 0 && l.first > 0:
		return min(l.first, listPage)
	case asks == 1:
		return listProbe
	}
	return listPage
}

// listPage is how many names are asked of the store at once.
const listPage = 1000

// listProbe is how many are asked for behind the first page. Mostly that is only
// to know whether the client's own page was the last, and a full one for that
// would be half of the cost of a listing.
const listProbe = 16

// managed gives an entry as clients see it; false for the gateway's own names
// and for what the gateway cannot have written.
func (l *lister) managed(e listed) (listed, bool) {
	if (s3api.Resource{Key: e.name}).Reserved() {
		return e, false
	}
	if e.prefix || e.marker {
		return e, true
	}
	size, ok := envelope.PlainSize(e.object.Size)
	if !ok {
		l.unmanaged++
	}
	e.object.Size = size
	return e, ok
}

// merged yields the keys and prefixes of a page in byte order.
func merged(p store.ListPage) iter.Seq[listed] {
	return func(yield func(listed) bool) {
		objects, prefixes := p.Objects, p.Prefixes
		for len(objects) > 0 || len(prefixes) > 0 {
			var e listed
			if len(prefixes) == 0 || len(objects) > 0 && objects[0].Key < prefixes[0] {
				e, objects = listed{name: objects[0].Key, object: objects[0], latest: true}, objects[1:]
			} else {
				e, prefixes = listed{name: prefixes[0], prefix: true}, prefixes[1:]
			}
			if !yield(e) {
				return
			}
		}
	}
}
