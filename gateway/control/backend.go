// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"time"
)

// Backend is what administration acts on: the running gateway.
type Backend interface {
	// Reload reads config and policy again. On any fault the old ones stay in
	// force and the error says what is wrong.
	Reload(ctx context.Context) (ReloadResult, error)
	// KEKs lists the key encryption keys with their versions.
	KEKs(ctx context.Context) ([]KEK, error)
	// Keyrings lists every keyring version.
	Keyrings(ctx context.Context) ([]Keyring, error)
	// RotateKEK makes a new version of a KEK and rewraps its keyring records.
	RotateKEK(ctx context.Context, name string) (Rotation, error)
	// Certs reports the gateway's own identity and its trust bundles.
	Certs(ctx context.Context) (Certs, error)
	// Entries lists the registration entries of the built-in authority.
	Entries(ctx context.Context) ([]Entry, error)
	// AddEntry registers a workload and gives the entry with its id.
	AddEntry(ctx context.Context, e Entry) (Entry, error)
	// DeleteEntry ends an entry; its holders lose their SVID at expiry.
	DeleteEntry(ctx context.Context, id string) error
	// Explain decides as the policy in force would.
	Explain(ctx context.Context, q ExplainQuery) (Explanation, error)
	// Records searches the audit log.
	Records(ctx context.Context, q RecordQuery) (Records, error)
}

// ReloadResult says what a reload changed.
type ReloadResult struct {
	PolicyDigest string   `json:"policy_digest"`
	Changed      []string `json:"changed"` // config fields and files that differ now
}

// KEK is a key encryption key.
type KEK struct {
	Name     string       `json:"kek"`
	Provider string       `json:"provider"`
	Version  string       `json:"kek_version"` // current
	Versions []KEKVersion `json:"versions"`
	Records  int          `json:"records"` // keyring records wrapped by it
}

// KEKVersion is one version of a KEK.
type KEKVersion struct {
	Version    string    `json:"kek_version"`
	Created    time.Time `json:"created"`
	AgeSeconds int64     `json:"age_seconds"`
	Records    int       `json:"records"` // keyring records still on it
}

// Keyring is one version of a keyring.
type Keyring struct {
	Scope      string    `json:"scope"`
	Keyring    string    `json:"keyring"` // id
	Version    uint32    `json:"keyring_version"`
	State      string    `json:"state"`
	KEK        string    `json:"kek"`
	KEKVersion string    `json:"kek_version"`
	Created    time.Time `json:"created"`
	AgeSeconds int64     `json:"age_seconds"`
}

// Rotation is the result of a KEK rotation.
type Rotation struct {
	KEK        string `json:"kek"`
	From       string `json:"from"`
	To         string `json:"to"`
	Records    int    `json:"records"`
	DurationUS int64  `json:"duration_us"`
}

// Certs is the gateway's own identity.
type Certs struct {
	ID        string    `json:"id"`
	Serial    string    `json:"cert_serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Bundles   []Bundle  `json:"bundles"`
}

// Bundle is the trust bundle of one trust domain.
type Bundle struct {
	TrustDomain string    `json:"trust_domain"`
	Authorities int       `json:"authorities"`
	NotAfter    time.Time `json:"not_after"` // of the authority that lasts longest
}

// Entry is a registration entry of the built-in authority.
type Entry struct {
	ID     string   `json:"id,omitempty"`
	SPIFFE string   `json:"spiffe_id"`
	UID    *uint32  `json:"uid,omitempty"`
	GID    *uint32  `json:"gid,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Exec   string   `json:"exec,omitempty"`
	DNS    []string `json:"dns,omitempty"`
}

// ExplainQuery asks what the policy says, or said of a recorded request.
type ExplainQuery struct {
	Who       string            `json:"who,omitempty"`
	Do        string            `json:"do,omitempty"`
	Path      string            `json:"path,omitempty"`
	At        time.Time         `json:"at,omitzero"`
	With      map[string]string `json:"with,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
}

// Explanation is a verdict with its grounds, one line each.
type Explanation struct {
	Allowed bool     `json:"allowed"`
	Lines   []string `json:"lines"`
}

// RecordQuery selects audit records; empty fields select all.
type RecordQuery struct {
	Who, Path, Event, Decision, RequestID string
	Since                                 time.Time
	Limit                                 int
	Skip                                  int // so many matches were answered already; the log only grows
}

// Records is one answer of an audit search, oldest first.
type Records struct {
	Items []map[string]any `json:"items"`
	Next  string           `json:"next"` // token of the next page, made by the server; empty: that was all
	More  bool             `json:"-"`    // what matches does not end here
}
