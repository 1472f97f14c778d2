// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"time"
)

// Locker is a Store whose backend can keep versions of objects from being
// deleted. Whether it does is the bucket's: where it does not, all of this is
// ErrNoLock. The backend alone holds to a lock, and could drop it: no decision of
// the gateway rests on one.
//
// There is no way to take a lock off. A backend may let some do that; what would
// ask it to is never sent.
type Locker interface {
	Versioner

	// CreateLocked is Multiparter.CreateMultipart of an object that will be
	// locked when it appears.
	CreateLocked(ctx context.Context, key, metadata string, lock Lock) (upload string, err error)

	// Retain keeps a version, the current one for "", from being deleted until a
	// time. ErrLocked: it is kept for longer, or more strictly. ErrNotFound.
	Retain(ctx context.Context, key, version string, r Retention) error

	// LockRule tells what the bucket locks of its own accord.
	LockRule(ctx context.Context) (LockRule, error)
}

// Modes of a retention.
const (
	Governance = "GOVERNANCE" // the backend lets some take it off
	Compliance = "COMPLIANCE" // nobody does
)

// States of a legal hold.
const (
	HoldOn  = "ON"
	HoldOff = "OFF"
)

// Retention keeps a version until a time. The zero value does not.
type Retention struct {
	Mode  string    // Governance or Compliance
	Until time.Time // UTC, whole seconds
}

// Lock is all that keeps a version. The zero value does not.
type Lock struct {
	Retention
	Hold string // HoldOn, HoldOff, or "" for never said
}

// IsZero reports whether nothing is said about a lock.
func (l Lock) IsZero() bool { return l == Lock{} }

// Holds reports whether the version must not be deleted at a time.
func (l Lock) Holds(now time.Time) bool { return l.Hold == HoldOn || now.Before(l.Until) }

// Check returns an error that wraps ErrOptions for a lock that is none.
func (l Lock) Check() error {
	if l.Hold != "" && l.Hold != HoldOn && l.Hold != HoldOff {
		return fmt.Errorf("legal hold %.20q: %w", l.Hold, ErrOptions)
	}
	if l.Retention == (Retention{}) {
		return nil
	}
	return l.Retention.Check()
}

// Check returns an error that wraps ErrOptions for a retention that is none.
func (r Retention) Check() error {
	if r.Mode != Governance && r.Mode != Compliance {
		return fmt.Errorf("mode of retention %.20q: %w", r.Mode, ErrOptions)
	}
	if y := r.Until.Year(); y < 1970 || y > 9999 || !r.Until.Equal(r.Until.Truncate(time.Second)) {
		return fmt.Errorf("end of retention %v: %w", r.Until, ErrOptions)
	}
	return nil
}

// LockRule is what a bucket does with every new version. The zero value is
// nothing.
type LockRule struct {
	Mode        string // Governance, Compliance, or "" for no rule
	Days, Years int    // how long, with Mode; one of them is set
}
