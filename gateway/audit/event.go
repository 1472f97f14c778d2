// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"strconv"
	"time"
)

// Event says who wants to do what and why that is allowed or not: the content
// of an intent or deny record. Empty fields are left out of the record.
// AUDIT.md "Record" gives the meaning, length limit and source of each.
type Event struct {
	Event string // what kind of thing happens: artifact.read, key.rotate, config.reload ...

	Actor       string // SPIFFE ID, or local:uid/NAME on the control socket
	ActorType   string // service, human or system
	TrustDomain string
	Role        string // the role whose rule allowed it, or the last that could have
	CertSerial  string // hex
	CertSHA256  string // hex, of the leaf's DER
	Session     string // access key of the session that vouched, or was made

	Action    string // S3 operation or gateway verb: GetObject, PutObject, key-rotate
	Bucket    string // logical bucket
	Key       string // exact key bytes; of a listing the prefix asked for
	VersionID string
	Object    string // object id, 32 hex, when known
	Range     string // the Range header as asked; empty = whole object

	// BytesPlanned is the number of plaintext bytes that the answer would
	// have, when known before it begins. It bounds what a crash may hide.
	BytesPlanned int64

	Decision     string // allow or deny
	Rule         string // POLICY.md rule reference, such as roles.training.can[0]@12
	PolicyDigest string // hex SHA-256 of the policy's source
	Reason       string // closed list of reason words

	SrcIP           string
	UserAgent       string // cut to 256 bytes
	RequestID       string // ours, always set for requests
	ClientRequestID string
	TraceID         string

	// Detail holds what has no field of its own, as name and value; it is
	// encoded sorted by name. Never a secret, a key, or a header as received.
	Detail map[string]string

	// AwaitOutcome is set for everything that changes something: End is then
	// durable on return, and a missing outcome is reconciled after a crash.
	AwaitOutcome bool
}

// Outcome says what came of an intent.
type Outcome struct {
	Status  int    // HTTP status that the client was sent; 0 if none
	S3Error string // S3 error code
	Abort   string // why a transfer ended early: one of the Abort constants
	Error   string // internal cause, never sent to a client; cut to 512 bytes

	BytesSent     int64 // plaintext bytes written to the client's connection
	BytesReceived int64 // plaintext bytes read from the client
	Listed        int64 // keys and prefixes in a listing's answer

	Object         string // object id, 32 hex, when first known now
	VersionID      string
	ObjectDigest   string // keyed digest of the plaintext, hex
	Keyring        string // keyring id, hex
	KeyringVersion uint32
	KEK            string // name of a key encryption key, when this event moved one
	KEKVersion     string

	Duration time.Duration // since Begin; rounded to microseconds
	TTFB     time.Duration // until the first byte of the answer; 0 if none

	Detail map[string]string // as Event.Detail
}

// Values of Outcome.Abort.
const (
	AbortClientReset   = "client_reset"
	AbortClientTimeout = "client_timeout"
	AbortBackend       = "backend_error"
	AbortIntegrity     = "integrity_failure"
	AbortRevoked       = "revoked_midstream"
	AbortExpired       = "svid_expired"    // the certificate expired longer ago than max_overrun
	AbortSession       = "session_expired" // likewise the session
	AbortShutdown      = "shutdown"
	AbortPanic         = "panic"
	AbortWithdrawn     = "withdrawn" // the request gave up before its intent was durable: nothing was disclosed
	AbortCrash         = "crash"     // written by recovery
)

// Values of the result that [Log.Reconcile] records for a write whose outcome
// a crash swallowed. Present means: the object there carries the object id of
// the intent. The store's word alone is not enough for it.
const (
	ReconciledPending = "pending" // written by recovery, until Reconcile
	ReconciledPresent = "present"
	ReconciledAbsent  = "absent"
	ReconciledUnknown = "unknown"
)

// Receipt names one record of one log.
type Receipt struct {
	Log string // first 8 hex digits of the log's uuid
	Seq uint64 // the record's number, which is also its leaf index in the tree
}

// IsZero reports whether r names no record: a denial that was counted in a
// summary has no receipt of its own.
func (r Receipt) IsZero() bool { return r.Log == "" }

// String is LOG/SEQ, or empty for the zero receipt.
func (r Receipt) String() string {
	if r.IsZero() {
		return ""
	}
	return r.Log + "/" + strconv.FormatUint(r.Seq, 10)
}

// Recorder is what the request path sees of a log.
type Recorder interface {
	// Begin writes the intent of e. On a nil error the record is on stable
	// storage; on any error nothing may be disclosed or changed (answer 503).
	// It waits no longer than the commit deadline or ctx.
	Begin(ctx context.Context, e Event) (Pending, error)

	// Deny records a refusal before its 403 leaves. Above a rate per identity
	// refusals are counted in a summary that is written each second; the
	// receipt is then zero. An error means 503 instead of 403.
	Deny(ctx context.Context, e Event) (Receipt, error)
}

// Pending is an intent whose outcome is not known yet.
type Pending interface {
	// Receipt names the intent record.
	Receipt() Receipt

	// Progress notes, without waiting, that sent plaintext bytes have left so
	// far. Long transfers call it every GiB or minute.
	Progress(sent int64)

	// End records the outcome; calls after the first return ErrEnded. With
	// Event.AwaitOutcome it returns when the record is on stable storage, or
	// an error, and then the client must be told 503. Otherwise it only
	// queues the record. It ignores the cancellation of ctx: the outcome is
	// wanted most when the client has gone.
	End(ctx context.Context, o Outcome) error
}
