// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// explainer puts together one explanation.
type explainer struct {
	p      *Policy
	q      Question
	who    asked
	target target
	held   []holding
	decide *rule // the deciding rule, told first and not again
	lines  []Line
}

// maxNear bounds the near misses of each kind.
const maxNear = 5

func (x *explainer) explain() Explanation {
	d := x.target.decide(x.p.compile(x.held), x.q)
	x.decide = d.rule
	e := Explanation{
		Who: x.who.name, Do: x.q.Do.String(), Path: x.q.Path, Reason: d.Reason(), Rule: d.Rule(), Verdict: Deny,
	}
	if !x.q.At.IsZero() {
		e.At = x.q.At.Format(time.RFC3339)
	}
	if d.Allowed() {
		e.Verdict = Allow
	}
	e.Verdict = x.deciding(d, e.Verdict)
	x.notes()
	x.closed()
	if !d.Allowed() && (d.rule == nil || d.rule.kind == roleCan) { // else a refusal decided, and no grant would help
		x.otherVerbs()
		x.otherRoles()
		x.otherPaths()
	}
	e.Lines = x.lines
	return e
}

func (x *explainer) add(mark string, line int, text string) {
	x.lines = append(x.lines, Line{Mark: mark, File: x.p.file, Line: line, Text: text})
}

// deciding tells the line that decides.
func (x *explainer) deciding(d Decision, v Verdict) Verdict {
	r := d.rule
	switch {
	case r == nil:
		x.add("DENY", 0, fmt.Sprintf("%s: no role of %s grants %s on %s", d.Reason(), x.who.name, x.q.Do, x.q.Path))
	case d.Allowed():
		x.add("ALLOW", r.line, x.tell(r))
	case r.kind == sealedBy:
		return x.sealed(r)
	case r.kind == roleCan:
		x.add("DENY", r.line, x.tell(r)+": the path matches, but "+x.unmet(r))
	default:
		x.add("DENY", r.line, x.tell(r))
	}
	return v
}

// tell says what r says about the target.
func (x *explainer) tell(r *rule) string {
	path, captured := x.pathOf(r)
	text := fmt.Sprintf("role %s can %s %s%s", r.role, x.q.Do, path, captured)
	switch r.kind {
	case roleCannot:
		text = fmt.Sprintf("role %s cannot %s %s%s", r.role, x.q.Do, path, captured)
	case guardrailDeny:
		text = fmt.Sprintf("guardrail %s denies %s %s", r.name, x.q.Do, path)
	}
	if r.because != "" {
		text += " because " + r.because
	}
	return text
}

// pathOf is the path of r that matches, and what was captured for it.
func (x *explainer) pathOf(r *rule) (path, captured string) {
	for _, p := range r.paths {
		if values, ok := x.reached(r, p); ok {
			return p.text, showCaptures(p, values)
		}
	}
	return r.paths[0].text, ""
}

// reached reports whether path p of r stands for the target for whom is asked.
func (x *explainer) reached(r *rule, p pattern) (map[string]string, bool) {
	if r.role == "" {
		return nil, x.target.touches(p)
	}
	for _, h := range x.held {
		if !slices.ContainsFunc(h.identity.roles, func(o *role) bool { return o.name == r.role }) {
			continue
		}
		if bound, ok := p.bind(h.captures); ok && x.target.touches(bound) && !x.hiddenNamespace(r, p) {
			return h.captures, true
		}
	}
	return nil, false
}

// hiddenNamespace: a can with a wildcard bucket does not reach a namespace (§4).
func (x *explainer) hiddenNamespace(r *rule, p pattern) bool {
	return r.kind == roleCan && p.wildBucket() && isNamespace(x.target.bucket)
}

func showCaptures(p pattern, values map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(p.captures(), k) {
			parts = append(parts, k+"="+values[k])
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// unmet says why the condition of r does not hold.
func (x *explainer) unmet(r *rule) string {
	switch {
	case r.when.unenforced:
		return fmt.Sprintf("its condition cannot be evaluated yet (%s)", r.when.text)
	case x.q.At.IsZero():
		return fmt.Sprintf("the time is not known (%s)", r.when.text)
	}
	local := x.q.At.In(r.when.loc)
	return fmt.Sprintf("outside its days or hours (%s; it is %s)", r.when.text, strings.ToLower(local.Format("Mon 15:04")))
}

// sealed tells who could have what is sealed changed, in the end.
func (x *explainer) sealed(r *rule) Verdict {
	i := slices.IndexFunc(x.p.promotions, func(pr *promotion) bool { return pr.seal == r })
	pr := x.p.promotions[i]
	requester := x.requester(pr)
	if requester == "" {
		x.add("DENY", r.line, fmt.Sprintf("promotion %s seals %s; it may be requested by %s", pr.name, pr.to.text, identityList(pr.requestedBy)))
		return Deny
	}
	x.add("HOLD", r.line, fmt.Sprintf("promotion %s: %s may request; needs %d approvals by %s", pr.name, requester, pr.need, identityList(pr.approvers)))
	x.add("note", r.line, "promotions are not enforced yet: the path stays sealed, nothing can be requested")
	return NeedsApproval
}

// requester is the name under which whom is asked may request pr, "" if none.
func (x *explainer) requester(pr *promotion) string {
	for _, i := range pr.requestedBy {
		if i == x.who.ident || slices.ContainsFunc(x.held, func(h holding) bool { return h.identity == i }) {
			return i.name
		}
	}
	return ""
}

func identityList(is []*identity) string {
	names := make([]string, 0, len(is))
	for _, i := range is {
		names = append(names, i.name)
	}
	return "[" + strings.Join(names, " ") + "]"
}

// notes tells why somebody has no rules at all.
func (x *explainer) notes() {
	switch {
	case x.who.ident != nil && x.who.ident.kind == group:
		x.add("note", x.who.ident.line, fmt.Sprintf("%s is a group; groups are not enforced yet and match nobody", x.who.ident.name))
	case len(x.held) == 0 && !x.who.subject.id.IsZero() && x.who.subject.id.TrustDomain() != x.p.trustDomain:
		x.add("note", 0, fmt.Sprintf("trust domain %s is not %s: nothing can match", x.who.subject.id.TrustDomain(), x.p.trustDomain))
	case len(x.held) == 0:
		x.add("note", 0, "no identity of the policy matches "+x.who.name)
	}
}

// closed tells rules that match and whose condition keeps them out.
func (x *explainer) closed() {
	for _, r := range x.p.rules() {
		if r == x.decide || r.when == nil || !r.verbs.has(x.q.Do) {
			continue
		}
		v := r.when.at(x.q.At)
		if v == holds || v == unknown && r.kind != roleCan || !x.reachedAny(r) {
			continue
		}
		x.add("skip", r.line, x.tell(r)+": the path matches, but "+x.unmet(r))
	}
}

func (x *explainer) reachedAny(r *rule) bool {
	return slices.ContainsFunc(r.paths, func(p pattern) bool { _, ok := x.reached(r, p); return ok })
}
