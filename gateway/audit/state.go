// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Errors that callers branch on. All of them mean 503 on the request path.
var (
	// ErrClosed: the log cannot write now (disk full, file removed, stalled
	// disk). It opens again by itself when the cause is gone.
	ErrClosed = errors.New("audit log closed")
	// ErrBusy: the queue is full.
	ErrBusy = errors.New("audit queue full")
	// ErrDeadline: the record was not durable within the commit deadline.
	ErrDeadline = errors.New("audit commit deadline exceeded")
	// ErrPoisoned: the disk failed a write or sync. The process must end with
	// exit code 74; only a new start, which verifies the files, may go on.
	ErrPoisoned = errors.New("audit log cannot be trusted")
	// ErrStopped: Close was called.
	ErrStopped = errors.New("audit log stopped")
	// ErrEnded: a second End of one Pending.
	ErrEnded = errors.New("outcome already recorded")
	// ErrTooLarge: the encoded record would exceed MaxRecord.
	ErrTooLarge = errors.New("audit record too large")
	// ErrLocked: another Log, here or in another process, has the directory.
	ErrLocked = errors.New("audit directory in use")
	// ErrIntegrity: files are missing, changed or cut. Open refuses, Verify
	// reports; exit code 4 of the verify verb.
	ErrIntegrity = errors.New("audit log damaged")
)

// Health of a log.
type Health uint8

// The states of AUDIT.md "Fail closed".
const (
	Healthy  Health = iota
	Closed          // 503 for everything that discloses or changes; opens again by itself
	Poisoned        // the process must exit with 74
)

func (h Health) String() string {
	switch h {
	case Healthy:
		return "healthy"
	case Closed:
		return "CLOSED"
	}
	return "POISONED"
}

// State is a snapshot for readiness, status and metrics.
type State struct {
	Health  Health
	Why     string // one line; empty when healthy
	Warning string // the log still serves but needs attention: space runs out, checkpoints fail
	Since   time.Time

	Log        string    // 8 hex digits
	Epoch      uint64    // of this start
	Records    uint64    // durable records, all epochs
	Queued     int       // waiting for a commit
	Refused    uint64    // intents and refusals turned away since Open
	Signed     uint64    // records that the newest checkpoint covers
	Checkpoint time.Time // when it was signed
}

// condition is the health of the running log. A poisoned one stays so.
type condition struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	health   Health
	why      string
	err      error // what requests get; nil while healthy
	since    time.Time
	warnings map[string]string // by what they are about
}

func newCondition(now func() time.Time) *condition {
	return &condition{now: now, since: now(), warnings: make(map[string]string)}
}

// err of the current state, nil while healthy.
func (c *condition) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// set moves to another state; false if the log is poisoned already.
func (c *condition) set(h Health, why string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.health == Poisoned {
		return false
	}
	if c.health != h {
		c.since = c.now()
	}
	c.health, c.why = h, why
	switch h {
	case Healthy:
		c.err = nil
	case Closed:
		c.err = fmt.Errorf("%w: %s", ErrClosed, why)
	case Poisoned:
		c.err = fmt.Errorf("%w: %s", ErrPoisoned, why)
	}
	return true
}

// warn sets or, with an empty text, lifts the warning about one thing.
func (c *condition) warn(about, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text == "" {
		delete(c.warnings, about)
		return
	}
	c.warnings[about] = text
}
