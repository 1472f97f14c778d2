// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"fmt"
)

// LockRecords waits for whoever reads or writes record objects in buckets and
// keeps others out until unlock is called: between a bucket and its rows there
// is no transaction, and a record on its way from one to the other looks like
// damage. It belongs to the database and not to its users, since a reload of
// the configuration makes a second one beside the first.
//
// On PostgreSQL it also keeps other replicas out; one that holds it for longer
// than 2 min is ErrBusy. There it can be lost with its connection, without a
// sign. What must hold even so, rows see to: see the package doc.
func (db *DB) LockRecords(ctx context.Context) (unlock func(), err error) {
	const doing = "waiting for the keyring records"
	select {
	case db.records <- struct{}{}:
	case <-ctx.Done():
		return nil, wrap(doing, ctx.Err())
	}
	if !db.on.remote {
		return func() { <-db.records }, nil
	}
	release, err := db.exclusive(ctx, lockRecords)
	if err != nil {
		<-db.records
		return nil, wrap(doing, err)
	}
	return func() { release(); <-db.records }, nil
}

// BeginRotation claims the one rotation that may run, on PostgreSQL of all
// replicas; false if one runs. The caller calls end.
func (db *DB) BeginRotation(ctx context.Context) (end func(), ok bool, err error) {
	if !db.rotating.CompareAndSwap(false, true) {
		return nil, false, nil
	}
	release := func() {}
	if db.on.remote {
		release, ok, err = db.tryExclusive(ctx, lockRotation)
		if err != nil || !ok {
			db.rotating.Store(false)
			return nil, false, wrap("claiming the rotation", err)
		}
	}
	return func() { release(); db.rotating.Store(false) }, true, nil
}

// Advisory locks of PostgreSQL: lockSpace spells "SGST", the second number says
// what is locked. They belong to a transaction that does nothing else, so that
// they end with the process and work through a connection pooler too.
const (
	lockSpace      = 0x53475354
	lockMigrations = 1
	lockRecords    = 2
	lockRotation   = 3
)

// exclusive waits for an advisory lock.
func (db *DB) exclusive(ctx context.Context, lock int) (release func(), err error) {
	release, _, err = db.advisory(ctx, "SELECT true FROM pg_advisory_xact_lock($1::int, $2::int)", lock)
	return release, err
}

// tryExclusive takes an advisory lock if nobody has it.
func (db *DB) tryExclusive(ctx context.Context, lock int) (release func(), ok bool, err error) {
	return db.advisory(ctx, "SELECT pg_try_advisory_xact_lock($1::int, $2::int)", lock)
}

func (db *DB) advisory(ctx context.Context, query string, lock int) (release func(), ok bool, err error) {
	err = db.persevere(ctx, func() (bool, error) {
		// The lock outlives ctx: it ends when the caller releases it.
		tx, err := db.w.BeginTx(context.WithoutCancel(ctx), nil)
		if err != nil {
			return true, err
		}
		if ok, err = askFor(ctx, tx, query, lock); err != nil || !ok {
			_ = tx.Rollback() // nothing was changed
			return true, err
		}
		release = func() { _ = tx.Rollback() } // if the connection is gone, so is the lock
		return true, nil
	})
	return release, ok && err == nil, err
}

func askFor(ctx context.Context, tx *sql.Tx, query string, lock int) (ok bool, err error) {
	// While it is held, the transaction is idle for as long as the work takes.
	for _, setting := range []string{"SET LOCAL lock_timeout = '2min'", "SET LOCAL idle_in_transaction_session_timeout = 0"} {
		if _, err := tx.ExecContext(ctx, setting); err != nil {
			return false, fmt.Errorf("%s: %w", setting, err)
		}
	}
	err = tx.QueryRowContext(ctx, query, lockSpace, lock).Scan(&ok)
	return ok, err
}
