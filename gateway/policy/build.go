// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// builder turns a document into a policy, collecting faults.
type builder struct {
	p          *Policy
	fs         *strictyaml.Faults
	identities map[string]*identity
	zone       func(name string) (*time.Location, error)
	zones      map[string]*time.Location // one pointer per zone; nil for what did not load
	order      int                       // of the last rule
	named      []named
	hints      int // given so far
	errors     int // added by fault and at so far
}

func newBuilder(file string, fs *strictyaml.Faults) *builder {
	return &builder{
		p:          &Policy{file: file, shared: &node{}},
		fs:         fs,
		identities: make(map[string]*identity),
		zone:       time.LoadLocation,
		zones:      make(map[string]*time.Location),
	}
}

func quote(s string) string { return strconv.Quote(s) }

// fault adds an error at n and counts it, so that callers can tell whether what
// they read had one.
func (b *builder) fault(n *strictyaml.Node, code, text, hint string) {
	b.errors++
	n.Fault(b.fs, code, text, hint)
}

// text reads a text that must not be empty; false means that it has a fault.
func (b *builder) text(n *strictyaml.Node) (string, bool) { return text(b.fs, n) }

func text(fs *strictyaml.Faults, n *strictyaml.Node) (string, bool) {
	before := len(*fs)
	s := n.String(fs)
	if s == "" && n != nil && len(*fs) == before {
		n.Fault(fs, "E006", "the text is empty", "")
	}
	return s, n != nil && len(*fs) == before
}

// warn adds a warning: the policy loads all the same.
func (b *builder) warn(n *strictyaml.Node, code, text string) { n.Fault(b.fs, code, text, "") }

// document reads the whole. What only names something comes before what uses it,
// whatever the order in the file.
func (b *builder) document(root *strictyaml.Node) {
	f := root.Fields(b.fs, "version", "trust_domain", "trust_domains", "identities", "roles", "guardrails", "promotions", "elevations", "break_glass")
	root.Need(b.fs, f, "version", "trust_domain")
	checkVersion(b.fs, f["version"])
	b.trustDomain(f["trust_domain"])
	for _, n := range items(b.fs, f["trust_domains"]) {
		b.otherDomain(n)
	}
	for _, e := range pairs(b.fs, f["identities"]) {
		b.identity(e.Key, e.Value)
	}
	for _, e := range pairs(b.fs, f["roles"]) {
		b.role(e.Key, e.Value)
	}
	for _, n := range items(b.fs, f["guardrails"]) {
		b.guardrail(n)
	}
	for _, n := range items(b.fs, f["promotions"]) {
		b.promotion(n)
	}
	for _, n := range items(b.fs, f["elevations"]) {
		b.elevation(n)
	}
	for _, n := range items(b.fs, f["break_glass"]) {
		b.breakGlass(n)
	}
	b.uniqueNames()
	b.checkSealed()
}

// pairs and items let a section be given without content.
func pairs(fs *strictyaml.Faults, n *strictyaml.Node) []strictyaml.Pair {
	if !n.Present() {
		return nil
	}
	return n.Pairs(fs)
}

func items(fs *strictyaml.Faults, n *strictyaml.Node) []*strictyaml.Node {
	if !n.Present() {
		return nil
	}
	return n.List(fs)
}

// checkVersion refuses what a later version wrote: its rules could mean something
// else here.
func checkVersion(fs *strictyaml.Faults, n *strictyaml.Node) {
	if n.Present() && (n.Kind != strictyaml.Scalar || n.Quoted || n.Value != "1") {
		n.Fault(fs, "E008", "this version of the document is not known", "write version: 1")
	}
}

// trustDomain comes before all identities: they are compared with it.
func (b *builder) trustDomain(n *strictyaml.Node) {
	if !n.Present() {
		return
	}
	name, ok := b.text(n)
	td, err := certs.ParseTrustDomain(name)
	if err != nil && ok {
		b.fault(n, "E020", quote(name)+" is not a trust domain", "write it without spiffe://, in lower case")
	}
	b.p.trustDomain = td
}

