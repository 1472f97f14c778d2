// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"time"
)

const (
	// BeatEvery is how often a running replica says that it lives.
	BeatEvery = 5 * time.Second
	// LiveFor is how long after its last beat a replica counts as live.
	LiveFor = 3 * BeatEvery
)

// Instance is a running replica.
type Instance struct {
	// ID is random, new for each start.
	ID string
	// Host is the machine's name, for people.
	Host string
	// Boot tells one running kernel from every other: BootID's value. Empty if
	// there is none.
	Boot string
	// PID is the process id on Host.
	PID int
	// Lock is the held lock of the directory in which the database lies. It
	// proves that no other process of the same kernel uses the directory, so
	// that the row of a process that was killed does not stop its successor.
	// Nil: that proof is absent and every recent row counts.
	Lock *DirLock
}

// BootID returns a value that all processes of one running kernel share, in
// containers too, and that no other kernel has; empty where there is none.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Registration is the row of this replica.
type Registration struct {
	db *DB
	in Instance
}

// forgetAfter is how long the row of a replica that was killed stays on
// PostgreSQL. Nothing is decided by it.
const forgetAfter = 24 * time.Hour

// RegisterInstance notes this replica as running; rows of replicas that are
// gone are removed. On SQLite there is one: while another is live it is a
// *ReplicaError.
func (db *DB) RegisterInstance(ctx context.Context, in Instance) (*Registration, error) {
	const doing = "opening state"
	err := db.change(ctx, doing, pointInstanceRegister, func(ctx context.Context, tx *sql.Tx) error {
		gone := db.cfg.Now().Add(-forgetAfter)
		if !db.on.remote {
			if err := db.refuseLive(ctx, tx, in); err != nil {
				return err
			}
			gone = time.UnixMicro(1 << 62) // all: there is one
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM instances WHERE seen < $1", micros(gone)); err != nil {
			return err
		}
		return db.insertInstance(ctx, tx, in)
	})
	if err != nil {
		return nil, err
	}
	return &Registration{db: db, in: in}, nil
}

func (db *DB) insertInstance(ctx context.Context, tx *sql.Tx, in Instance) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO instances (id, host, boot, pid, started, seen) VALUES ($1, $2, $3, $4, $5, $5)",
		in.ID, in.Host, in.Boot, in.PID, micros(db.cfg.Now()))
	return err
}

// refuseLive returns a *ReplicaError for the first row of a live replica.
func (db *DB) refuseLive(ctx context.Context, tx *sql.Tx, in Instance) error {
	rows, err := tx.QueryContext(ctx, "SELECT id, host, boot, seen FROM instances ORDER BY seen DESC")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	for rows.Next() {
		var id, host, boot string
		var seen int64
		if err := rows.Scan(&id, &host, &boot, &seen); err != nil {
			return err
		}
		if in.outlives(boot) {
			continue
		}
		if age := db.cfg.Now().Sub(fromMicros(seen)); age.Abs() < LiveFor {
			return &ReplicaError{ID: id, Host: host, Seen: max(age, 0)}
		}
	}
	return rows.Err()
}

// outlives reports whether a replica registered under boot must be dead,
// because its kernel is ours and we hold the lock that it would hold.
func (in Instance) outlives(boot string) bool {
	return in.Lock != nil && in.Boot != "" && in.Boot == boot
}

// Beat says that this replica lives. ErrTooNew says that a newer binary has
// changed the tables in a way that this one does not understand; on SQLite it is
// a *ReplicaError if another replica has taken over since, as happens to a
// machine that slept. In both cases this process must stop.
func (r *Registration) Beat(ctx context.Context) error {
	return r.db.change(ctx, "renewing the replica's registration", pointInstanceBeat, func(ctx context.Context, tx *sql.Tx) error {
		if err := leastReader(ctx, tx); err != nil {
			return err
		}
		err := changed(tx.ExecContext(ctx, "UPDATE instances SET seen = $1 WHERE id = $2", micros(r.db.cfg.Now()), r.in.ID))
		switch {
		case !errors.Is(err, ErrConflict):
			return err
		case r.db.on.remote: // it was cut off for longer than its row was kept
			return r.db.insertInstance(ctx, tx, r.in)
		}
		return r.usurper(ctx, tx)
	})
}

// usurper names the replica whose row stands where ours was.
func (r *Registration) usurper(ctx context.Context, tx *sql.Tx) error {
	e := &ReplicaError{ID: "unknown", Host: "unknown"}
	var seen int64
	err := tx.QueryRowContext(ctx, "SELECT id, host, seen FROM instances LIMIT 1").Scan(&e.ID, &e.Host, &seen)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err == nil {
		e.Seen = max(r.db.cfg.Now().Sub(fromMicros(seen)), 0)
	}
	return e
}

// Run beats every BeatEvery until ctx ends, then removes the row and returns
// nil. ErrTooNew and a *ReplicaError end it at once. Any other error does when
// it lasts for LiveFor; on PostgreSQL it never does, since objects are read and
// written without the database.
func (r *Registration) Run(ctx context.Context) error {
	tick := time.NewTicker(BeatEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return r.leave(ctx)
		case <-tick.C:
		}
		err := r.Beat(ctx)
		switch {
		case err == nil:
			last = time.Now()
		case ctx.Err() != nil: // the loop's own end cut the beat short
		case errors.Is(err, ErrReplica), errors.Is(err, ErrTooNew), !r.db.on.remote && time.Since(last) >= LiveFor:
			return err
		}
	}
}

// leave is Release at the end of a process, which a database that is gone must
// not turn into a failure.
func (r *Registration) leave(ctx context.Context) error {
	err := r.Release(context.WithoutCancel(ctx))
	if r.db.on.remote && errors.Is(err, ErrUnavailable) {
		return nil
	}
	return err
}

// Release removes the row, so that the next start need not wait for LiveFor.
func (r *Registration) Release(ctx context.Context) error {
	return r.db.change(ctx, "removing the replica's registration", pointInstanceRelease, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM instances WHERE id = $1", r.in.ID)
		return err
	})
}
