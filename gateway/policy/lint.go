// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// CheckOptions says what [Check] may know beside the document.
type CheckOptions struct {
	// Buckets are the logical buckets of the gateway. Nil: not known, and bucket
	// names are not checked.
	Buckets []string
}

// Check reads a policy like [Parse] and, if it has no errors, adds what looks like
// a mistake in it: the warnings from W101 on (§9). The result is sorted.
func Check(file string, src []byte, o CheckOptions) (*Policy, strictyaml.Faults) {
	p, fs := Parse(file, src)
	if p == nil {
		return nil, fs
	}
	l := linter{p: p, fs: &fs, grants: indexGrants(p)}
	l.unused()
	l.promotions()
	for _, r := range p.roles {
		for _, can := range r.cans {
			for _, path := range can.paths {
				l.grant(r, can, path)
			}
		}
	}
	if o.Buckets != nil {
		l.buckets(o.Buckets)
	}
	fs.Sort()
	return p, fs
}

type linter struct {
	p      *Policy
	fs     *strictyaml.Faults
	grants grantIndex
}

func (l *linter) warn(line, col int, code, text, hint string) {
	l.fs.Add(strictyaml.Fault{File: l.p.file, Line: line, Col: col, Code: code, Text: text, Hint: hint})
}

// unused finds identities that no role, promotion or exception names.
func (l *linter) unused() {
	for _, i := range l.p.identities {
		if !i.used {
			l.warn(i.line, i.col, "W101", fmt.Sprintf("identity %q is not used", i.name), "")
		}
	}
}

// promotions looks for people on both sides.
func (l *linter) promotions() {
	for _, pr := range l.p.promotions {
		for _, i := range pr.requestedBy {
			if slices.Contains(pr.approvers, i) {
				l.warn(pr.line, pr.col, "W301", fmt.Sprintf("promotion %s: %s may request and approve", pr.name, i.name), "")
			}
		}
		for _, r := range l.p.roles {
			if r.changesPolicy() {
				l.policyAdmins(pr, r)
			}
		}
	}
}

// changesPolicy reports whether r leads to every other right.
func (r *role) changesPolicy() bool {
	for _, can := range r.cans {
		if can.verbs.has(VerbPolicyApply) || can.verbs.has(VerbPolicyPropose) {
			return true
		}
	}
	return false
}

// policyAdmins finds those who could write themselves the promotion they want.
func (l *linter) policyAdmins(pr *promotion, r *role) {
	for _, i := range r.who {
		if slices.Contains(pr.requestedBy, i) || slices.Contains(pr.approvers, i) {
			l.warn(pr.line, pr.col, "W302", fmt.Sprintf("promotion %s: %s takes part and, by role %s (line %d), may change the policy", pr.name, i.name, r.name, r.line), "")
		}
	}
}

// grant looks at one path of one can.
func (l *linter) grant(r *role, can *rule, p pattern) {
	if p.segs[0].kind == anyOne {
		l.warn(p.line, p.col, "W102", fmt.Sprintf("path %q spans every bucket", p.text), "")
	}
	if looksLikePrefix(p) {
		l.warn(p.line, p.col, "W103", fmt.Sprintf("path %q is the one object of this name", p.text), "for everything below write "+p.text+"/**")
	}
	if o := l.grants.cover(grant{r, can, p}); o != nil {
		l.warn(p.line, p.col, "W104", fmt.Sprintf("path %q is covered by role %s line %d", p.text, o.role.name, o.path.line), "")
	}
	if by := l.takenBy(r, can, p); by != nil {
		l.warn(p.line, p.col, "W106", fmt.Sprintf("path %q: nothing is left of this grant, see line %d", p.text, by.line), "")
	}
}

// looksLikePrefix: objects have an ending, as in v1.safetensors; secrets and
// gateway resources do not need one.
func looksLikePrefix(p pattern) bool {
	last := p.segs[len(p.segs)-1]
	return !p.rest && last.kind == literal && !strings.Contains(last.text, ".") &&
		(p.segs[0].kind != literal || !isNamespace(p.segs[0].text))
}

// takenBy finds a refusal that leaves nothing of a grant.
func (l *linter) takenBy(r *role, can *rule, p pattern) *rule {
	denies := slices.Concat(r.cannots, l.p.guardrails)
	for _, deny := range denies[:min(len(denies), maxCompared)] {
		if deny.when != nil || can.verbs&^deny.verbs != 0 {
			continue
		}
		for _, q := range deny.paths[:min(len(deny.paths), maxCompared)] {
			if q.covers(p) {
				return deny
			}
		}
	}
	return nil
}

// buckets looks for bucket names that the gateway does not have.
func (l *linter) buckets(known []string) {
	for _, p := range l.p.patterns() {
		if p.wildBucket() || isNamespace(p.segs[0].text) || slices.Contains(known, p.segs[0].text) {
			continue
		}
		l.warn(p.line, p.col, "W105", fmt.Sprintf("there is no bucket %q", p.segs[0].text), strictyaml.DidYouMean(p.segs[0].text, known))
	}
}

// patterns are those of all rules and promotions.
func (p *Policy) patterns() []pattern {
	var ps []pattern
	for _, r := range p.rules() {
		ps = append(ps, r.paths...)
	}
	return ps
}

// rules are all rules that decide something, in the order of the file.
func (p *Policy) rules() []*rule {
	rules := slices.Clone(p.guardrails)
	for _, r := range p.roles {
		rules = append(append(rules, r.cans...), r.cannots...)
	}
	for _, pr := range p.promotions {
		rules = append(rules, pr.seal)
	}
	slices.SortFunc(rules, func(a, b *rule) int { return a.order - b.order })
	return rules
}
