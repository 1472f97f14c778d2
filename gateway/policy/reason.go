// SPDX-License-Identifier: Apache-2.0

package policy

// Reason is why a request was refused, as one word from a closed list: the same
// in the answer to the client, the audit record and the metrics (§2). The empty
// Reason is that of an allowed request.
type Reason string

// The reasons that a decision of this package gives.
const (
	NoGrant        Reason = "no_grant"
	RoleCannot     Reason = "role_cannot"
	Guardrail      Reason = "guardrail"
	Sealed         Reason = "sealed"
	OutsideHours   Reason = "outside_hours"
	ConditionUnmet Reason = "condition_unmet"
	ReservedName   Reason = "reserved_name"
)

// The reasons that others give, before or after the policy is asked.
const (
	IdentityDenied     Reason = "identity_denied"
	SVIDExpired        Reason = "svid_expired"
	UnknownTrustDomain Reason = "unknown_trust_domain"
	SessionExpired     Reason = "session_expired"
	SignatureMismatch  Reason = "signature_mismatch"
	Unsigned           Reason = "unsigned"
	UnmanagedObject    Reason = "unmanaged_object"
	Stale              Reason = "policy_stale"
)

// Reasons is the whole list.
var Reasons = []Reason{
	NoGrant, RoleCannot, Guardrail, Sealed, OutsideHours, ConditionUnmet, IdentityDenied, SVIDExpired,
	UnknownTrustDomain, SessionExpired, SignatureMismatch, Unsigned, ReservedName, UnmanagedObject, Stale,
}
