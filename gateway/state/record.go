// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Replacement is the new record of a keyring version whose KEK version moved.
type Replacement struct {
	// KEK, KEKVersion, Record, Digest and Path are as in KeyringVersion. The
	// record object stays in the same home bucket.
	KEK, KEKVersion string
	Record          []byte
	Digest, Path    string
}

// ReplaceRecord makes r the record of a version if the one it has now has
// oldDigest and r's object is a candidate, else it is ErrConflict. In the same
// transaction the old object
// becomes a superseded leftover, the new one is no candidate any more, and the
// epoch rises: there is no moment at which an object is known to nobody.
func (db *DB) ReplaceRecord(ctx context.Context, keyring string, version uint32, oldDigest string, r Replacement) error {
	doing := fmt.Sprintf("replacing the record of keyring %s@%d", keyring, version)
	if err := checkDigest(r.Record, r.Digest); err != nil {
		return wrap(doing, err)
	}
	return db.change(ctx, doing, pointRecordReplace, func(ctx context.Context, tx *sql.Tx) error {
		old := Leftover{Kind: Superseded, Keyring: keyring, Version: version, Digest: oldDigest}
		row := tx.QueryRowContext(ctx, "SELECT home, path FROM keyring_versions WHERE keyring = $1 AND version = $2 AND digest = $3",
			keyring, version, oldDigest)
		if err := row.Scan(&old.Home, &old.Path); errors.Is(err, sql.ErrNoRows) {
			return ErrConflict
		} else if err != nil {
			return err
		}
		if err := updateRecord(ctx, tx, keyring, version, r); err != nil {
			return err
		}
		if err := useCandidate(ctx, tx, old.Home, r.Path); err != nil {
			return err
		}
		if err := db.addLeftover(ctx, tx, old); err != nil {
			return err
		}
		return bumpEpoch(ctx, tx)
	})
}

func updateRecord(ctx context.Context, tx *sql.Tx, keyring string, version uint32, r Replacement) error {
	return changed(tx.ExecContext(ctx, `UPDATE keyring_versions SET kek = $1, kek_version = $2, record = $3, digest = $4, path = $5
		WHERE keyring = $6 AND version = $7`, r.KEK, r.KEKVersion, r.Record, r.Digest, r.Path, keyring, version))
}

// Kinds of leftover.
const (
	// Candidate is a record object that is about to be written, or was written
	// by a process that then stopped.
	Candidate = "candidate"
	// Superseded is a record object that was replaced and has to go.
	Superseded = "superseded"
)

// Leftover is a record object in a bucket that no keyring version names.
type Leftover struct {
	// Home is the logical bucket, Path the object's key.
	Home, Path string
	// Kind is Candidate or Superseded.
	Kind string
	// Keyring, Version and Digest say which record it is.
	Keyring string
	Version uint32
	Digest  string
	// Since is when the leftover was noted.
	Since time.Time
}

// AddCandidate notes a record object before it is written, so that a crash
// leaves nothing behind that nobody knows. A path that is in use is ErrConflict.
func (db *DB) AddCandidate(ctx context.Context, l Leftover) error {
	l.Kind = Candidate
	return db.change(ctx, "noting a keyring record to come", pointCandidate, func(ctx context.Context, tx *sql.Tx) error {
		var n int
		row := tx.QueryRowContext(ctx, "SELECT count(*) FROM keyring_versions WHERE home = $1 AND path = $2", l.Home, l.Path)
		if err := row.Scan(&n); err != nil {
			return err
		}
		if n > 0 { // a candidate may be deleted at any time: it must never be a record in use
			return ErrConflict
		}
		return db.addLeftover(ctx, tx, l)
	})
}

func (db *DB) addLeftover(ctx context.Context, tx *sql.Tx, l Leftover) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO leftovers (home, path, kind, keyring, version, digest, since) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		l.Home, l.Path, l.Kind, l.Keyring, l.Version, l.Digest, micros(db.cfg.Now()))
	return err
}

// Leftovers returns the record objects that may be deleted from their buckets.
func (db *DB) Leftovers(ctx context.Context) ([]Leftover, error) {
	return list(ctx, db, "reading leftover keyring records", scanLeftover,
		"SELECT home, path, kind, keyring, version, digest, since FROM leftovers ORDER BY home, path")
}

func scanLeftover(row scanner) (l Leftover, err error) {
	var since int64
	err = row.Scan(&l.Home, &l.Path, &l.Kind, &l.Keyring, &l.Version, &l.Digest, &since)
	l.Since = fromMicros(since)
	return l, err
}

// ClaimLeftover is called before a leftover's object is deleted. It makes a
// candidate a superseded record, so that whoever wrote it finds that it cannot
// be used any more. False if it is no leftover now.
func (db *DB) ClaimLeftover(ctx context.Context, home, path string) (ok bool, err error) {
	err = db.change(ctx, "claiming a leftover keyring record", pointLeftoverClaim, func(ctx context.Context, tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, "UPDATE leftovers SET kind = 'superseded' WHERE home = $1 AND path = $2", home, path))
		ok = err == nil
		if errors.Is(err, ErrConflict) {
			return nil
		}
		return err
	})
	return ok, err
}

// ForgetLeftover drops the note of an object that is gone from its bucket.
// Forgetting what is not noted is no error.
func (db *DB) ForgetLeftover(ctx context.Context, home, path string) error {
	return db.change(ctx, "forgetting a leftover keyring record", pointLeftoverForget, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM leftovers WHERE home = $1 AND path = $2", home, path)
		return err
	})
}

// useCandidate turns a candidate into the record of a version. One that is not
// there is ErrConflict: another replica took it for a leftover, its object may
// be gone.
func useCandidate(ctx context.Context, tx *sql.Tx, home, path string) error {
	return changed(tx.ExecContext(ctx, "DELETE FROM leftovers WHERE home = $1 AND path = $2 AND kind = 'candidate'", home, path))
}
