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

const uploadColumns = `id, bucket, path, actor, backend, object, metadata, algorithm, checksum_type, tags,
	created, expires, active, highest, state, frozen_list, frozen_tail, frozen_slot, frozen_merged, etag`

// Upload returns one upload, ErrNotFound if there is none of this id.
func (db *DB) Upload(ctx context.Context, id string) (u Upload, err error) {
	err = db.view(ctx, "reading an upload", func(ctx context.Context, q querier) error {
		u, err = readUpload(ctx, q, id)
		return err
	})
	return u, err
}

func readUpload(ctx context.Context, q querier, id string) (Upload, error) {
	u, err := scanUpload(q.QueryRowContext(ctx, "SELECT "+uploadColumns+" FROM uploads WHERE upload = $1", rowOf(id)))
	// An id comes from a client: it is compared here, since no database takes every string.
	if errors.Is(err, sql.ErrNoRows) || err == nil && u.ID != id {
		return Upload{}, ErrNotFound
	}
	return u, err
}

// scanUpload reads one row of uploadColumns.
func scanUpload(row scanner) (u Upload, err error) {
	var created, expires, active int64
	var list, etag sql.NullString
	var slot, merged sql.NullInt64
	var tail []byte
	err = row.Scan(&u.ID, &u.Bucket, &u.Key, &u.Actor, &u.Backend, &u.Object, &u.Metadata, &u.Algorithm, &u.ChecksumType, &u.Tags,
		&created, &expires, &active, &u.Highest, &u.State, &list, &tail, &slot, &merged, &etag)
	if err != nil {
		return Upload{}, err
	}
	u.Created, u.Expires, u.Active = fromMicros(created), fromMicros(expires), fromMicros(active)
	if list.Valid {
		u.Frozen = &Frozen{List: list.String, Tail: tail, Slot: int(slot.Int64), Merged: merged.Int64 != 0, ETag: etag.String}
	}
	return u, nil
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
func (db *DB) Uploads(ctx context.Context, q UploadQuery) (page []Upload, more bool, err error) {
	const doing = "listing uploads"
	key, marker := beforeNUL(q.KeyMarker), ""
	after := int64(-1) // the marker is not there: none of its key was seen
	if q.IDMarker != "" {
		marker = rowOf(q.IDMarker)
		seen, err := list(ctx, db, doing, scanTime, "SELECT created FROM uploads WHERE upload = $1 AND bucket = $2 AND path = $3", marker, q.Bucket, key)
		if err != nil {
			return nil, false, err
		}
		if len(seen) == 1 {
			after = seen[0]
		}
	}
	page, err = list(ctx, db, doing, scanUpload, "SELECT "+uploadColumns+` FROM uploads
		WHERE bucket = $1 AND path >= $2 AND state IN ('open', 'frozen') AND
		(path > $3 OR (path = $3 AND $4 <> '' AND (created > $5 OR (created = $5 AND upload > $4))))
		ORDER BY path, created, upload LIMIT $6`, q.Bucket, beforeNUL(q.Prefix), key, marker, after, q.Max+1)
	for i, u := range page { // in byte order, what has the prefix comes first
		if !strings.HasPrefix(u.Key, q.Prefix) {
			return page[:i], false, err
		}
	}
	if len(page) > q.Max {
		return page[:q.Max], true, err
	}
	return page, false, err
}

// beforeNUL cuts a text at its first zero byte, which PostgreSQL does not take.
// No key has one, so that the same keys lie behind it.
func beforeNUL(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func scanTime(row scanner) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

// pageSize is how many rows an iteration reads at once; no connection is held
// while the caller works on them.
const pageSize = 500

// StaleUploads yields the uploads that need a reaper: those that no client
// touched since idleSince and those that expired by now, whatever their state,
// and those that are aborting. Done ones count only when they expired, or when
// something is staged for them that a crash left. An error ends it.
func (db *DB) StaleUploads(ctx context.Context, idleSince, now time.Time) iter.Seq2[Upload, error] {
	return func(yield func(Upload, error) bool) {
		for last := ""; ; {
			page, err := list(ctx, db, "reading stale uploads", scanUpload, "SELECT "+uploadColumns+` FROM uploads
				WHERE upload > $1 AND (state = 'aborting' OR expires <= $3 OR (state <> 'done' AND active < $2) OR
				(state = 'done' AND EXISTS (SELECT 1 FROM staged WHERE staged.upload = uploads.upload)))
				ORDER BY upload LIMIT $4`, last, micros(idleSince), micros(now), pageSize)
			if err != nil {
				yield(Upload{}, err)
				return
			}
			for _, u := range page {
				if !yield(u, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			last = rowOf(page[len(page)-1].ID)
		}
	}
}