// otherDomain reads one of the further trust domains.
func (b *builder) otherDomain(n *strictyaml.Node) {
	name, ok := b.text(n)
	td, err := certs.ParseTrustDomain(name)
	switch {
	case !ok:
	case err != nil:
		b.fault(n, "E020", quote(name)+" is not a trust domain", "write it without spiffe://, in lower case")
	case td == b.p.trustDomain || slices.Contains(b.p.others, td):
		b.fault(n, "E010", "the trust domain "+quote(name)+" is given twice", "")
	default:
		b.p.others = append(b.p.others, td)
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// checkName keeps names to what can stand in a log line, a URL and a shell without
// quoting.
func (b *builder) checkName(n *strictyaml.Node, what string) {
	if !nameForm.MatchString(n.Value) {
		b.fault(n, "E010", what+" name "+quote(n.Value)+" has to be of A-Z a-z 0-9 . _ - and at most 128 long", "")
	}
}

// name reads a field name of an entry in a list.
func (b *builder) name(n *strictyaml.Node, what string) string {
	if !n.Present() {
		return ""
	}
	name, ok := b.text(n)
	if ok {
		b.checkName(n, what)
	}
	return name
}

// whom reads a list of identity names.
func (b *builder) whom(n *strictyaml.Node) []*identity {
	if !n.Present() {
		return nil
	}
	var who []*identity
	seen := make(map[*identity]bool)
	for _, item := range b.filled(n) {
		name, ok := b.text(item)
		ident := b.identities[name]
		switch {
		case !ok:
		case ident == nil:
			b.fault(item, "E016", "no identity "+quote(name), b.identityHint(name))
		case !seen[ident]:
			seen[ident], ident.used = true, true
			who = append(who, ident)
		}
	}
	return who
}

// maxHints bounds the guesses at misspelled identities, each of which looks at
// all of them.
const maxHints = 100

func (b *builder) identityHint(name string) string {
	if b.hints++; b.hints > maxHints {
		return ""
	}
	return strictyaml.DidYouMean(name, b.p.identityNames())
}

func (p *Policy) identityNames() []string {
	names := make([]string, 0, len(p.identities))
	for _, i := range p.identities {
		names = append(names, i.name)
	}
	return names
}

// filled returns the items of a list that must not be empty.
func (b *builder) filled(n *strictyaml.Node) []*strictyaml.Node {
	l := n.List(b.fs)
	if len(l) == 0 && n.Kind == strictyaml.List {
		b.fault(n, "E010", "the list is empty: it would match nothing", "")
	}
	return l
}

// verbs reads a list of verbs.
func (b *builder) verbs(n *strictyaml.Node) verbSet {
	var set verbSet
	if !n.Present() {
		return 0
	}
	for _, item := range b.filled(n) {
		set |= parseVerb(b.fs, item).bit()
	}
	return set
}

// parseVerb reads one verb, also of a table of tests.
func parseVerb(fs *strictyaml.Faults, n *strictyaml.Node) Verb {
	name, ok := text(fs, n)
	v, known := ParseVerb(name)
	if ok && !known {
		n.Fault(fs, "E011", "no action "+quote(name), strictyaml.DidYouMean(name, verbNames[1:]))
	}
	return v
}

// paths reads a list of patterns on which the given verbs must make sense. For a
// refusal a wildcard bucket reaches everything, so there all verbs do.
func (b *builder) paths(n *strictyaml.Node, verbs verbSet, kind ruleKind) []pattern {
	if !n.Present() {
		return nil
	}
	var ps []pattern
	for _, item := range b.filled(n) {
		p, ok := b.path(item)
		if !ok {
			continue
		}
		ps = append(ps, p)
		if p.wildBucket() && kind != roleCan {
			continue
		}
		b.checkVerbs(item, p, verbs)
	}
	return ps
}

// checkVerbs faults a verb that the place does not know. Such a rule would never
// match anything, and a refusal that never does looks like protection.
func (b *builder) checkVerbs(n *strictyaml.Node, p pattern, verbs verbSet) {
	allowed := dataVerbs
	if p.segs[0] == (segment{literal, "gateway"}) {
		allowed = gatewayVerbs
	}
	for _, v := range (verbs &^ allowed).verbs() {
		text := fmt.Sprintf("path %q: %s exists on gateway/** only", p.text, v)
		if allowed == gatewayVerbs {
			text = fmt.Sprintf("path %q: %s does not exist on gateway/**", p.text, v)
		}
		b.fault(n, "E014", text, "")
	}
}

// uniqueNames reports names that two entries of one list have.
func (b *builder) uniqueNames() {
	seen := map[string]bool{}
	for _, f := range b.named {
		key := f.section + "." + f.node.Value
		if seen[key] {
			b.fault(f.node, "E010", "the name "+quote(f.node.Value)+" is given twice in "+f.section, "")
		}
		seen[key] = true
	}
}
