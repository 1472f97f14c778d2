// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"time"
)

// Coverage says how a verb is granted on all keys below a directory (§7).
type Coverage uint8

// The coverages. CoverAll and CoverNone are exact: CoverSome is returned only if
// some key is granted and another is not. Keys that nobody can be granted (§4)
// do not count.
const (
	CoverNone Coverage = iota
	CoverSome
	CoverAll
)

// String is "none", "some" or "all".
func (c Coverage) String() string { return [...]string{"none", "some", "all"}[c] }

// Coverage reports whether v is granted on all, some or none of the keys of
// bucket that begin with dir, which is empty or ends in "/". A dir that does not
// is taken as a beginning of keys all the same.
func (r *Principal) Coverage(v Verb, bucket, dir string, now time.Time) Coverage {
	c := cover{bit: v.bit(), now: now}
	return c.start(r, bucket, dir)
}

// DecideList decides about a listing of the keys of bucket that begin with
// prefix: it is allowed if at least one key that does could be listed. The
// listing must then hold only keys on which [VerbList] is granted.
func (r *Principal) DecideList(bucket, prefix string, now time.Time) Decision {
	q := Query{Verb: VerbList, Bucket: bucket, Key: prefix, Now: now}
	c := cover{bit: VerbList.bit(), now: now}
	if strings.HasPrefix(prefix, reservedRoot+"/") {
		return Decision{q: q, reason: ReservedName}
	}
	if c.start(r, bucket, prefix) != CoverNone {
		return Decision{q: q, rule: c.can, allow: true}
	}
	return c.refusal(q)
}

// DecideBucket decides about bucket as a whole: what any grant in it allows,
// whatever its verb and hours (§2).
func (r *Principal) DecideBucket(bucket string) Decision {
	for v := VerbRead; v <= lastVerb; v++ {
		c := cover{bit: v.bit(), anyTime: true}
		if c.start(r, bucket, "") != CoverNone {
			return Decision{q: Query{Verb: v, Bucket: bucket}, rule: c.can, allow: true}
		}
	}
	return Decision{q: Query{Bucket: bucket}, reason: NoGrant}
}

// AnyGrant is [Principal.DecideBucket] without the reasons.
func (r *Principal) AnyGrant(bucket string) bool { return r.DecideBucket(bucket).Allowed() }

// cover computes a coverage by following all keys at once: the segments that
// patterns name one by one, and one more that stands for every other.
type cover struct {
	bit     verbSet
	now     time.Time
	anyTime bool // days and hours hold under can and not under cannot and deny

	can  *rule  // one that grants something
	deny *rule  // one that takes everything away
	near search // of a can that only its condition keeps from granting
}

// start walks down dir and looks at what is below.
func (c *cover) start(r *Principal, bucket, dir string) Coverage {
	if r == nil || c.bit == 0 {
		return CoverNone
	}
	at := make([]*node, 0, 8)
	for _, root := range []*node{r.shared, r.own} {
		lit, star := root.bucket(bucket)
		at = push(push(at, lit), star)
	}
	var granted *rule
	for depth := 0; ; depth++ {
		seg, rest, more := strings.Cut(dir, "/")
		if !more {
			return c.below(at, granted, dir, depth)
		}
		if depth == 0 && seg == reservedRoot || seg == "." || seg == ".." || c.denied(at) {
			return CoverNone
		}
		granted = c.granted(at, granted)
		at, dir = step(at, seg), rest
	}
}

// below covers the keys that have at least one segment more than the depth ones
// that led to the places at, the next one beginning with stem.
func (c *cover) below(at []*node, granted *rule, stem string, depth int) Coverage {
	if c.denied(at) {
		return CoverNone
	}
	granted = c.granted(at, granted)
	cans, denies := reach(at)
	switch {
	case granted == nil && cans&c.bit == 0:
		return CoverNone
	case granted != nil && denies&c.bit == 0:
		c.can = granted
		return CoverAll
	}
	sum := c.through(step(at, noSegment), granted, depth+1)
	for _, n := range at {
		for _, seg := range n.names {
			if !strings.HasPrefix(seg, stem) || depth == 0 && seg == reservedRoot {
				continue
			}
			if sum == CoverSome {
				return CoverSome
			}
			sum = sum.and(c.through(step(at, seg), granted, depth+1))
		}
	}
	return sum
}

// noSegment is a name that no pattern has, for all segments that none names.
const noSegment = "/"

// through covers the key that ends at the places at, depth segments long, and
// those below.
func (c *cover) through(at []*node, granted *rule, depth int) Coverage {
	here := CoverNone
	if can := c.exact(at, granted); can != nil {
		here, c.can = CoverAll, can
	}
	if len(at) == 0 {
		return here // below as well, only what is granted from above
	}
	return here.and(c.below(at, granted, "", depth))
}

// and is the coverage of two sets of keys together.
func (c Coverage) and(d Coverage) Coverage {
	if c == d {
		return c
	}
	return CoverSome
}

// exact is the rule that grants the key which ends at the places at, nil if none.
func (c *cover) exact(at []*node, granted *rule) *rule {
	for _, n := range at {
		for _, r := range n.exact.rules {
			switch {
			case !c.applies(r):
			case r.kind != roleCan:
				return nil
			case r.before(granted):
				granted = r
			}
		}
	}
	return granted
}

// denied reports whether everything below the places at is refused.
func (c *cover) denied(at []*node) bool {
	for _, n := range at {
		for _, r := range n.below.rules {
			if r.kind != roleCan && c.applies(r) {
				c.deny = r
				return true
			}
		}
	}
	return false
}

// granted is the rule that grants everything below the places at unless it is
// refused further down, nil if none.
func (c *cover) granted(at []*node, from *rule) *rule {
	for _, n := range at {
		for _, r := range n.below.rules {
			if r.kind == roleCan && r.before(from) && c.applies(r) {
				from = r
			}
		}
	}
	return from
}

// applies evaluates r for the verb and time in question.
func (c *cover) applies(r *rule) bool {
	if r.verbs&c.bit == 0 {
		return false
	}
	if c.anyTime {
		return r.when == nil || r.when.unenforced == (r.kind != roleCan)
	}
	v := r.when.at(c.now)
	if r.kind != roleCan {
		return v != holdsNot
	}
	if v != holds {
		c.near.missed(r)
	}
	return v == holds
}

// refusal says why nothing is granted: something takes all away, or only a
// condition is in the way, or there is no grant.
func (c *cover) refusal(q Query) Decision {
	if c.deny != nil {
		return Decision{q: q, rule: c.deny, reason: refusals[c.deny.kind]}
	}
	return c.near.decision(q)
}

// step goes from the places at to those that the segment seg leads to.
func step(at []*node, seg string) []*node {
	next := make([]*node, 0, 2*len(at))
	for _, n := range at {
		next = push(push(next, n.lit[seg]), n.star)
	}
	return next
}

// push leaves out places that do not exist.
func push(at []*node, n *node) []*node {
	if n == nil {
		return at
	}
	return append(at, n)
}

// reach is what the rules at the places at and below may grant and refuse.
func reach(at []*node) (cans, denies verbSet) {
	for _, n := range at {
		cans |= n.cans
		denies |= n.denies
	}
	return cans, denies
}
