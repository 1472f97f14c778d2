// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// ruleKind orders the tiers of a decision (§2): a smaller kind decides first.
type ruleKind uint8

const (
	guardrailDeny ruleKind = iota
	roleCannot
	sealedBy
	roleCan
)

// rule is one compiled line of the policy.
type rule struct {
	kind    ruleKind
	verbs   verbSet // with what they imply
	order   int     // place in the file: breaks ties, never decides
	line    int
	id      string // as the audit log names it
	role    string // its role; "" outside roles
	name    string // of a guardrail or promotion
	because string
	when    *condition
	paths   []pattern
}

// before reports whether r decides before o where both apply. Nil never does.
func (r *rule) before(o *rule) bool {
	return o == nil || r.kind < o.kind || r.kind == o.kind && r.order < o.order
}

// node is one place in the tree of segments. The first level are buckets.
//
//	root ── models ──┬─ fraud ── prod   below: models/fraud/prod/**
//	                 └─ *     ── LATEST exact: models/*/LATEST
//
// A tree is not changed after it was built.
type node struct {
	lit   map[string]*node
	names []string // the keys of lit, sorted
	star  *node
	exact ruleList // patterns that end here
	below ruleList // patterns that end here in **

	// What the rules here and in all places below may allow or refuse, for not
	// looking where nothing can be found.
	cans, denies verbSet
}

// insert adds r at the bound pattern p.
func (n *node) insert(r *rule, p pattern) {
	n.note(r)
	for i, s := range p.segs {
		if i == 0 && s.kind == anyOne && r.kind != roleCan {
			n.insertNamespaces(r, p)
		}
		n = n.child(s)
		n.note(r)
	}
	if p.rest {
		n.below.add(r)
		return
	}
	n.exact.add(r)
}

// ruleList is the rules of one place, in the order in which they were added.
type ruleList struct {
	rules []*rule
	mixed bool // that is not the order in which they decide
}

func (l *ruleList) add(r *rule) {
	if n := len(l.rules); n > 0 && r.before(l.rules[n-1]) {
		l.mixed = true
	}
	l.rules = append(l.rules, r)
}

// concerns reports whether a rule at or below n is about one of the verbs. No
// place has none.
func (n *node) concerns(verbs verbSet) bool {
	return n != nil && (n.cans|n.denies)&verbs != 0
}

// insertNamespaces lets a refusal with a wildcard bucket reach the namespaces,
// into which a search never follows the wildcard (§4).
func (n *node) insertNamespaces(r *rule, p pattern) {
	for _, ns := range namespaces {
		q := p
		q.segs = append([]segment{{kind: literal, text: ns}}, p.segs[1:]...)
		n.insert(r, q)
	}
}

// note keeps cans and denies of n right while r is placed at or below it.
func (n *node) note(r *rule) {
	if r.kind == roleCan {
		n.cans |= r.verbs
	} else {
		n.denies |= r.verbs
	}
}

// child returns the place that s leads to from n, making it if need be.
func (n *node) child(s segment) *node {
	if s.kind == anyOne {
		if n.star == nil {
			n.star = &node{}
		}
		return n.star
	}
	if n.lit == nil {
		n.lit = make(map[string]*node)
	}
	if n.lit[s.text] == nil {
		n.lit[s.text] = &node{}
		i, _ := slices.BinarySearch(n.names, s.text)
		n.names = slices.Insert(n.names, i, s.text)
	}
	return n.lit[s.text]
}

// bucket returns the places below the root n that stand for the named bucket; in
// a namespace the wildcard is not followed (§4).
func (n *node) bucket(name string) (lit, star *node) {
	if isNamespace(name) {
		return n.lit[name], nil
	}
	return n.lit[name], n.star
}
