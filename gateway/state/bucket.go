// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// States of a bucket that was made on demand.
const (
	BucketMaking   = "making"   // noted before the backend was asked: it may be there or not
	BucketReady    = "ready"    // in use
	BucketRemoving = "removing" // noted before the backend was asked: it may be there or not
	BucketRemoved  = "removed"
)

// MadeBucket is a bucket that a client made.
type MadeBucket struct {
	// Name is the logical name, and that of the backend's bucket.
	Name string
	// Backend and KEK are configured names. They are those of the first time:
	// a name that comes back has them again.
	Backend, KEK string
	// ObjectLock is whether objects can be locked in it, as asked when it was made last.
	ObjectLock bool
	// State is one of the Bucket constants.
	State string
	// Created is when it was made last.
	Created time.Time
}

// objectLock is ObjectLock as rows hold it.
func (b MadeBucket) objectLock() int64 {
	if b.ObjectLock {
		return 1
	}
	return 0
}

// MakeBucket notes a bucket before it is made, in state making. One that was
// removed comes back; one that is being made already may be asked for again,
// as after a crash. Every other one is ErrConflict, and so is one that lay in
// another backend or under another KEK.
func (db *DB) MakeBucket(ctx context.Context, b MadeBucket) error {
	return db.change(ctx, "noting bucket "+b.Name, pointBucketMake, func(ctx context.Context, tx *sql.Tx) error {
		now := micros(db.cfg.Now())
		var old MadeBucket
		err := tx.QueryRowContext(ctx, "SELECT backend, kek, state FROM buckets WHERE name = $1", b.Name).Scan(&old.Backend, &old.KEK, &old.State)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			_, err = tx.ExecContext(ctx, "INSERT INTO buckets (name, backend, kek, object_lock, state, created) VALUES ($1, $2, $3, $4, 'making', $5)", b.Name, b.Backend, b.KEK, b.objectLock(), now)
			return err
		case err != nil:
			return err
		case old.Backend != b.Backend || old.KEK != b.KEK || old.State != BucketRemoved && old.State != BucketMaking:
			return ErrConflict
		}
		return changed(tx.ExecContext(ctx, "UPDATE buckets SET state = 'making', object_lock = $2, created = $3 WHERE name = $1", b.Name, b.objectLock(), now))
	})
}

// SetBucket moves a bucket from one state to another and raises the epoch, so
// that other replicas notice. It is ErrConflict if it is not in state from.
func (db *DB) SetBucket(ctx context.Context, name, from, to string) error {
	return db.change(ctx, "noting bucket "+name+" as "+to, pointBucketState, func(ctx context.Context, tx *sql.Tx) error {
		if err := changed(tx.ExecContext(ctx, "UPDATE buckets SET state = $3 WHERE name = $1 AND state = $2", name, from, to)); err != nil {
			return err
		}
		return bumpEpoch(ctx, tx)
	})
}

// MadeBuckets returns every bucket that was ever made and not forgotten, by name.
func (db *DB) MadeBuckets(ctx context.Context) ([]MadeBucket, error) {
	return list(ctx, db, "reading the buckets made on demand", scanBucket, "SELECT name, backend, kek, object_lock, state, created FROM buckets ORDER BY name")
}

// BucketState gives the state of a bucket that was ever made, "" for another.
func (db *DB) BucketState(ctx context.Context, name string) (string, error) {
	states, err := list(ctx, db, "reading the state of bucket "+name, scanText, "SELECT state FROM buckets WHERE name = $1", name)
	if len(states) == 0 {
		return "", err
	}
	return states[0], err
}

// ForgetBucket drops the note of a bucket that was removed: its name is one of
// the configuration from now on, and a bucket of that is never taken for removed.
// One in another state, or without a note, stays as it is.
func (db *DB) ForgetBucket(ctx context.Context, name string) error {
	return db.change(ctx, "forgetting removed bucket "+name, pointBucketForget, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM buckets WHERE name = $1 AND state = 'removed'", name)
		return err
	})
}

// UnmakeBucket drops the note of a bucket whose making was refused. It never was
// one, and is not taken for removed: the name may be that of a bucket which the
// configuration had and will have again. It is ErrConflict in another state.
func (db *DB) UnmakeBucket(ctx context.Context, name string) error {
	return db.change(ctx, "dropping bucket "+name+", which was not made", pointBucketForget, func(ctx context.Context, tx *sql.Tx) error {
		return changed(tx.ExecContext(ctx, "DELETE FROM buckets WHERE name = $1 AND state = 'making'", name))
	})
}

func scanBucket(row scanner) (b MadeBucket, err error) {
	var lock, created int64
	err = row.Scan(&b.Name, &b.Backend, &b.KEK, &lock, &b.State, &created)
	b.ObjectLock, b.Created = lock != 0, fromMicros(created)
	return b, err
}
