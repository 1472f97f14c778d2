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

// RegisterInstance notes this replica as the one that is running. While another
// one is live it is a *ReplicaError; rows of replicas that are gone are removed.
func (db *DB) RegisterInstance(ctx context.Context, in Instance) (*Registration, error) {
	const doing = "opening state"
	err := db.change(ctx, doing, pointInstanceRegister, func(tx *sql.Tx) error {
		if err := db.refuseLive(ctx, tx, in); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM instances"); err != nil {
			return err
		}
		now := micros(db.cfg.Now())
		_, err := tx.ExecContext(ctx, "INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?)", in.ID, in.Host, in.Boot, in.PID, now, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Registration{db: db, in: in}, nil
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

// Beat says that this replica lives. It is a *ReplicaError if another one has
// taken over since, as happens to a machine that slept: this process must stop.
func (r *Registration) Beat(ctx context.Context) error {
	return r.db.change(ctx, "renewing the replica's registration", pointInstanceBeat, func(tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, "UPDATE instances SET seen = ? WHERE id = ?", micros(r.db.cfg.Now()), r.in.ID))
		if !errors.Is(err, ErrConflict) {
			return err
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
// nil. A beat that another replica's row answers ends it at once with that
// *ReplicaError; any other error only does when it lasts for LiveFor.
func (r *Registration) Run(ctx context.Context) error {
	tick := time.NewTicker(BeatEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return r.Release(context.WithoutCancel(ctx))
		case <-tick.C:
		}
		err := r.Beat(ctx)
		switch {
		case err == nil:
			last = time.Now()
		case ctx.Err() != nil: // the loop's own end cut the beat short
		case errors.Is(err, ErrReplica), time.Since(last) >= LiveFor:
			return err
		}
	}
}

// Release removes the row, so that the next start need not wait for LiveFor.
func (r *Registration) Release(ctx context.Context) error {
	return r.db.change(ctx, "removing the replica's registration", pointInstanceRelease, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM instances WHERE id = ?", r.in.ID)
		return err
	})
}
