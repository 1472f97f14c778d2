// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

type identityKind uint8

const (
	workload  identityKind = iota // spiffe://
	localUser                     // local:uid/
	group                         // group:, matches nobody
)

const (
	spiffeScheme = "spiffe://"
	localScheme  = "local:uid/"
	groupScheme  = "group:"
	// gatewayPath is the identity of the gateway itself (§3).
	gatewayPath = "/gateway"
)

// identity is a named pattern of identities (§3).
type identity struct {
	name        string
	text        string // the pattern as written
	line, col   int
	kind        identityKind
	trustDomain certs.TrustDomain
	path        pattern // of a workload
	roles       []*role // that name it, in the order of the file
	used        bool
	faulty      bool // the pattern has a fault; known by name so that who does not fault as well
}

// subject is who asks: a workload or a local user.
type subject struct {
	id    certs.ID
	local string
}

// match reports whether who is meant by i, and what the captures then hold.
func (i *identity) match(who subject) (map[string]string, bool) {
	switch {
	case i.kind == localUser:
		return nil, who.local != "" && who.local == i.text
	case i.kind != workload, who.id.IsZero(), who.id.TrustDomain() != i.trustDomain, who.id.Path() == gatewayPath:
		return nil, false
	}
	return i.matchPath(strings.TrimPrefix(who.id.Path(), "/"))
}

// matchPath matches the path of a SPIFFE ID, without its first slash, to the end.
func (i *identity) matchPath(path string) (map[string]string, bool) {
	var captured map[string]string
	more := path != ""
	for _, s := range i.path.segs {
		if !more {
			return nil, false
		}
		var seg string
		seg, path, more = strings.Cut(path, "/")
		switch {
		case s.kind == literal && s.text != seg, s.kind == capture && !plainSegment(seg):
			return nil, false
		case s.kind == capture:
			if captured == nil {
				captured = make(map[string]string)
			}
			captured[s.text] = seg
		}
	}
	return captured, more == i.path.rest
}

// identity reads one entry of identities.
func (b *builder) identity(name, value *strictyaml.Node) {
	ident := &identity{name: name.Value, line: name.Line, col: name.Col}
	b.checkName(name, "identity")
	before := b.errors
	var ok bool
	ident.text, ok = b.text(value)
	switch {
	case !ok:
	case strings.HasPrefix(ident.text, spiffeScheme):
		b.workload(ident, value)
	case strings.HasPrefix(ident.text, localScheme):
		b.localUser(ident, value)
	case strings.HasPrefix(ident.text, groupScheme):
		b.group(ident, value)
	default:
		b.fault(value, "E021", quote(ident.text)+" is no identity", "write spiffe://TRUST_DOMAIN/..., group:NAME or local:uid/NAME")
	}
	ident.faulty = !ok || b.errors > before
	b.identities[ident.name] = ident
	b.p.identities = append(b.p.identities, ident)
}

// workload reads a SPIFFE pattern. The trust domain is compared as a whole and never
// matched by a pattern: acme.ai.evil ends like anything else.
func (b *builder) workload(ident *identity, value *strictyaml.Node) {
	rest := strings.TrimPrefix(ident.text, spiffeScheme)
	domain, path, found := strings.Cut(rest, "/")
	td, err := certs.ParseTrustDomain(domain)
	if err != nil {
		b.fault(value, "E021", "identity "+quote(ident.text)+": "+quote(domain)+" is not a trust domain", "")
		return
	}
	if !b.p.trustDomain.IsZero() && td != b.p.trustDomain && !slices.Contains(b.p.others, td) {
		b.fault(value, "E020", "trust domain "+quote(domain)+" is not "+quote(b.p.trustDomain.String()), "")
		return
	}
	ident.trustDomain = td
	if !found {
		b.fault(value, "E021", "identity "+quote(ident.text)+" names the trust domain itself, which no workload holds", "")
		return
	}
	if "/"+path == gatewayPath {
		b.fault(value, "E015", "identity "+quote(ident.text)+" is the gateway itself", "")
		return
	}
	b.workloadPath(ident, path, value)
}

// workloadPath reads the segments behind the trust domain.
func (b *builder) workloadPath(ident *identity, path string, value *strictyaml.Node) {
	p, f := parseSegments(path)
	if f == nil && slices.ContainsFunc(p.segs, func(s segment) bool { return s.kind == literal && !idSegment(s.text) }) {
		f = &pathFault{"E021", "SPIFFE IDs are of A-Z a-z 0-9 . _ -", ""}
	}
	if f != nil {
		b.fault(value, "E021", "identity "+quote(ident.text)+": "+f.text, f.hint)
		return
	}
	names := p.captures()
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			b.fault(value, "E017", "identity "+quote(ident.text)+" captures {"+name+"} twice", "")
		}
	}
	ident.path = p
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// idSegment reports whether a segment of a SPIFFE ID can be s.
func idSegment(s string) bool {
	return idForm.MatchString(s) && s != "." && s != ".."
}

// localUser reads a user of this machine, always by name.
func (b *builder) localUser(ident *identity, value *strictyaml.Node) {
	ident.kind = localUser
	if !idSegment(strings.TrimPrefix(ident.text, localScheme)) {
		b.fault(value, "E021", "identity "+quote(ident.text)+" names no user", "write local:uid/NAME; wildcards are not allowed")
	}
}

// group reads a group of people, whose members nobody can tell yet (§8).
func (b *builder) group(ident *identity, value *strictyaml.Node) {
	ident.kind = group
	if strings.TrimPrefix(ident.text, groupScheme) == "" || strings.ContainsAny(ident.text, "*{} ") {
		b.fault(value, "E021", "identity "+quote(ident.text)+" names no group", "write group:NAME; wildcards are not allowed")
		return
	}
	b.warn(value, "W060", quote(ident.text)+" matches nobody: groups are not enforced yet")
}
