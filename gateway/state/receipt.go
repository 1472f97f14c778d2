// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Receipt says that the backend has a part of an upload, and holds, sealed,
// what is needed to read it again (FORMAT.md, "Receipts").
type Receipt struct {
	// Upload is the upload's id.
	Upload string
	// Number is the part's, 1 to 10,000. ETag is the one that the client got.
	Number int
	ETag   string
	// Staged is the key of the staged object that holds the part, empty if the
	// backend has it as a part.
	Staged string
	// Sealed is the receipt itself, ciphertext.
	Sealed []byte
	// Created is when the part was whole. Zero when added: now.
	Created time.Time
}

// AddReceipt stores a receipt. An upload that is not open is ErrConflict: its
// list is frozen, and the part must not be promised to anyone. So is a second
// receipt for the same number and ETag, unless it is the same one again.
func (db *DB) AddReceipt(ctx context.Context, r Receipt) error {
	doing := fmt.Sprintf("storing the receipt of part %d", r.Number)
	if r.Created.IsZero() {
		r.Created = db.cfg.Now()
	}
	return db.changeUpload(ctx, doing, pointReceipt, func(ctx context.Context, tx *sql.Tx) error {
		var serial int64
		// The update also locks the row: a Complete waits, or was first.
		err := tx.QueryRowContext(ctx, "UPDATE uploads SET active = $2, receipts = receipts + 1 WHERE upload = $1 AND state = 'open' RETURNING receipts",
			rowOf(r.Upload), micros(db.cfg.Now())).Scan(&serial)
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrConflict
		}
		if err := db.refused(ctx, tx, r.Upload, err, nil); err != nil {
			return err
		}
		if known, err := sameReceipt(ctx, tx, r); known || err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO receipts (upload, number, etag, serial, staged, sealed, created) VALUES ($1, $2, $3, $4, $5, $6, $7)",
			rowOf(r.Upload), r.Number, r.ETag, serial, r.Staged, notNil(r.Sealed), micros(r.Created))
		return err
	})
}

// sameReceipt reports whether r is stored already; another one in its place is
// ErrConflict.
func sameReceipt(ctx context.Context, tx *sql.Tx, r Receipt) (bool, error) {
	var staged string
	var sealed []byte
	err := tx.QueryRowContext(ctx, "SELECT staged, sealed FROM receipts WHERE upload = $1 AND number = $2 AND etag = $3",
		rowOf(r.Upload), r.Number, r.ETag).Scan(&staged, &sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case staged != r.Staged || !bytes.Equal(sealed, r.Sealed):
		return false, fmt.Errorf("%w: another receipt for the same ETag", ErrConflict)
	}
	return true, nil
}

// Receipts returns the newest receipt of each part number above after, ordered
// by number; more says that others follow. An upload without any, or none of
// this id, gives an empty list.
func (db *DB) Receipts(ctx context.Context, upload string, after, limit int) (page []Receipt, more bool, err error) {
	stored, err := db.receipts(ctx, "listing parts", upload, `AND number > $2 AND serial =
		(SELECT max(n.serial) FROM receipts n WHERE n.upload = receipts.upload AND n.number = receipts.number)
		ORDER BY number LIMIT $3`, after, limit+1)
	for _, r := range stored[:min(len(stored), limit)] {
		page = append(page, r.Receipt)
	}
	return page, len(stored) > limit, err
}

// ReceiptsOf yields every receipt of an upload, also those that a later one of
// the same number replaced, ordered by number and then by arrival. An error
// ends it.
func (db *DB) ReceiptsOf(ctx context.Context, upload string) iter.Seq2[Receipt, error] {
	return func(yield func(Receipt, error) bool) {
		var last stored
		for {
			page, err := db.receipts(ctx, "reading receipts", upload, `AND (number > $2 OR (number = $2 AND serial > $3))
				ORDER BY number, serial LIMIT $4`, last.Number, last.serial, pageSize)
			if err != nil {
				yield(Receipt{}, err)
				return
			}
			for _, last = range page {
				if !yield(last.Receipt, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// stored is a receipt with its place in the order of arrival.
type stored struct {
	Receipt
	serial int64
}

// receipts returns the receipts of an upload that the end of a SELECT chooses.
func (db *DB) receipts(ctx context.Context, doing, upload, where string, args ...any) ([]stored, error) {
	scan := func(row scanner) (stored, error) {
		s := stored{Receipt: Receipt{Upload: upload}}
		var created int64
		err := row.Scan(&s.Number, &s.ETag, &s.Staged, &s.Sealed, &created, &s.serial)
		s.Created = fromMicros(created)
		return s, err
	}
	return list(ctx, db, doing, scan, "SELECT number, etag, staged, sealed, created, serial FROM receipts WHERE upload = $1 "+where,
		append([]any{rowOf(upload)}, args...)...)
}

func dropReceipts(ctx context.Context, tx *sql.Tx, upload string) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM receipts WHERE upload = $1", rowOf(upload))
	return err
}
