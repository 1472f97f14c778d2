// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The durable steps of this package. All but the first are commits: a crash at
// the point loses the whole change, a crash after it none of it.
const (
	pointCreate           = "state.file.create"
	pointMigrate          = "state.migrate"
	pointDeployment       = "state.deployment.commit"
	pointKeyringInsert    = "state.keyring.insert.commit"
	pointKeyringState     = "state.keyring.state.commit"
	pointRecordReplace    = "state.record.replace.commit"
	pointCandidate        = "state.record.candidate.commit"
	pointLeftoverClaim    = "state.record.claim.commit"
	pointLeftoverForget   = "state.record.forget.commit"
	pointGeneration       = "state.generation.commit"
	pointInstanceRegister = "state.instance.register.commit"
	pointInstanceBeat     = "state.instance.beat.commit"
	pointInstanceRelease  = "state.instance.release.commit"
	pointLogRegister      = "state.log.register.commit"
	pointUploadCreate     = "state.upload.create.commit"
	pointUploadOpen       = "state.upload.open.commit"
	pointUploadIssue      = "state.upload.issue.commit"
	pointUploadFreeze     = "state.upload.freeze.commit"
	pointUploadThaw       = "state.upload.thaw.commit"
	pointUploadFinish     = "state.upload.finish.commit"
	pointUploadAbort      = "state.upload.abort.commit"
	pointUploadAbandon    = "state.upload.abandon.commit"
	pointUploadForget     = "state.upload.forget.commit"
	pointReceipt          = "state.receipt.add.commit"
	pointStagedAdd        = "state.staged.add.commit"
	pointStagedForget     = "state.staged.forget.commit"
	pointBucketMake       = "state.bucket.make.commit"
	pointBucketState      = "state.bucket.state.commit"
	pointBucketForget     = "state.bucket.forget.commit"
)

// PersistPoints lists every name that Config.Persist is called with.
var PersistPoints = []string{
	pointCreate, pointMigrate, pointDeployment, pointKeyringInsert, pointKeyringState, pointRecordReplace,
	pointCandidate, pointLeftoverClaim, pointLeftoverForget, pointGeneration, pointInstanceRegister, pointInstanceBeat,
	pointInstanceRelease, pointLogRegister,
	pointUploadCreate, pointUploadOpen, pointUploadIssue, pointUploadFreeze, pointUploadThaw, pointUploadFinish, pointUploadAbort,
	pointUploadAbandon, pointUploadForget, pointReceipt, pointStagedAdd, pointStagedForget,
	pointBucketMake, pointBucketState, pointBucketForget,
}

// change runs fn in one transaction and commits it, durably on return. An
// error, or a panic of fn or of the hook, leaves nothing behind. The
// transaction sees no other one, as if it ran alone; on PostgreSQL fn runs
// again if that could not be had, so that all it sets outside it sets anew.
func (db *DB) change(ctx context.Context, doing, point string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return db.commit(ctx, doing, point, sql.LevelSerializable, fn)
}

// changeUpload is change for the tables of uploads, where parts of one upload
// come in by the dozen at once: they wait for each other instead of running
// again. fn begins with an UPDATE of the upload's row, which locks it: what it
// reads of the upload after that stays so. Nothing else may be relied on.
func (db *DB) changeUpload(ctx context.Context, doing, point string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return db.commit(ctx, doing, point, sql.LevelReadCommitted, fn)
}

func (db *DB) commit(ctx context.Context, doing, point string, level sql.IsolationLevel, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if !db.on.remote { // the write lock, taken at the begin, is all the isolation there can be
		level = sql.LevelDefault
	}
	return wrap(doing, db.persevere(ctx, func() (undone bool, err error) {
		undone = true
		err = db.attempt(ctx, func(ctx context.Context) error {
			tx, err := db.w.BeginTx(ctx, &sql.TxOptions{Isolation: level})
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }() // after a commit it does nothing; before one its error adds nothing
			if err := fn(ctx, tx); err != nil {
				return err
			}
			db.cfg.Persist(point)
			err = tx.Commit()
			undone = refusedCommit(err)
			return err
		})
		if err != nil && !undone && db.on.remote {
			err = fmt.Errorf("%w: the answer to the commit was lost, the change was made or not (%w)", ErrUnavailable, err)
		}
		return undone, err
	}))
}

// refusedCommit reports whether the database itself said that it did not
// commit.
func refusedCommit(err error) bool {
	_, answered := errors.AsType[*pgconn.PgError](err)
	return answered && !errors.Is(sentinelOf(err), ErrUnavailable)
}

// view runs fn, which only reads. It may run again.
func (db *DB) view(ctx context.Context, doing string, fn func(ctx context.Context, q querier) error) error {
	return wrap(doing, db.persevere(ctx, func() (bool, error) {
		return true, db.attempt(ctx, func(ctx context.Context) error { return fn(ctx, db.r) })
	}))
}

// changed demands that a statement changed exactly one row.
func changed(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n != 1 {
		return ErrConflict
	}
	return err
}

// bumpEpoch makes readers notice a change of keyring_versions or buckets.
func bumpEpoch(ctx context.Context, tx *sql.Tx) error {
	return changed(tx.ExecContext(ctx, "UPDATE epoch SET value = value + 1"))
}

// Epoch returns a number that grows with every change of keyring versions and
// of the buckets that are in use.
func (db *DB) Epoch(ctx context.Context) (uint64, error) {
	var n uint64
	err := db.view(ctx, "reading the epoch", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT value FROM epoch").Scan(&n)
	})
	return n, err
}

// micros is how rows hold a time; fromMicros is its inverse.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
