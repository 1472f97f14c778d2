// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// otherVerbs tells grants on the path of other verbs.
func (x *explainer) otherVerbs() {
	n := 0
	for _, r := range x.p.rules() {
		if r.kind != roleCan || r.verbs.has(x.q.Do) || n == maxNear || !x.reachedAny(r) {
			continue
		}
		path, captured := x.pathOf(r)
		x.add("skip", r.line, fmt.Sprintf("role %s can %s here (%s%s), not %s", r.role, verbList(r.verbs), path, captured, x.q.Do))
		n++
	}
}

func verbList(s verbSet) string {
	vs := s.verbs()
	names := make([]string, 0, len(vs))
	for _, v := range vs {
		names = append(names, v.String())
	}
	return strings.Join(names, ", ")
}

// otherRoles tells who else is granted the path. Captures of others are not
// known: they stand for anything.
func (x *explainer) otherRoles() {
	n := 0
	for _, r := range x.p.roles {
		if x.holds(r) || n == maxNear {
			continue
		}
		if can, p := x.grantOf(r); can != nil {
			x.add("skip", can.line, fmt.Sprintf("role %s can %s %s, but is of %s", r.name, x.q.Do, p.text, identityList(r.who)))
			n++
		}
	}
}

func (x *explainer) holds(r *role) bool {
	return slices.ContainsFunc(x.held, func(h holding) bool { return slices.Contains(r.who, h.identity) })
}

func (x *explainer) grantOf(r *role) (*rule, pattern) {
	for _, can := range r.cans {
		for _, p := range can.paths {
			if can.verbs.has(x.q.Do) && x.target.touches(p.open()) && !x.hiddenNamespace(can, p) {
				return can, p
			}
		}
	}
	return nil, pattern{}
}

// open is p with every capture standing for any segment.
func (p pattern) open() pattern {
	p.segs = slices.Clone(p.segs)
	for i, s := range p.segs {
		if s.kind == capture {
			p.segs[i] = segment{kind: anyOne}
		}
	}
	return p
}

// near is a grant of the verb on another path.
type near struct {
	rule   *rule
	path   pattern
	text   string
	common int // segments from the left that agree
}

// otherPaths tells the grants of the verb in the same bucket that come closest.
func (x *explainer) otherPaths() {
	var nears []near
	for _, h := range x.held {
		for _, r := range h.identity.roles {
			for _, can := range r.cans {
				nears = append(nears, x.nearPaths(can, h)...)
			}
		}
	}
	slices.SortStableFunc(nears, func(a, b near) int { return cmp.Or(b.common-a.common, a.rule.order-b.rule.order) })
	for _, n := range nears[:min(len(nears), maxNear)] {
		x.add("skip", n.rule.line, fmt.Sprintf("role %s can %s %s%s: another path", n.rule.role, x.q.Do, n.path.text, n.text))
	}
}

func (x *explainer) nearPaths(can *rule, h holding) []near {
	var nears []near
	if !can.verbs.has(x.q.Do) {
		return nil
	}
	for _, p := range can.paths {
		bound, ok := p.bind(h.captures)
		if !ok || x.target.touches(bound) {
			continue
		}
		if n := bound.common(x.target.segs); n > 0 {
			nears = append(nears, near{rule: can, path: p, text: showCaptures(p, h.captures), common: n})
		}
	}
	return nears
}

// common is how many segments of p agree with path from the left.
func (p pattern) common(path []string) int {
	n := 0
	for n < min(len(p.segs), len(path)) && (p.segs[n].kind == anyOne || p.segs[n].text == path[n]) {
		n++
	}
	return n
}
