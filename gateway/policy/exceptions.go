// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// promotion reads one entry of promotions (§8). Its target is sealed.
func (b *builder) promotion(n *strictyaml.Node) {
	f := n.Fields(b.fs, "name", "from", "to", "requested_by", "approvals", "rollback")
	n.Need(b.fs, f, "name", "from", "to", "requested_by", "approvals")
	pr := &promotion{name: b.sectionName("promotions", f["name"]), line: n.Line, col: n.Col}
	from, fromOK := b.subtree(f["from"])
	to, toOK := b.subtree(f["to"])
	if fromOK && toOK && from.overlaps(to) {
		b.fault(f["to"], "E022", "to overlaps from", "")
	}
	pr.to = to
	pr.requestedBy = b.whom(f["requested_by"])
	b.approvals(pr, f["approvals"])
	if r := f["rollback"]; r != nil {
		need := r.Fields(b.fs, "need")
		r.Need(b.fs, need, "need")
		need["need"].Int(b.fs, 1, maxApprovals)
	}
	b.p.promotions = append(b.p.promotions, pr)
	if toOK {
		b.seal(pr, n)
		b.warn(n, "W060", fmt.Sprintf("promotions are not enforced yet: %s stays sealed", to.text))
	}
}

// seal refuses everyone what would change the target of a promotion.
func (b *builder) seal(pr *promotion, n *strictyaml.Node) {
	r := b.newRule(n, sealedBy)
	r.name, r.verbs, r.paths = pr.name, sealedVerbs, []pattern{pr.to}
	r.id = fmt.Sprintf("promotions.%s@%d", pr.name, r.line)
	pr.seal = r
	b.p.shared.insert(r, pr.to)
}

// subtree reads a pattern that stands for everything below a prefix in a bucket.
func (b *builder) subtree(n *strictyaml.Node) (pattern, bool) {
	if !n.Present() {
		return pattern{}, false
	}
	p, ok := b.path(n)
	if !ok {
		return p, false
	}
	before := b.errors
	b.noCaptures([]pattern{p})
	if !p.rest {
		b.fault(n, "E022", fmt.Sprintf("path %q has to end in /**", p.text), "")
	}
	if p.wildBucket() || isNamespace(p.segs[0].text) {
		b.fault(n, "E022", fmt.Sprintf("path %q has to name one bucket", p.text), "")
	}
	return p, b.errors == before
}

// maxApprovals is more than anybody waits for.
const maxApprovals = 100

// approvals reads {need, by, each_of, mfa, valid_for}; pr is nil for elevations.
func (b *builder) approvals(pr *promotion, n *strictyaml.Node) {
	if !n.Present() {
		return
	}
	f := n.Fields(b.fs, "need", "by", "each_of", "mfa", "valid_for")
	n.Need(b.fs, f, "need", "by")
	need := int(f["need"].Int(b.fs, 1, maxApprovals))
	by := b.whom(f["by"])
	b.eachOf(f["each_of"], by, need)
	if f["mfa"] != nil {
		b.requiredTrue(f["mfa"], "E022")
	}
	f["valid_for"].Duration(b.fs, "E022")
	if pr != nil {
		pr.need, pr.approvers = need, by
	}
}

// eachOf faults what no set of approvals could satisfy.
func (b *builder) eachOf(n *strictyaml.Node, by []*identity, need int) {
	each := b.whom(n)
	for _, ident := range each {
		if !slices.Contains(by, ident) {
			b.fault(n, "E022", fmt.Sprintf("%q in each_of is not in by, so its approval cannot be given", ident.name), "")
		}
	}
	if len(each) > need && need > 0 {
		b.fault(n, "E022", fmt.Sprintf("each_of asks for %d approvals, need for %d", len(each), need), "")
	}
}

// elevation reads one entry of elevations (§8).
func (b *builder) elevation(n *strictyaml.Node) {
	f := n.Fields(b.fs, "name", "for", "can", "longest", "approvals", "reason")
	n.Need(b.fs, f, "name", "for", "can", "longest", "approvals")
	b.exception("elevations", n, f)
	b.approvals(nil, f["approvals"])
	if r := f["reason"]; r != nil && r.String(b.fs) != "required" {
		b.fault(r, "E022", "reason can only be required", "")
	}
}

// breakGlass reads one entry of break_glass (§8).
func (b *builder) breakGlass(n *strictyaml.Node) {
	f := n.Fields(b.fs, "name", "for", "can", "longest", "mfa", "tell", "review")
	n.Need(b.fs, f, "name", "for", "can", "longest", "tell", "review")
	b.exception("break_glass", n, f)
	if f["mfa"] != nil {
		b.requiredTrue(f["mfa"], "E022")
	}
	for _, t := range items(b.fs, f["tell"]) {
		kind, to, ok := strings.Cut(t.String(b.fs), ":")
		if !ok || to == "" || kind != "slack" && kind != "webhook" {
			b.fault(t, "E022", "tell is a list of slack:CHANNEL and webhook:NAME", "")
		}
	}
	if r := f["review"]; r.Present() {
		rf := r.Fields(b.fs, "by", "within")
		r.Need(b.fs, rf, "by", "within")
		b.whom(rf["by"])
		rf["within"].Duration(b.fs, "E022")
	}
}

// exception reads what elevations and break-glass rules share. Nothing of it is
// inserted anywhere: they grant nothing.
func (b *builder) exception(section string, n *strictyaml.Node, f map[string]*strictyaml.Node) {
	ex := &exception{name: b.sectionName(section, f["name"]), who: b.whom(f["for"])}
	f["longest"].Duration(b.fs, "E022")
	if c := f["can"]; c.Present() {
		cf := c.Fields(b.fs, "do", "paths")
		c.Need(b.fs, cf, "do", "paths")
		b.noCaptures(b.paths(cf["paths"], b.verbs(cf["do"]), roleCan))
	}
	b.p.exceptions = append(b.p.exceptions, ex)
	b.warn(n, "W060", section+" are not enforced yet: "+quote(ex.name)+" grants nothing")
}

// checkSealed faults grants that could never be used because the path is sealed.
func (b *builder) checkSealed() {
	for _, r := range b.p.roles {
		for _, can := range r.cans {
			if can.verbs&sealedVerbs == 0 {
				continue
			}
			for _, p := range can.paths {
				b.checkSealedPath(r, p)
			}
		}
	}
}

// checkSealedPath compares with the captures standing for anything.
func (b *builder) checkSealedPath(r *role, p pattern) {
	for _, pr := range b.p.promotions {
		if pr.seal != nil && p.overlaps(pr.to) {
			b.at(p.line, p.col, "E201", fmt.Sprintf("role %s may change %s, which overlaps %s, sealed by promotion %s (line %d)",
				r.name, p.text, pr.to.text, pr.name, pr.line), "narrow the path: writes there are always refused")
		}
	}
}
