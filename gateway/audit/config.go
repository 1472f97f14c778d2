// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/ed25519"
	"errors"
	"time"
)

// Config of a Log. Only Dir is required.
type Config struct {
	// Dir is the audit directory, on a local file system. It is made, 0700,
	// if absent; an empty one starts a new log with a new uuid and key.
	Dir string
	// CommitDeadline bounds every wait for stable storage. Default 2 s.
	CommitDeadline time.Duration
	// Replica is a name for people, recorded at each start. Optional.
	Replica string
	// Info is recorded at each start.
	Info OpenInfo
	// Registered are all logs that the state database knows. If there are
	// any, a log of another uuid or key is refused, and so is one whose last
	// epoch is older than the newest registered: files were rolled back.
	Registered []Registration

	// SegmentSize in bytes at which a segment is sealed. Default 64 MiB.
	SegmentSize int64
	// SegmentAge at which a segment with records is sealed. Default 15 min.
	SegmentAge time.Duration
	// Reserve is how many bytes are zero-filled ahead of the last record.
	// Default 4 MiB. The log closes only when a batch does not fit into what
	// is reserved and more cannot be had.
	Reserve int64
	// ReopenFree is how many bytes must be free before a log that closed for
	// lack of space opens again. Default 128 MiB.
	ReopenFree int64
	// CheckpointEvery is the pace of checkpoints while the log grows.
	// Default 1 s.
	CheckpointEvery time.Duration
	// VerifyAtOpen is how many bytes of the newest segments Open verifies at
	// least. Default 64 MiB.
	VerifyAtOpen int64
	// DenyRate is the number of single deny records per second and identity
	// above which refusals are counted in a summary. Default 50.
	DenyRate int

	// Persist is called before each step that makes something durable, with
	// one of PersistPoints. Optional; for tests.
	Persist func(point string)
	// Now is the wall clock. Default time.Now. It orders nothing.
	Now func() time.Time
	// Observe is called after each commit, by one goroutine. Optional; must
	// not block.
	Observe func(Commit)

	disk disk // tests put faults here; default: the directory Dir
}

// withDefaults leaves no field at a value that the code would have to test for.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no audit directory given")
	}
	orDefault(&c.CommitDeadline, 2*time.Second)
	orDefault(&c.SegmentSize, 64<<20)
	orDefault(&c.SegmentAge, 15*time.Minute)
	orDefault(&c.Reserve, 4<<20)
	orDefault(&c.ReopenFree, 128<<20)
	orDefault(&c.CheckpointEvery, time.Second)
	orDefault(&c.VerifyAtOpen, 64<<20)
	orDefault(&c.DenyRate, 50)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(Commit) {}
	}
	if c.disk == nil {
		c.disk = osDisk{root: c.Dir}
	}
	return c, nil
}

// orDefault leaves no number at zero or below: none of them means "off".
func orDefault[N int | int64 | time.Duration](n *N, def N) {
	if *n <= 0 {
		*n = def
	}
}

// OpenInfo identifies what runs, for the record of each start.
type OpenInfo struct {
	Version      string // of the binary
	ConfigDigest string // hex SHA-256
	PolicyDigest string // hex SHA-256
}

// Commit describes one write and sync, for metrics.
type Commit struct {
	Records int
	Bytes   int
	Took    time.Duration // write and fdatasync
	Err     error
}

// Registration is what is written down about a log outside of it, so that a
// log replaced as a whole, key and all, is noticed.
type Registration struct {
	Log       string // uuid
	Epoch     uint64 // number of the start, from 1
	PublicKey ed25519.PublicKey
}
