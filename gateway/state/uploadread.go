// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strings"
	"time"
)

// querier is a database or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const uploadColumns = `upload, id, bucket, path, actor, backend, object, metadata, algorithm, checksum_type, tags,
	created, expires, active, highest, state, frozen_list, frozen_tail, frozen_slot, frozen_merged, etag`

// Upload returns one upload, ErrNotFound if there is none of this id.
func (db *DB) Upload(ctx context.Context, id string) (Upload, error) {
	u, err := readUpload(ctx, db.r, id)
	return u, wrap("reading an upload", err)
}

func readUpload(ctx context.Context, q querier, id string) (Upload, error) {
	u, _, err := scanUpload(q.QueryRowContext(ctx, "SELECT "+uploadColumns+" FROM uploads WHERE upload = $1 AND id = $2", rowOf(id), id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return u, err
}

// scanUpload reads one row of uploadColumns; row is its key.
func scanUpload(s interface{ Scan(...any) error }) (u Upload, row string, err error) {
	var created, expires, active int64
	var list, etag sql.NullString
	var slot sql.NullInt64
	var merged sql.NullBool
	var tail []byte
	err = s.Scan(&row, &u.ID, &u.Bucket, &u.Key, &u.Actor, &u.Backend, &u.Object, &u.Metadata, &u.Algorithm, &u.ChecksumType, &u.Tags,
		&created, &expires, &active, &u.Highest, &u.State, &list, &tail, &slot, &merged, &etag)
	if err != nil {
		return Upload{}, "", err
	}
	u.Created, u.Expires, u.Active = fromMicros(created), fromMicros(expires), fromMicros(active)
	if list.Valid {
		u.Frozen = &Frozen{List: list.String, Tail: tail, Slot: int(slot.Int64), Merged: merged.Bool, ETag: etag.String}
	}
	return u, row, nil
}

// UploadQuery says which uploads a listing shows.
type UploadQuery struct {
	// Bucket is the one to list, Prefix what its keys begin with.
	Bucket, Prefix string
	// KeyMarker and IDMarker say where the last page ended. Without IDMarker
	// all uploads of KeyMarker are passed over; with one, those up to it. If
	// that upload is gone, those of KeyMarker come again: seen twice is better
	// than not at all.
	KeyMarker, IDMarker string
	// Max is how many to return at most, above 0.
	Max int
}

// Uploads returns uploads that take parts or are being completed, ordered by
// key, then by when they began; more says that others follow.
func (db *DB) Uploads(ctx context.Context, q UploadQuery) (list []Upload, more bool, err error) {
	const doing = "listing uploads"
	after := int64(-1) // no upload of KeyMarker was seen
	if q.IDMarker != "" {
		const created = "SELECT coalesce(max(created), -1) FROM uploads WHERE upload = $1 AND bucket = $2 AND path = $3"
		if err := db.r.QueryRowContext(ctx, created, rowOf(q.IDMarker), q.Bucket, q.KeyMarker).Scan(&after); err != nil {
			return nil, false, wrap(doing, err)
		}
	}
	list, _, err = db.queryUploads(ctx, `WHERE bucket = $1 AND path >= $2 AND state IN ('open', 'frozen') AND
		(path > $3 OR (path = $3 AND $4 <> '' AND (created > $5 OR (created = $5 AND upload > $4))))
		ORDER BY path, created, upload LIMIT $6`,
		q.Bucket, q.Prefix, q.KeyMarker, rowOrNone(q.IDMarker), after, q.Max+1)
	if err != nil {
		return nil, false, wrap(doing, err)
	}
	for i, u := range list { // in byte order, what has the prefix comes first
		if !strings.HasPrefix(u.Key, q.Prefix) {
			return list[:i], false, nil
		}
	}
	if len(list) > q.Max {
		return list[:q.Max], true, nil
	}
	return list, false, nil
}

func rowOrNone(id string) string {
	if id == "" {
		return ""
	}
	return rowOf(id)
}

// queryUploads returns the rows that the end of a SELECT chooses, and the key
// of the last one.
func (db *DB) queryUploads(ctx context.Context, where string, args ...any) (list []Upload, last string, err error) {
	rows, err := db.r.QueryContext(ctx, "SELECT "+uploadColumns+" FROM uploads "+where, args...)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	for rows.Next() {
		var u Upload
		if u, last, err = scanUpload(rows); err != nil {
			return nil, "", err
		}
		list = append(list, u)
	}
	return list, last, rows.Err()
}

// page is how many rows an iteration reads at once; no connection is held
// while the caller works on them.
const page = 500

// StaleUploads yields the uploads that need a reaper: those that no client
// touched since idleSince and those that expired by now, whatever their state,
// and those that are aborting. Done ones count only when they expired. An
// error ends it.
func (db *DB) StaleUploads(ctx context.Context, idleSince, now time.Time) iter.Seq2[Upload, error] {
	return func(yield func(Upload, error) bool) {
		for last := ""; ; {
			list, next, err := db.queryUploads(ctx, `WHERE upload > $1 AND
				(state = 'aborting' OR expires <= $3 OR (state <> 'done' AND active < $2))
				ORDER BY upload LIMIT $4`, last, micros(idleSince), micros(now), page)
			if err != nil {
				yield(Upload{}, wrap("reading stale uploads", err))
				return
			}
			for _, u := range list {
				if !yield(u, nil) {
					return
				}
			}
			if len(list) < page {
				return
			}
			last = next
		}
	}
}
