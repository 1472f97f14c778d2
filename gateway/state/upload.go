// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// States of a multipart upload, spelled as in rows and in output.
const (
	// UploadOpening is before the backend has given its own upload id.
	UploadOpening = "opening"
	// UploadOpen takes parts.
	UploadOpen = "open"
	// UploadFrozen has the part list of the first accepted Complete, until it
	// is done, or the backend refused the list.
	UploadFrozen = "frozen"
	// UploadDone is an object; the row stays until it expires, for repeats.
	UploadDone = "done"
	// UploadAborting is given up; what it left in the bucket has to go.
	UploadAborting = "aborting"
)

// Upload is a multipart upload (S3.md, "Multipart uploads").
type Upload struct {
	// ID is the upload id as the client has it: an opaque sealed token, unique.
	ID string
	// Bucket and Key say which object it will be, Actor is the SPIFFE ID that
	// began it.
	Bucket, Key, Actor string
	// Backend is the backend's own upload id, empty while it is being created.
	Backend string
	// Object is the object id: 16 bytes in lower-case hex.
	Object string
	// Metadata is the sealed metadata, as it will stand in x-amz-meta-sg1.
	Metadata string
	// Algorithm and ChecksumType are those of the client's checksums, as S3
	// spells them; empty if there are none.
	Algorithm, ChecksumType string
	// Tags are encoded as in x-amz-tagging; empty if there are none.
	Tags string
	// Created is when it began, Expires when its id stops to be valid, Active
	// when a client last did something to it.
	Created, Expires, Active time.Time
	// Highest is the highest part number ever issued, 0 if none was.
	Highest int
	// State is one of the Upload constants.
	State string
	// Frozen is set in states frozen and done, nil before.
	Frozen *Frozen
}

// Frozen is what the first accepted Complete decided.
type Frozen struct {
	// List is the SHA-256 of the accepted part list in lower-case hex.
	List string
	// Tail is the sealed tail of the object.
	Tail []byte
	// Slot is the part number that carries the tail. Merged: it is that of the
	// last listed part, and the tail follows its bytes.
	Slot   int
	Merged bool
	// ETag is the backend's ETag of the object, empty until the upload is done.
	ETag string
}

// merged is Merged as rows hold it.
func (f Frozen) merged() int64 {
	if f.Merged {
		return 1
	}
	return 0
}

// rowOf is the key of an upload's row; see the schema.
func rowOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// CreateUpload stores u in state opening, before the backend is asked for an
// upload of its own. Active is u.Created; an id that exists is ErrConflict.
func (db *DB) CreateUpload(ctx context.Context, u Upload) error {
	return db.changeUpload(ctx, "storing an upload", pointUploadCreate, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO uploads (upload, id, bucket, path, actor, backend, object, metadata, algorithm,
			checksum_type, tags, created, expires, active, highest, receipts, state)
			VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8, $9, $10, $11, $12, $11, 0, 0, 'opening')`,
			rowOf(u.ID), u.ID, u.Bucket, u.Key, u.Actor, u.Object, u.Metadata, u.Algorithm,
			u.ChecksumType, u.Tags, micros(u.Created), micros(u.Expires))
		return err
	})
}

// OpenUpload notes the backend's own upload id; from then on the upload takes
// parts. The same id again is no error, an upload that is not opening any more
// is ErrConflict.
func (db *DB) OpenUpload(ctx context.Context, id, backend string) error {
	return db.changeUpload(ctx, "opening an upload", pointUploadOpen, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, "UPDATE uploads SET state = 'open', backend = $2 WHERE upload = $1 AND state = 'opening'", rowOf(id), backend))
		return db.refused(ctx, tx, id, err, func(u Upload) bool { return u.State == UploadOpen && u.Backend == backend })
	})
}

// IssuePart notes, before a part goes to the backend, that its number is in
// use: the tail takes a higher one. An upload that is not open is ErrConflict.
func (db *DB) IssuePart(ctx context.Context, id string, number int) error {
	return db.changeUpload(ctx, fmt.Sprintf("issuing part %d", number), pointUploadIssue, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE uploads SET highest = CASE WHEN highest < $2 THEN $2 ELSE highest END, active = $3
			WHERE upload = $1 AND state = 'open'`, rowOf(id), number, micros(db.cfg.Now())))
		return db.refused(ctx, tx, id, err, nil)
	})
}

// FreezeUpload makes f what this upload becomes, if it is the first; every
// caller gets what the first one stored and compares. Until ThawUpload no part and
// no receipt is taken. A slot that was issued to a part meanwhile is ErrStale:
// read the upload and choose again. An upload that is opening or aborting is
// ErrConflict.
func (db *DB) FreezeUpload(ctx context.Context, id string, f Frozen) (Frozen, error) {
	won := f
	err := db.changeUpload(ctx, "freezing an upload", pointUploadFreeze, func(ctx context.Context, tx *sql.Tx) error {
		won = f
		won.ETag = ""
		err := changed(tx.ExecContext(ctx, `UPDATE uploads SET state = 'frozen', frozen_list = $2, frozen_tail = $3, frozen_slot = $4, frozen_merged = $5, active = $6
			WHERE upload = $1 AND state = 'open' AND ($5 = 1 OR highest < $4)`,
			rowOf(id), f.List, notNil(f.Tail), f.Slot, f.merged(), micros(db.cfg.Now())))
		if !errors.Is(err, ErrConflict) {
			return err
		}
		u, err := readUpload(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case u.State == UploadOpen:
			return fmt.Errorf("tail slot %d: %w (part %d)", f.Slot, ErrStale, u.Highest)
		case u.Frozen == nil || u.State == UploadAborting:
			return stateError(u)
		}
		won = *u.Frozen
		return touch(ctx, tx, id, db.cfg.Now()) // a Complete that is sent again keeps its upload from being abandoned
	})
	if err != nil {
		return Frozen{}, err
	}
	return won, nil
}

