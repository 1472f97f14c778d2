// SPDX-License-Identifier: Apache-2.0

package audit

import "time"

// Version of the record schema that this package writes and reads.
const Version = 1

// MaxRecord is the longest record in bytes, without its newline. It is the
// longest entry that C2SP tlog-tiles can carry.
const MaxRecord = 65535

// Phase says what a record is about.
type Phase string

// The phases of schema v1.
const (
	PhaseIntent   Phase = "intent"   // somebody may do something; durable before it happens
	PhaseProgress Phase = "progress" // how far a long transfer has come
	PhaseOutcome  Phase = "outcome"  // what came of an intent
	PhaseDeny     Phase = "deny"     // a refusal
	PhaseSummary  Phase = "summary"  // refusals that were counted
	PhaseNote     Phase = "note"     // the log about itself
)

func (p Phase) known() bool {
	switch p {
	case PhaseIntent, PhaseProgress, PhaseOutcome, PhaseDeny, PhaseSummary, PhaseNote:
		return true
	}
	return false
}

// Events of the log itself.
const (
	EventOpen      = "log.open"
	EventClose     = "log.close"
	EventReopen    = "log.reopen"
	EventDenials   = "deny.summary"
	EventHandshake = "handshake.refused"
)

// resultUnknown in a recovery outcome: the process died before the real one.
const resultUnknown = "unknown"

// wholeObject is the range_max of a read that asked for no range.
const wholeObject = "whole object"

// Record is one line of the log: schema v1 of AUDIT.md "Record", which gives
// the meaning of each field. The order of the fields is the order on disk; a
// field with its zero value is left out. Adding a field means adding it at the
// same place in encode.go; TestEncoderMatchesStructure fails otherwise.
type Record struct {
	Version int       `json:"v"`
	Log     string    `json:"log"`
	Seq     uint64    `json:"seq"`
	Batch   int       `json:"batch,omitempty"`
	Time    time.Time `json:"time"`
	MonoNS  int64     `json:"mono_ns,omitempty"`
	Phase   Phase     `json:"phase"`
	Of      uint64    `json:"of,omitempty"` // record 0 is always log.open, never an intent
	Event   string    `json:"event,omitempty"`

	Actor       string `json:"actor,omitempty"`
	ActorType   string `json:"actor_type,omitempty"`
	TrustDomain string `json:"trust_domain,omitempty"`
	Role        string `json:"role,omitempty"`
	CertSerial  string `json:"cert_serial,omitempty"`
	CertSHA256  string `json:"cert_sha256,omitempty"`

	Action       string `json:"action,omitempty"`
	Bucket       string `json:"bucket,omitempty"`
	Key          string `json:"key,omitempty"`
	KeyHex       string `json:"key_hex,omitempty"`
	VersionID    string `json:"version_id,omitempty"`
	Object       string `json:"object,omitempty"`
	Range        string `json:"range,omitempty"`
	BytesPlanned int64  `json:"bytes_planned,omitempty"`
	AwaitOutcome bool   `json:"await_outcome,omitempty"`

	Decision     string `json:"decision,omitempty"`
	Rule         string `json:"rule,omitempty"`
	PolicyDigest string `json:"policy_digest,omitempty"`
	Reason       string `json:"reason,omitempty"`

	SrcIP           string `json:"src_ip,omitempty"`
	UserAgent       string `json:"user_agent,omitempty"`
	RequestID       string `json:"request_id,omitempty"`
	ClientRequestID string `json:"client_request_id,omitempty"`
	TraceID         string `json:"trace_id,omitempty"`

	Status         int    `json:"status,omitempty"`
	S3Error        string `json:"s3_error,omitempty"`
	Abort          string `json:"abort,omitempty"`
	Error          string `json:"error,omitempty"`
	BytesSent      int64  `json:"bytes_sent,omitempty"`
	BytesReceived  int64  `json:"bytes_received,omitempty"`
	Listed         int64  `json:"listed,omitempty"`
	ObjectDigest   string `json:"object_digest,omitempty"`
	Keyring        string `json:"keyring,omitempty"`
	KeyringVersion uint32 `json:"keyring_version,omitempty"`
	KEK            string `json:"kek,omitempty"`
	KEKVersion     string `json:"kek_version,omitempty"`
	DurationUS     int64  `json:"duration_us,omitempty"`
	TTFBUS         int64  `json:"ttfb_us,omitempty"`

	Result     string `json:"result,omitempty"`
	Reconciled string `json:"reconciled,omitempty"`
	BytesMax   int64  `json:"bytes_max,omitempty"`
	RangeMax   string `json:"range_max,omitempty"`

	Count  uint64   `json:"count,omitempty"`
	Denied []string `json:"denied,omitempty"`

	UUID           string `json:"uuid,omitempty"`
	Epoch          uint64 `json:"epoch,omitempty"`
	PublicKey      string `json:"public_key,omitempty"`
	Replica        string `json:"replica,omitempty"`
	BinaryVersion  string `json:"version,omitempty"`
	ConfigDigest   string `json:"config_digest,omitempty"`
	TreeRoot       string `json:"tree_root,omitempty"`
	CheckpointSize uint64 `json:"checkpoint_size,omitempty"`
	TornBytes      int64  `json:"torn_bytes,omitempty"`
	TornSHA256     string `json:"torn_sha256,omitempty"`

	Detail map[string]string `json:"detail,omitempty"`

	Session string `json:"session,omitempty"`
}

// Path is BUCKET/KEY, or the bucket alone, or empty.
func (r *Record) Path() string {
	if r.Key == "" {
		return r.Bucket
	}
	return r.Bucket + "/" + r.Key
}

// Receipt names the record.
func (r *Record) Receipt() Receipt { return Receipt{Log: r.Log, Seq: r.Seq} }
