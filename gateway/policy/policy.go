// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// Policy is a document that loaded without an error. It never changes.
type Policy struct {
	file        string
	digest      string
	trustDomain certs.TrustDomain
	others      []certs.TrustDomain // whose identities may be named, too
	identities  []*identity
	roles       []*role
	guardrails  []*rule
	promotions  []*promotion
	exceptions  []*exception
	shared      *node // guardrails and sealed paths, the same for everyone
}

// role is what the identities in who may and must not do.
type role struct {
	name    string
	line    int
	col     int
	who     []*identity
	cans    []*rule
	cannots []*rule
}

// promotion is checked and only seals its target (§8).
type promotion struct {
	name        string
	line        int
	col         int
	to          pattern
	requestedBy []*identity
	approvers   []*identity
	need        int
	seal        *rule
}

// exception is an elevation or a break-glass rule: checked, grants nothing (§8).
type exception struct {
	name string
	who  []*identity
}

// Parse reads a policy. It returns every fault and warning it finds, sorted, and
// a nil Policy if one of them is an error. The name file is for faults only.
func Parse(file string, src []byte) (*Policy, strictyaml.Faults) {
	var fs strictyaml.Faults
	b := newBuilder(file, &fs)
	b.document(strictyaml.Parse(file, src, &fs))
	fs.Sort()
	if fs.Errors() > 0 {
		return nil, fs
	}
	sum := sha256.Sum256(src)
	b.p.digest = hex.EncodeToString(sum[:])
	return b.p, fs
}

// Digest is the SHA-256 of the source in hex, which names the policy on the audit
// log.
func (p *Policy) Digest() string { return p.digest }

// TrustDomain is the gateway's own trust domain.
func (p *Policy) TrustDomain() certs.TrustDomain { return p.trustDomain }

// File is the name under which the policy was parsed.
func (p *Policy) File() string { return p.file }

// Principal is the policy compiled for one identity. It does not change and may
// be kept as long as the policy is in force.
type Principal struct {
	shared *node
	own    *node
}

// Principal compiles the rules that concern id. An ID that no identity of the
// policy matches, the zero ID among them, is granted nothing.
func (p *Policy) Principal(id certs.ID) *Principal {
	return p.compile(p.held(subject{id: id}))
}

// Local compiles the rules that concern a local user, given as "local:uid/NAME".
func (p *Policy) Local(name string) *Principal {
	return p.compile(p.held(subject{local: name}))
}

// holding is one identity of the policy that somebody matches.
type holding struct {
	identity *identity
	captures map[string]string
}

// held lists the identities that who matches.
func (p *Policy) held(who subject) []holding {
	var hs []holding
	for _, ident := range p.identities {
		if captures, ok := ident.match(who); ok {
			hs = append(hs, holding{ident, captures})
		}
	}
	return hs
}

// compile builds the tree of one identity.
func (p *Policy) compile(hs []holding) *Principal { return p.narrowed(hs, Narrowing{}) }

// narrowed builds the tree of one identity or session. Captures become literal
// segments here, so that a decision compares nothing but text. The narrowing
// takes grants away, never a refusal.
func (p *Policy) narrowed(hs []holding, n Narrowing) *Principal {
	own := &node{}
	for _, h := range hs {
		for _, r := range h.identity.roles {
			if !insertWithin(own, n.cut(r), h.captures, n.Scopes) || !insertAll(own, r.cannots, h.captures) {
				// A refusal that cannot be placed must not be dropped alone.
				return &Principal{shared: p.shared, own: &node{}}
			}
		}
	}
	return &Principal{shared: p.shared, own: own}
}

// insertAll places the rules of one role under what was captured; false if one
// cannot be placed.
func insertAll(root *node, rules []*rule, captures map[string]string) bool {
	for _, r := range rules {
		for _, path := range r.paths {
			bound, ok := path.bind(captures)
			if !ok {
				return false
			}
			if r.kind == roleCan && path.wildBucket() && isNamespace(bound.segs[0].text) {
				continue // a captured bucket is never a namespace (§4)
			}
			root.insert(r, bound)
		}
	}
	return true
}
