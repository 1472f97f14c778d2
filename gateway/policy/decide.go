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
	s.bucket(r.shared, q.Bucket, q.Key)
	s.bucket(r.own, q.Bucket, q.Key)
	return s.decision(q)
}

// unaddressable is the reason why nobody may do anything with key, "" if there
// is none (§4, "Keys").
func unaddressable(key string) Reason {
	if key == "" || strings.IndexByte(key, '.') >= 0 && hasDotSegment(key) {
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
	for more := true; more; {
		var seg string
		seg, key, more = strings.Cut(key, "/")
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// search collects the rule that decides about one key.
type search struct {
	bit  verbSet
	now  time.Time
	best *rule
	miss Reason // why a matching can did not apply
	near *rule  // that can
}

// bucket looks below both places that a bucket may have in a tree.
func (s *search) bucket(root *node, name, key string) {
	lit, star := root.bucket(name)
	s.visit(lit, key)
	s.visit(star, key)
}

// visit looks at the rules of n and below, of which the segments in key, at
// least one, are left to match.
func (s *search) visit(n *node, key string) {
	if n == nil || (n.cans|n.denies)&s.bit == 0 {
		return
	}
	s.consider(n.below)
	seg, rest, more := strings.Cut(key, "/")
	lit, star := n.lit[seg], n.star
	if more {
		s.visit(lit, rest)
		s.visit(star, rest)
		return
	}
	if lit != nil {
		s.consider(lit.exact)
	}
	if star != nil {
		s.consider(star.exact)
	}
}

// consider keeps the rule that decides among those seen. Conditions are evaluated
// only where the outcome could change.
func (s *search) consider(rules []*rule) {
	for _, r := range rules {
		if r.verbs&s.bit == 0 || !r.before(s.best) {
			continue
		}
		switch v := r.when.at(s.now); {
		case v == holds, v == unknown && r.kind != roleCan:
			s.best = r
		case r.kind == roleCan:
			s.missed(r)
		}
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
