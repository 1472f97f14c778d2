// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"time"
)

// Query is what one identity wants to do.
type Query struct {
	Verb   Verb
	Bucket string    // logical name, or the namespace gateway, secrets or audit
	Key    string    // exact bytes, decoded once; the empty key is never granted
	Now    time.Time // for days and hours; zero is an unknown time (§6)
}

// Decision is the answer to a query. The zero value is a refusal.
type Decision struct {
	q      Query
	rule   *rule // the deciding one, nil if none did
	reason Reason
	allow  bool
}

// ErrDenied is returned by [Decision.Grant] of a refusal.
var ErrDenied = errors.New("denied by policy")

// Allowed reports whether the query is granted.
func (d Decision) Allowed() bool { return d.allow }

// Reason is why the query is refused, empty if it is allowed.
func (d Decision) Reason() Reason {
	if !d.allow && d.reason == "" {
		return NoGrant
	}
	return d.reason
}

// Rule names the deciding rule and its line, for example
// "roles.training.can[0]@31". It is empty if no rule decided. It is for the audit
// log and operators and must not be shown to the client.
func (d Decision) Rule() string {
	if d.rule == nil {
		return ""
	}
	return d.rule.id
}

// Role is the role of the deciding rule, empty if none or a guardrail decided.
func (d Decision) Role() string {
	if d.rule == nil {
		return ""
	}
	return d.rule.role
}

// Because is the explanation that the policy gives for a refusal, often empty. It
// is for operators and must not be shown to the client.
func (d Decision) Because() string {
	if d.rule == nil {
		return ""
	}
	return d.rule.because
}

// Grant is the capability to do what was allowed, [ErrDenied] otherwise.
func (d Decision) Grant() (Grant, error) {
	if !d.allow {
		return Grant{}, ErrDenied
	}
	return Grant{verb: d.q.Verb, bucket: d.q.Bucket, key: d.q.Key}, nil
}

// Grant says that one verb was allowed on one key. Only an allowing decision
// makes one; the zero value is not valid.
type Grant struct {
	verb   Verb
	bucket string
	key    string
}

// Valid reports whether g was made by an allowing decision.
func (g Grant) Valid() bool { return g.verb != 0 }

// Verb is what was allowed.
func (g Grant) Verb() Verb { return g.verb }

// Bucket is the bucket in which it was allowed.
func (g Grant) Bucket() string { return g.bucket }

// Key is the key on which it was allowed: of a list the prefix asked for, of a
// bucket as a whole "".
func (g Grant) Key() string { return g.key }
