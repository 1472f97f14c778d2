// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sealgate/sealgate/certs"
)

// Narrowing makes a session less than its identity (§11). The zero value
// leaves everything.
type Narrowing struct {
	Role   string  // the one role whose grants count; "" is all of them
	Scopes []Scope // what the grants are cut down to; nil is no cut
}

// IsZero reports whether n leaves everything.
func (n Narrowing) IsZero() bool { return n.Role == "" && n.Scopes == nil }

// Scope is verbs on a part of the keys.
type Scope struct {
	verbs verbSet
	path  pattern // literal segments; no segment and rest is every key of every bucket
}

// ErrScope is wrapped by the errors of [NewScope] and [ParseScope].
var ErrScope = errors.New("not a scope")

// maxKey is the longest key of an object, in bytes.
const maxKey = 1024

// NewScope makes a scope of verbs on data; none means all of them. The key
// selects the object or, where below is set, everything below it as a
// directory: "" is then the whole bucket. Without a bucket it is every bucket.
func NewScope(verbs []Verb, bucket, key string, below bool) (Scope, error) {
	s := Scope{verbs: dataVerbs, path: pattern{rest: below}}
	if len(verbs) > 0 {
		s.verbs = 0
	}
	for _, v := range verbs {
		s.verbs |= v.bit()
	}
	s.verbs = s.verbs.granted()
	switch {
	case s.verbs&^dataVerbs != 0 || s.verbs == 0:
		return Scope{}, fmt.Errorf("%w: a verb that is not of data", ErrScope)
	case bucket == "" && (key != "" || !below):
		return Scope{}, fmt.Errorf("%w: a key without its bucket", ErrScope)
	case bucket == "":
		return s, nil
	case !bucketName.MatchString(bucket) || isNamespace(bucket):
		return Scope{}, fmt.Errorf("%w: %q is no bucket", ErrScope, bucket)
	case key == "" && !below:
		return Scope{}, fmt.Errorf("%w: %s/ without a key", ErrScope, bucket)
	case len(key) > maxKey || !utf8.ValidString(key):
		return Scope{}, fmt.Errorf("%w: what no key can be", ErrScope)
	}
	path := bucket
	if key != "" {
		path += "/" + key
	}
	for part := range strings.SplitSeq(path, "/") {
		s.path.segs = append(s.path.segs, segment{literal, part})
	}
	return s, nil
}

// String is VERBS:PATH, in the one spelling that [ParseScope] reads: verbs in
// the order of §5 joined by commas, or *; the path with a last ** where it
// is a prefix.
func (s Scope) String() string {
	verbs := "*"
	if s.verbs != dataVerbs {
		var names []string
		for _, v := range s.verbs.verbs() {
			names = append(names, v.String())
		}
		verbs = strings.Join(names, ",")
	}
	var path []string
	for _, seg := range s.path.segs {
		path = append(path, seg.text)
	}
	kind := "=" // an object
	if s.path.rest {
		kind = ":"
		path = append(path, "**")
	}
	return verbs + kind + strings.Join(path, "/")
}

// ParseScope reads what String wrote, and nothing else.
func ParseScope(text string) (Scope, error) {
	at := strings.IndexAny(text, "=:")
	if at < 0 {
		return Scope{}, fmt.Errorf("%w: no path", ErrScope)
	}
	verbs, err := parseVerbs(text[:at])
	if err != nil {
		return Scope{}, err
	}
	path, below := text[at+1:], text[at] == ':'
	bucket, key, _ := strings.Cut(path, "/")
	if below && path == "**" {
		bucket = ""
	} else if below {
		key = strings.TrimSuffix(strings.TrimSuffix(key, "**"), "/")
	}
	s, err := NewScope(verbs, bucket, key, below)
	if err == nil && s.String() != text {
		err = fmt.Errorf("%w: another spelling", ErrScope)
	}
	return s, err
}

// parseVerbs reads the verbs of a scope; none is all of them.
func parseVerbs(text string) ([]Verb, error) {
	if text == "*" {
		return nil, nil
	}
	var verbs []Verb
	for name := range strings.SplitSeq(text, ",") {
		v, ok := ParseVerb(name)
		if !ok {
			return nil, fmt.Errorf("%w: no verb %q", ErrScope, name)
		}
		verbs = append(verbs, v)
	}
	return verbs, nil
}

// Session compiles the rules that concern a session of id (§11).
func (p *Policy) Session(id certs.ID, n Narrowing) *Principal {
	return p.narrowed(p.held(subject{id: id}), n)
}

// DecideSelf decides about asking who one is: that needs no grant (§11).
func (r *Principal) DecideSelf() Decision { return Decision{allow: r != nil} }

// cut gives the grants of a role that count at all.
func (n Narrowing) cut(r *role) []*rule {
	if n.Role != "" && n.Role != r.name {
		return nil
	}
	return r.cans
}

// insertWithin places grants, each cut down to every scope; false if one
// cannot be placed. Nil scopes cut nothing.
func insertWithin(root *node, cans []*rule, captures map[string]string, scopes []Scope) bool {
	if scopes == nil {
		return insertAll(root, cans, captures)
	}
	for _, r := range cans {
		for _, path := range r.paths {
			bound, ok := path.bind(captures)
			if !ok {
				return false
			}
			for _, s := range scopes {
				both, ok := s.meet(bound)
				if !ok || path.wildBucket() && isNamespace(both.segs[0].text) {
					continue // a wildcard in place of the bucket never reaches a namespace (§4)
				}
				s.insert(root, r, both)
			}
		}
	}
	return true
}

// insert places what is left of a grant on the paths that it shares with the
// scope.
func (s Scope) insert(root *node, r *rule, shared pattern) {
	if r.verbs&s.verbs == 0 {
		return
	}
	less := *r
	less.verbs &= s.verbs
	root.insert(&less, shared)
}

// meet is the pattern of exactly those paths that lie in the scope and in p,
// whose captures are bound. False where there are none.
func (s Scope) meet(p pattern) (pattern, bool) {
	shared := min(len(s.path.segs), len(p.segs))
	for i := range shared {
		if p.segs[i].kind == literal && p.segs[i].text != s.path.segs[i].text {
			return pattern{}, false
		}
	}
	short, long := s.path, p
	if len(s.path.segs) > len(p.segs) {
		short, long = p, s.path
	}
	// The shorter one must go on below its end, or end with the longer one.
	switch {
	case len(short.segs) < len(long.segs) && !short.rest:
		return pattern{}, false
	case len(short.segs) == len(long.segs) && short.rest != long.rest:
		return pattern{}, false // ** is one segment or more
	}
	both := pattern{text: p.text, rest: long.rest, line: p.line, col: p.col}
	both.segs = slices.Concat(s.path.segs[:shared], long.segs[shared:])
	return both, true
}
