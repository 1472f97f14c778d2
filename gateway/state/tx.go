// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"time"
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
	pointUploadFinish     = "state.upload.finish.commit"
	pointUploadAbort      = "state.upload.abort.commit"
	pointUploadAbandon    = "state.upload.abandon.commit"
	pointUploadForget     = "state.upload.forget.commit"
	pointReceipt          = "state.receipt.add.commit"
	pointStagedAdd        = "state.staged.add.commit"
	pointStagedForget     = "state.staged.forget.commit"
)

// PersistPoints lists every name that Config.Persist is called with.
var PersistPoints = []string{
	pointCreate, pointMigrate, pointDeployment, pointKeyringInsert, pointKeyringState, pointRecordReplace,
	pointCandidate, pointLeftoverForget, pointGeneration, pointInstanceRegister, pointInstanceBeat,
	pointInstanceRelease, pointLogRegister,
	pointUploadCreate, pointUploadOpen, pointUploadIssue, pointUploadFreeze, pointUploadFinish, pointUploadAbort,
	pointUploadAbandon, pointUploadForget, pointReceipt, pointStagedAdd, pointStagedForget,
}

// change runs fn in one transaction and commits it, durably on return. An
// error, or a panic of fn or of the hook, leaves nothing behind.
func (db *DB) change(ctx context.Context, doing, point string, fn func(tx *sql.Tx) error) error {
	tx, err := db.w.BeginTx(ctx, nil)
	if err != nil {
		return wrap(doing, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing; before one its error adds nothing
	if err := fn(tx); err != nil {
		return wrap(doing, err)
	}
	db.cfg.Persist(point)
	return wrap(doing, tx.Commit())
}

// changeUpload is change for the tables of uploads: the first statement of fn
// changes the upload's row and so locks it.
func (db *DB) changeUpload(ctx context.Context, doing, point string, fn func(tx *sql.Tx) error) error {
	return db.change(ctx, doing, point, fn)
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

// bumpEpoch makes readers notice a change of keyring_versions.
func bumpEpoch(ctx context.Context, tx *sql.Tx) error {
	return changed(tx.ExecContext(ctx, "UPDATE epoch SET value = value + 1"))
}

// Epoch returns a number that grows with every change of keyring versions.
func (db *DB) Epoch(ctx context.Context) (uint64, error) {
	var n uint64
	err := db.r.QueryRowContext(ctx, "SELECT value FROM epoch").Scan(&n)
	return n, wrap("reading the epoch", err)
}

// micros is how rows hold a time; fromMicros is its inverse.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
