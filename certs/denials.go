// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// RuleKind says which part of a peer a denial looks at.
type RuleKind uint8

// The kinds of denial.
const (
	DenyID           RuleKind = iota + 1 // exactly Rule.ID
	DenyPrefix                           // Rule.ID and everything below it, at a segment boundary
	DenyTrustDomain                      // everybody of Rule.TrustDomain
	DenySerial                           // the certificate Rule.Serial of the issuer Rule.IssuerSKI
	DenySPKI                             // whatever certificate holds the key Rule.SPKI
	DenyIssuedBefore                     // certificates of Rule.ID whose NotBefore is before Rule.Before
)

var kindNames = [...]string{"", "id", "prefix", "trust_domain", "serial", "spki", "issued_before"}

// String returns the kind's word, as on the audit log.
func (k RuleKind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("rule_kind_%d", uint8(k))
	}
	return kindNames[k]
}

// Rule is one denial. Only the fields that its Kind names count; the others are
// left zero, so that equal denials are equal values.
type Rule struct {
	// Kind selects the fields that count.
	Kind RuleKind
	// ID of DenyID, DenyPrefix and DenyIssuedBefore.
	ID ID
	// TrustDomain of DenyTrustDomain.
	TrustDomain TrustDomain
	// IssuerSKI and Serial of DenySerial, in lower-case hex as in [Peer].
	IssuerSKI, Serial string
	// SPKI of DenySPKI: SHA-256 of the SubjectPublicKeyInfo.
	SPKI [32]byte
	// Before of DenyIssuedBefore. A workload that is issued a new certificate
	// after Before is let in again.
	Before time.Time
	// Until ends the denial; zero is never.
	Until time.Time
}

// ErrRule is wrapped by the errors of [Denials.Deny]: the rule denies nothing that
// can be said.
var ErrRule = errors.New("not a denial")

// Check reports whether the fields that r's kind needs are there. The error
// wraps [ErrRule].
func (r Rule) Check() error {
	ok := false
	switch r.Kind {
	case DenyID, DenyPrefix:
		ok = !r.ID.IsZero()
	case DenyTrustDomain:
		ok = !r.TrustDomain.IsZero()
	case DenySerial:
		ok = r.IssuerSKI != "" && r.Serial != ""
	case DenySPKI:
		ok = r.SPKI != [32]byte{}
	case DenyIssuedBefore:
		ok = !r.ID.IsZero() && !r.Before.IsZero()
	}
	if !ok {
		return fmt.Errorf("%w: %s without what it is to match", ErrRule, r.Kind)
	}
	return nil
}

// Denials is the set of identities and certificates that are refused whatever
// else says yes. The zero value is not usable; see [NewDenials]. It is safe for
// use by many goroutines; Check takes no lock and allocates nothing.
type Denials struct {
	set atomic.Pointer[denySet]

	mu      sync.Mutex    // orders changes
	changed chan struct{} // guarded by mu; closed and replaced at each change
}

// NewDenials returns an empty set at generation 1.
func NewDenials() *Denials {
	d := &Denials{changed: make(chan struct{})}
	d.set.Store(newDenySet(1, nil))
	return d
}

// Deny adds a rule. It is in force when Deny returns. The error wraps [ErrRule],
// and then nothing has changed.
func (d *Denials) Deny(r Rule) error {
	if err := r.Check(); err != nil {
		return err
	}
	d.change(func(rules []Rule) []Rule { return append(without(rules, r), r) })
	return nil
}

// Allow lifts the denial that matches what r matches, whatever its end. It grants
// nothing. It reports whether there was one.
func (d *Denials) Allow(r Rule) bool {
	before := len(d.Rules())
	d.change(func(rules []Rule) []Rule { return without(rules, r) })
	return len(d.Rules()) < before
}

// Replace puts a whole new set in force at once. The error wraps [ErrRule], and
// then nothing has changed.
func (d *Denials) Replace(rules []Rule) error {
	for _, r := range rules {
		if err := r.Check(); err != nil {
			return err
		}
	}
	d.change(func([]Rule) []Rule { return rules })
	return nil
}

// Rules returns the rules in force, in the order in which they were made.
func (d *Denials) Rules() []Rule {
	set := d.set.Load()
	return append([]Rule(nil), set.rules...)
}

// Check returns the rule that denies p at now, if one does. A nil Denials denies
// nobody.
func (d *Denials) Check(p Peer, now time.Time) (Rule, bool) {
	if d == nil {
		return Rule{}, false
	}
	return d.set.Load().check(&p, now)
}

// Generation counts the changes, from 1 on; it is 0 for a nil Denials. A peer that
// was not denied at a generation is not denied later at the same generation: rules
// end with time, none begins.
func (d *Denials) Generation() uint64 {
	if d == nil {
		return 0
	}
	return d.set.Load().generation
}

// Changed returns a channel that is closed at the next change. Call it before
// reading the set, or a change between the two is missed. It is nil, so never
// ready, for a nil Denials.
func (d *Denials) Changed() <-chan struct{} {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *Denials) change(edit func([]Rule) []Rule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.set.Load()
	d.set.Store(newDenySet(old.generation+1, edit(append([]Rule(nil), old.rules...))))
	close(d.changed)
	d.changed = make(chan struct{})
}
