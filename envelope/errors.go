// SPDX-License-Identifier: Apache-2.0

package envelope

import "errors"

// What a KEK adapter reports. Callers branch on these: the first two are
// worth a retry and let cached keys live on, the others evict them at once.
var (
	// ErrUnavailable: the key service cannot be reached or does not answer.
	ErrUnavailable = errors.New("envelope: key service unavailable")
	// ErrThrottled: the key service asks to come back later.
	ErrThrottled = errors.New("envelope: key service throttled")
	// ErrDenied: the key service refuses this caller or this key.
	ErrDenied = errors.New("envelope: key service denied access")
	// ErrKeyGone: the KEK, or the version asked for, is disabled or destroyed.
	ErrKeyGone = errors.New("envelope: key encryption key is gone")
	// ErrTampered: a wrapped key or its record does not verify under its
	// context, or opens to another key than the one that was wrapped.
	ErrTampered = errors.New("envelope: wrapped key does not verify")
)

// What is reported about a caller's input.
var (
	// ErrTooLarge: a size exceeds a limit of FORMAT §12.
	ErrTooLarge = errors.New("envelope: size over the limit")
	// ErrTooSmall: a part other than the last is under MinPartSize.
	ErrTooSmall = errors.New("envelope: part under the minimum size")
	// ErrLength: the plaintext is longer than its declared size.
	ErrLength = errors.New("envelope: plaintext longer than declared")
	// ErrAttrTooLarge: the client's metadata exceeds its budget (FORMAT §6).
	ErrAttrTooLarge = errors.New("envelope: metadata over the budget")
	// ErrAttrInvalid: the client's metadata cannot be stored (FORMAT §6).
	ErrAttrInvalid = errors.New("envelope: invalid metadata")
	// ErrKeyring: a copy was to share its DEK with a source that another
	// keyring wraps (FORMAT §5).
	ErrKeyring = errors.New("envelope: source and copy have different keyrings")
	// ErrUsed: a Sealer or PartSealer was asked for a second body. Its IV
	// would key two different plaintexts.
	ErrUsed = errors.New("envelope: sealer already used")
	// ErrRange: a range lies outside the plaintext.
	ErrRange = errors.New("envelope: range outside the object")
	// ErrNoManifest: a multipart object's body was to be read before its
	// manifest, so that the layout is unknown.
	ErrNoManifest = errors.New("envelope: manifest not read yet")
	// ErrParts: a list of parts is not one that a manifest can hold (FORMAT §9).
	ErrParts = errors.New("envelope: invalid list of parts")
)

// ErrAuth is the one answer to stored data that does not verify, whatever is
// wrong with it: malformed, damaged, truncated, moved, spliced or sealed under
// another key. What exactly failed is for the audit log alone: see Fault.
var ErrAuth = errors.New("envelope: integrity check failed")

// The names of the rules that FORMAT.md puts in [brackets].
const (
	ruleMetadata   = "metadata"
	ruleVersion    = "version"
	ruleSuite      = "suite"
	ruleKind       = "kind"
	ruleSize       = "size"
	ruleWrap       = "wrap"
	ruleCommitment = "commitment"
	ruleFLOE       = "floe-header"
	ruleAttributes = "attributes"
	ruleSegment    = "segment"
	ruleLength     = "length"
	rulePadding    = "padding"
	ruleManifest   = "manifest"
	ruleFooter     = "footer"
	ruleReceipt    = "receipt"
)

// authError carries the broken rule beside the vague text.
type authError struct{ rule string }

func (e *authError) Error() string { return ErrAuth.Error() }
func (e *authError) Unwrap() error { return ErrAuth }

// Fault names the FORMAT.md rule that an ErrAuth error broke, such as
// "footer", or "" if err is not of that kind. It is meant for the audit
// record, never for the client.
func Fault(err error) string {
	if e, ok := errors.AsType[*authError](err); ok {
		return e.rule
	}
	return ""
}
