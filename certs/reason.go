// SPDX-License-Identifier: Apache-2.0

package certs

// Reason is the word for why a certificate was refused. The words are part of the
// audit record and of metrics, so they never change their meaning.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	ReasonNoCertificate      Reason = "no_certificate"       // the peer showed none
	ReasonChainTooLong       Reason = "chain_too_long"       // more than 4 certificates
	ReasonNoID               Reason = "no_spiffe_id"         // the leaf has no URI SAN
	ReasonManyIDs            Reason = "many_uri_sans"        // the leaf has more than one URI SAN
	ReasonBadID              Reason = "bad_spiffe_id"        // the URI SAN is not a strict SPIFFE ID
	ReasonRootID             Reason = "root_spiffe_id"       // the ID has no path: it names a trust domain, not a workload
	ReasonOwnID              Reason = "gateway_identity"     // the gateway's own identity is never a client
	ReasonLeafIsCA           Reason = "leaf_is_ca"           // the leaf is marked as an authority
	ReasonKeyUsage           Reason = "bad_key_usage"        // key usage lacks digitalSignature, or holds a right to sign certificates
	ReasonExtKeyUsage        Reason = "bad_ext_key_usage"    // extended key usage is there and does not allow this end of TLS
	ReasonWeakKey            Reason = "bad_key"              // a key of a kind or size that is not accepted
	ReasonLifetime           Reason = "lifetime_too_long"    // NotAfter - NotBefore is over the cap
	ReasonExpired            Reason = "svid_expired"         // now is NotAfter or later
	ReasonNotYetValid        Reason = "svid_not_yet_valid"   // now is before NotBefore
	ReasonUnknownTrustDomain Reason = "unknown_trust_domain" // no bundle for the ID's trust domain
	ReasonUntrusted          Reason = "untrusted_issuer"     // the chain does not verify against the bundle of the ID's trust domain
	ReasonDenied             Reason = "denied"               // a denial is in force
	ReasonUnexpectedID       Reason = "unexpected_spiffe_id" // a server other than the expected one
	ReasonNotReady           Reason = "not_ready"            // this process has no current bundles to check with
)

// RejectError says why a certificate was refused. Two match under errors.Is when
// their reasons are equal.
type RejectError struct {
	// Reason is the fixed word.
	Reason Reason
	// ID is the identity that the certificate claimed; nobody if it was not
	// readable. Unless Reason is one that is looked for after verification
	// (ReasonDenied), it is unproven.
	ID ID
	// Rule is the denial that applied, with ReasonDenied only.
	Rule Rule
	// Err is the cause, if there is more to say.
	Err error
}

// Sentinels for errors.Is with the errors of [Guard.Recheck] and [Verify].
var (
	ErrExpired            error = &RejectError{Reason: ReasonExpired}
	ErrDenied             error = &RejectError{Reason: ReasonDenied}
	ErrUnknownTrustDomain error = &RejectError{Reason: ReasonUnknownTrustDomain}
	ErrNotReady           error = &RejectError{Reason: ReasonNotReady}
)

// Error returns the reason with the claimed identity and the cause.
func (e *RejectError) Error() string {
	s := "certificate refused: " + string(e.Reason)
	if !e.ID.IsZero() {
		s += " (" + e.ID.String() + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *RejectError) Unwrap() error { return e.Err }

// Is matches another RejectError by its reason.
func (e *RejectError) Is(target error) bool {
	t, ok := target.(*RejectError)
	return ok && t.Reason == e.Reason
}
