// SPDX-License-Identifier: Apache-2.0

package state

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Errors that callers branch on. They come wrapped, with what was being done.
var (
	// ErrNotFound says that the row asked for does not exist.
	ErrNotFound = errors.New("not in the state database")
	// ErrConflict says that a row is not, or no longer, as the caller took it
	// to be: a lost compare-and-swap, or a name that is already taken.
	ErrConflict = errors.New("the state database holds something else")
	// ErrCorrupt says that the file is not a Sealgate state database, or that
	// its contents contradict themselves.
	ErrCorrupt = errors.New("damaged, or no sealgate state database; put back a backup and keep this file: without one of them the buckets stay closed")
	// ErrTooNew says that a newer binary wrote the database in a form that
	// this one does not understand.
	ErrTooNew = errors.New("a newer sealgate wrote it; run that version or a later one")
	// ErrStale says that a number which only ever grows was asked to go back.
	ErrStale = errors.New("older than what the state database has seen")
	// ErrReplica says that another live replica uses this deployment. The error
	// is a *ReplicaError.
	ErrReplica = errors.New("another replica is live")
	// ErrLocked says that another process owns the data directory. The error is
	// a *LockedError.
	ErrLocked = errors.New("the data directory is in use")
	// ErrNoSpace says that the disk is full. Nothing was changed.
	ErrNoSpace = errors.New("no space left for the state database")
	// ErrBusy says that another process held the database for longer than the
	// 5 s that a change waits. Nothing was changed.
	ErrBusy = errors.New("another process holds the state database")
	// ErrUnavailable says that PostgreSQL cannot be reached, or does not take
	// this connection. A change was then made whole or not at all; all but
	// CreateUpload and AddStaged can be made again to find out. Later calls
	// connect anew.
	ErrUnavailable = errors.New("the state database cannot be reached")
)

// A ReplicaError names the live replica because of which this one may not
// start. It unwraps to ErrReplica.
type ReplicaError struct {
	// ID and Host are what the other replica registered itself with.
	ID, Host string
	// Seen is how long ago it last said that it lives.
	Seen time.Duration
}

// Error names the other replica and what several replicas need instead.
func (e *ReplicaError) Error() string {
	return fmt.Sprintf("replica %s (host %s, seen %s ago) already uses these buckets with its own SQLite; several replicas need state.postgres",
		shortID(e.ID), e.Host, e.Seen.Round(time.Second))
}

// Unwrap returns ErrReplica.
func (e *ReplicaError) Unwrap() error { return ErrReplica }

// shortID is as much of a replica's id as a person needs to tell two apart.
func shortID(id string) string {
	return id[:min(len(id), 4)]
}

// wrap adds what was being done to err, and the sentinel that fits what the
// driver says. It returns nil for nil.
func wrap(doing string, err error) error {
	switch s := sentinelOf(err); {
	case err == nil:
		return nil
	case s == nil || errors.Is(err, s):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w (%w)", doing, s, lineError{err})
	}
}

// sentinelOf returns the sentinel for an error of a driver, nil if none fits.
func sentinelOf(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		return sentinelOfSQLite(e)
	}
	return sentinelOfPostgres(err)
}

func sentinelOfSQLite(e *sqlite3.Error) error {
	switch e.Code() & 0xff { // the low byte is the class, the rest details it
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return ErrCorrupt
	case lib.SQLITE_FULL:
		return ErrNoSpace
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return ErrBusy
	case lib.SQLITE_CONSTRAINT:
		return ErrConflict
	default:
		return nil
	}
}
