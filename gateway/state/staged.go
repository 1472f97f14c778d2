// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"time"
)

// Staged is an object that holds a part until Complete sends it again.
type Staged struct {
	// Bucket is the logical bucket, Key the object's key there.
	Bucket, Key string
	// Since is when it was noted, which was before it was written.
	Since time.Time
}

// AddStaged notes a staged object before it is written, so that a crash leaves
// nothing behind that nobody knows. An upload that is not open is ErrConflict,
// and so is a key that is in use.
func (db *DB) AddStaged(ctx context.Context, bucket, key, upload string) error {
	return db.changeUpload(ctx, "noting a staged part", pointStagedAdd, func(ctx context.Context, tx *sql.Tx) error {
		now := micros(db.cfg.Now())
		err := changed(tx.ExecContext(ctx, "UPDATE uploads SET active = $2 WHERE upload = $1 AND state = 'open'", rowOf(upload), now))
		if err := db.refused(ctx, tx, upload, err, nil); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO staged (bucket, path, upload, since) VALUES ($1, $2, $3, $4)", bucket, key, rowOf(upload), now)
		return err
	})
}

// ForgetStaged drops the note of an object that is gone from its bucket.
// Forgetting what is not noted is no error.
func (db *DB) ForgetStaged(ctx context.Context, bucket, key string) error {
	return db.changeUpload(ctx, "forgetting a staged part", pointStagedForget, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM staged WHERE bucket = $1 AND path = $2", bucket, key)
		return err
	})
}

// Staged returns the objects that are staged for an upload, ordered by key.
func (db *DB) Staged(ctx context.Context, upload string) ([]Staged, error) {
	return list(ctx, db, "reading staged parts", scanStaged,
		"SELECT bucket, path, since FROM staged WHERE upload = $1 ORDER BY bucket, path", rowOf(upload))
}

func scanStaged(row scanner) (s Staged, err error) {
	var since int64
	err = row.Scan(&s.Bucket, &s.Key, &since)
	s.Since = fromMicros(since)
	return s, err
}
