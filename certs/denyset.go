// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"slices"
	"strings"
	"time"
)

// denySet is one generation of the denials, indexed for lookup. It never changes.
type denySet struct {
	generation uint64
	rules      []Rule

	ids, prefixes, before map[ID]Rule
	domains               map[TrustDomain]Rule
	serials               map[serialKey]Rule
	keys                  map[[32]byte]Rule
}

type serialKey struct{ issuer, serial string }

func newDenySet(generation uint64, rules []Rule) *denySet {
	s := &denySet{
		generation: generation, rules: rules,
		ids: map[ID]Rule{}, prefixes: map[ID]Rule{}, before: map[ID]Rule{},
		domains: map[TrustDomain]Rule{}, serials: map[serialKey]Rule{}, keys: map[[32]byte]Rule{},
	}
	for _, r := range rules {
		s.index(r)
	}
	return s
}

func (s *denySet) index(r Rule) {
	switch r.Kind {
	case DenyID:
		s.ids[r.ID] = r
	case DenyPrefix:
		s.prefixes[r.ID] = r
	case DenyTrustDomain:
		s.domains[r.TrustDomain] = r
	case DenySerial:
		s.serials[serialKey{r.IssuerSKI, r.Serial}] = r
	case DenySPKI:
		s.keys[r.SPKI] = r
	case DenyIssuedBefore:
		s.before[r.ID] = r
	}
}

// check looks each index up once, and each prefix of the ID once.
func (s *denySet) check(p *Peer, now time.Time) (Rule, bool) {
	if len(s.rules) == 0 {
		return Rule{}, false
	}
	if r, ok := s.ids[p.ID]; ok && r.inForce(now) {
		return r, true
	}
	if r, ok := s.domains[p.ID.TrustDomain()]; ok && r.inForce(now) {
		return r, true
	}
	if r, ok := s.serials[serialKey{p.IssuerSKI, p.Serial}]; ok && r.inForce(now) {
		return r, true
	}
	if r, ok := s.keys[p.SPKI]; ok && r.inForce(now) {
		return r, true
	}
	if r, ok := s.before[p.ID]; ok && p.NotBefore.Before(r.Before) && r.inForce(now) {
		return r, true
	}
	return s.checkPrefixes(p.ID, now)
}

// checkPrefixes cuts the path at its slashes only: a denial of /ns/a says nothing
// of /ns/ab.
func (s *denySet) checkPrefixes(id ID, now time.Time) (Rule, bool) {
	if len(s.prefixes) == 0 || id.IsZero() {
		return Rule{}, false
	}
	for {
		if r, ok := s.prefixes[id]; ok && r.inForce(now) {
			return r, true
		}
		i := strings.LastIndexByte(id.Path(), '/')
		if i < 0 {
			return Rule{}, false
		}
		id.text = id.text[:id.pathAt+i]
	}
}

func (r Rule) inForce(now time.Time) bool { return r.Until.IsZero() || now.Before(r.Until) }

// target is r without what does not choose whom it hits.
func (r Rule) target() Rule {
	r.Before, r.Until = time.Time{}, time.Time{}
	return r
}

// without drops every rule with the same target as r.
func without(rules []Rule, r Rule) []Rule {
	return slices.DeleteFunc(rules, func(have Rule) bool { return have.target() == r.target() })
}
