// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"time"
)

// Decide answers q for the identity that r stands for (§2). It does not allocate.
// A nil Principal is refused everything.
func (r *Principal) Decide(q Query) Decision {
	if reason := unaddressable(q.Key); reason != "" || r == nil {
		return Decision{q: q, reason: reason}
	}
	s := search{bit: q.Verb.bit(), now: q.Now}
	s.tree(r.shared, q.Bucket, q.Key)
	s.tree(r.own, q.Bucket, q.Key)
	return s.decision(q)
}

// unaddressable is the reason why nobody may do anything with key, "" if there
// is none (§4, "Keys").
func unaddressable(key string) Reason {
	if key == "" || hasDotSegment(key) {
		return NoGrant
	}
	if rest, ok := strings.CutPrefix(key, reservedRoot); ok && (rest == "" || rest[0] == '/') {
		return ReservedName
	}
	return ""
}

// hasDotSegment: the gateway refuses such keys before they come here. It is the
// second lock on that door; a store that resolves them must never be asked.
func hasDotSegment(key string) bool {
	for end := 0; ; {
		next := strings.IndexByte(key[end:], '.')
		if next < 0 {
			return false
		}
		at := end + next
		if end = at + 1; end < len(key) && key[end] == '.' {
			end++
		}
		if (at == 0 || key[at-1] == '/') && (end == len(key) || key[end] == '/') {
			return true
		}
	}
}

// search collects the rule that decides about one key.
type search struct {
	bit  verbSet
	now  time.Time
	best *rule
	miss Reason // why a matching can did not apply
	near *rule  // that can
}

// tree looks below both places that a bucket may have in a tree.
func (s *search) tree(root *node, bucket, key string) {
	if !root.concerns(s.bit) {
		return
	}
	lit, star := root.bucket(bucket)
	s.both(lit, star, key)
}

// both visits the two places that one segment may lead to.
func (s *search) both(lit, star *node, key string) {
	if lit.concerns(s.bit) {
		s.visit(lit, key)
	}
	if star.concerns(s.bit) {
		s.visit(star, key)
	}
}

// visit looks at the rules of n and below, of which the segments in key, at
// least one, are left to match.
func (s *search) visit(n *node, key string) {
	s.consider(&n.below)
	if n.lit == nil && n.star == nil {
		return
	}
	seg, rest, more := strings.Cut(key, "/")
	lit, star := n.lit[seg], n.star
	if more {
		s.both(lit, star, rest)
		return
	}
	if lit != nil {
		s.consider(&lit.exact)
	}
	if star != nil {
		s.consider(&star.exact)
	}
}

// consider keeps the rule that decides among those seen. Conditions are evaluated
// only where the outcome could change.
func (s *search) consider(l *ruleList) {
	for _, r := range l.rules {
		switch {
		case r.verbs&s.bit == 0:
		case r.before(s.best):
			s.weigh(r)
		case !l.mixed:
			return // those behind r are not before best either
		}
	}
}

// weigh looks at the condition of a rule which decides if that holds.
func (s *search) weigh(r *rule) {
	switch v := r.when.at(s.now); {
	case v == holds, v == unknown && r.kind != roleCan:
		s.best = r
	case r.kind == roleCan:
		s.missed(r)
	}
}

// missed notes a can of which only the condition does not hold. That it is
// closed at this time says more than that it cannot be evaluated.
func (s *search) missed(r *rule) {
	reason := OutsideHours
	if r.when.unenforced {
		reason = ConditionUnmet
	}
	if s.near == nil || s.miss == ConditionUnmet && reason == OutsideHours || s.miss == reason && r.before(s.near) {
		s.near, s.miss = r, reason
	}
}

// refusals are the reasons of the tiers that refuse.
var refusals = [...]Reason{guardrailDeny: Guardrail, roleCannot: RoleCannot, sealedBy: Sealed}

// decision turns the rule that was found into the answer.
func (s *search) decision(q Query) Decision {
	switch {
	case s.best == nil && s.near != nil:
		return Decision{q: q, rule: s.near, reason: s.miss}
	case s.best == nil:
		return Decision{q: q, reason: NoGrant}
	case s.best.kind == roleCan:
		return Decision{q: q, rule: s.best, allow: true}
	}
	return Decision{q: q, rule: s.best, reason: refusals[s.best.kind]}
}
