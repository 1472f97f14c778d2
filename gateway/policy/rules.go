// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// named is a name given in an entry of a list, where YAML does not see repetitions.
type named struct {
	section string
	node    *strictyaml.Node
}

// role reads one entry of roles.
func (b *builder) role(name, n *strictyaml.Node) {
	b.checkName(name, "role")
	f := n.Fields(b.fs, "who", "can", "cannot")
	n.Need(b.fs, f, "who")
	r := &role{name: name.Value, line: name.Line, col: name.Col}
	r.who = b.whom(f["who"])
	r.cans = b.ruleList(r, f["can"], roleCan)
	r.cannots = b.ruleList(r, f["cannot"], roleCannot)
	for _, ident := range r.who {
		ident.roles = append(ident.roles, r)
	}
	b.p.roles = append(b.p.roles, r)
	b.checkCaptures(r)
}

// ruleList reads one rule or a list of them.
func (b *builder) ruleList(r *role, n *strictyaml.Node, kind ruleKind) []*rule {
	if !n.Present() {
		return nil
	}
	nodes := []*strictyaml.Node{n}
	if n.Kind == strictyaml.List {
		nodes = n.List(b.fs)
	}
	rules := make([]*rule, 0, len(nodes))
	for i, item := range nodes {
		rl := b.rule(item, kind)
		rl.role = r.name
		rl.id = fmt.Sprintf("roles.%s.%s[%d]@%d", r.name, kindKey[kind], i, rl.line)
		rules = append(rules, rl)
	}
	return rules
}

var kindKey = map[ruleKind]string{roleCan: "can", roleCannot: "cannot"}

// rule reads {do, paths, when, because}.
func (b *builder) rule(n *strictyaml.Node, kind ruleKind) *rule {
	known := []string{"do", "paths", "when"}
	if kind == roleCannot {
		known = append(known, "because")
	}
	f := n.Fields(b.fs, known...)
	n.Need(b.fs, f, "do", "paths")
	r := b.newRule(n, kind)
	b.fill(r, f, f["do"])
	return r
}

// newRule numbers the rules in the order in which they are read: that of the file
// within a section.
func (b *builder) newRule(n *strictyaml.Node, kind ruleKind) *rule {
	b.order++
	return &rule{kind: kind, order: b.order, line: n.Line}
}

// fill reads what all rules have in common.
func (b *builder) fill(r *rule, f map[string]*strictyaml.Node, do *strictyaml.Node) {
	verbs := b.verbs(do)
	r.paths = b.paths(f["paths"], verbs, r.kind)
	r.when = b.when(f["when"])
	r.because = f["because"].String(b.fs)
	r.verbs = verbs.refused()
	if r.kind == roleCan {
		r.verbs = verbs.granted()
	}
}

// checkCaptures faults paths that use what an identity of the role does not
// capture: there the rule would be void, and a cannot must never be. Each name is
// reported once, where it is used first.
func (b *builder) checkCaptures(r *role) {
	checked := make(map[string]bool)
	for _, rl := range slices.Concat(r.cans, r.cannots) {
		for _, p := range rl.paths {
			for _, name := range p.captures() {
				if !checked[name] {
					b.checkCapture(r, p, name)
				}
				checked[name] = true
			}
		}
	}
}

// checkCapture looks at every identity of the role: the path is bound for each.
func (b *builder) checkCapture(r *role, p pattern, name string) {
	for _, ident := range r.who {
		has := ident.path.captures()
		if slices.Contains(has, name) || ident.faulty {
			continue
		}
		hint := ""
		if near := strictyaml.Nearest(name, has); near != "" {
			hint = "did you mean {" + near + "}?"
		}
		b.at(p.line, p.col, "E017", fmt.Sprintf("path %q: identity %q has no {%s}", p.text, ident.name, name), hint)
	}
}

// at adds a fault at a place noted earlier.
func (b *builder) at(line, col int, code, text, hint string) {
	b.errors++
	b.fs.Add(strictyaml.Fault{File: b.p.file, Line: line, Col: col, Code: code, Text: text, Hint: hint})
}

// guardrail reads one entry of guardrails.
func (b *builder) guardrail(n *strictyaml.Node) {
	f := n.Fields(b.fs, "name", "deny", "paths", "when", "because")
	n.Need(b.fs, f, "name", "deny", "paths")
	r := b.newRule(n, guardrailDeny)
	r.name = b.sectionName("guardrails", f["name"])
	r.id = fmt.Sprintf("guardrails.%s@%d", r.name, r.line)
	b.fill(r, f, f["deny"])
	b.noCaptures(r.paths)
	b.p.guardrails = append(b.p.guardrails, r)
	for _, p := range r.paths {
		b.p.shared.insert(r, p)
	}
}

// noCaptures faults captures where no identity could fill them.
func (b *builder) noCaptures(ps []pattern) {
	for _, p := range ps {
		for _, name := range p.captures() {
			b.at(p.line, p.col, "E017", fmt.Sprintf("path %q: {%s} stands for nothing outside roles", p.text, name), "write *")
		}
	}
}

// sectionName reads the name of an entry in a list and notes it for uniqueNames.
func (b *builder) sectionName(section string, n *strictyaml.Node) string {
	name := b.name(n, section)
	if name != "" {
		b.named = append(b.named, named{section, n})
	}
	return name
}