// ThawUpload takes back the decision f, which the backend refused: the upload
// takes parts and another list again. The tail's slot counts as issued, so that
// one that is still on its way to it cannot come in the place of the next. An
// upload that is open is no error; one for which something else was decided
// meanwhile is ErrConflict, and so is one that is done.
func (db *DB) ThawUpload(ctx context.Context, id string, f Frozen) error {
	return db.changeUpload(ctx, "reopening an upload", pointUploadThaw, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE uploads SET state = 'open', active = $4,
			highest = CASE WHEN frozen_slot > highest AND frozen_slot < 10000 THEN frozen_slot ELSE highest END,
			frozen_list = NULL, frozen_tail = NULL, frozen_slot = NULL, frozen_merged = NULL
			WHERE upload = $1 AND state = 'frozen' AND frozen_list = $2 AND frozen_slot = $3`,
			rowOf(id), f.List, f.Slot, micros(db.cfg.Now())))
		return db.refused(ctx, tx, id, err, func(u Upload) bool { return u.State == UploadOpen })
	})
}

// FinishUpload notes that the object exists, that it is what f says, and has
// f.ETag at the backend, and drops the receipts. First is true for the one call
// that found the upload unfinished; the same again is no error. What the object
// is was decided by the backend: it also ends an upload that was reopened
// meanwhile, or frozen with another list. An upload that is opening or aborting
// is ErrConflict.
func (db *DB) FinishUpload(ctx context.Context, id string, f Frozen) (first bool, err error) {
	err = db.changeUpload(ctx, "finishing an upload", pointUploadFinish, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE uploads SET state = 'done', frozen_list = $2, frozen_tail = $3, frozen_slot = $4, frozen_merged = $5,
			etag = $6, active = $7 WHERE upload = $1 AND state IN ('open', 'frozen')`,
			rowOf(id), f.List, notNil(f.Tail), f.Slot, f.merged(), f.ETag, micros(db.cfg.Now())))
		first = err == nil
		same := func(u Upload) bool { return u.State == UploadDone && u.Frozen.ETag == f.ETag }
		if err := db.refused(ctx, tx, id, err, same); err != nil {
			return err
		}
		return dropReceipts(ctx, tx, id)
	})
	return first && err == nil, err
}

// AbortUpload gives up an upload that is opening or open, for the client. The
// same again is no error; one that is frozen or done is ErrConflict: the
// object may exist already.
func (db *DB) AbortUpload(ctx context.Context, id string) error {
	return db.changeUpload(ctx, "aborting an upload", pointUploadAbort, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, "UPDATE uploads SET state = 'aborting' WHERE upload = $1 AND state IN ('opening', 'open', 'aborting')", rowOf(id)))
		return db.refused(ctx, tx, id, err, nil)
	})
}

// AbandonUpload gives up an upload that no client touched since idleSince, or
// that expired: as AbortUpload, and also one that is frozen, whose Complete
// was never sent again. One that was touched meanwhile is ErrConflict.
func (db *DB) AbandonUpload(ctx context.Context, id string, idleSince, now time.Time) error {
	return db.changeUpload(ctx, "abandoning an upload", pointUploadAbandon, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE uploads SET state = 'aborting' WHERE upload = $1 AND
			(state = 'aborting' OR (state <> 'done' AND (active < $2 OR expires <= $3)))`, rowOf(id), micros(idleSince), micros(now)))
		return db.refused(ctx, tx, id, err, nil)
	})
}

// ForgetUpload drops the row and its receipts, when nothing that the upload
// left in a bucket is there any more. While a staged object is noted, or the
// upload still takes parts, it is ErrConflict. Forgetting what is not there is
// no error.
func (db *DB) ForgetUpload(ctx context.Context, id string) error {
	return db.changeUpload(ctx, "forgetting an upload", pointUploadForget, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, "UPDATE uploads SET active = active WHERE upload = $1 AND state IN ('done', 'aborting')", rowOf(id)))
		err = db.refused(ctx, tx, id, err, nil)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := dropReceipts(ctx, tx, id); err != nil {
			return err
		}
		return changed(tx.ExecContext(ctx, "DELETE FROM uploads WHERE upload = $1", rowOf(id)))
	})
}

// refused says why a change of an upload's row changed nothing, given as err:
// ErrNotFound if there is no row, nil if the row is already as same demands,
// else ErrConflict with the state.
func (db *DB) refused(ctx context.Context, tx *sql.Tx, id string, err error, same func(Upload) bool) error {
	if !errors.Is(err, ErrConflict) {
		return err
	}
	u, err := readUpload(ctx, tx, id)
	if err != nil {
		return err
	}
	if same != nil && same(u) {
		return nil
	}
	return stateError(u)
}

func stateError(u Upload) error { return fmt.Errorf("%w: the upload is %s", ErrConflict, u.State) }

func touch(ctx context.Context, tx *sql.Tx, id string, now time.Time) error {
	return changed(tx.ExecContext(ctx, "UPDATE uploads SET active = $2 WHERE upload = $1", rowOf(id), micros(now)))
}

// notNil keeps empty bytes from being stored as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
