// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"
)

// States of a keyring version, spelled as in rows and in output.
const (
	StateActive      = "active"
	StateDecryptOnly = "decrypt-only"
	StateRetired     = "retired"
	StateDestroyed   = "destroyed"
)

// KeyringVersion is one version of a keyring with the record that is right for
// it.
type KeyringVersion struct {
	// Keyring is the keyring's id: 16 random bytes in lower-case hex.
	Keyring string
	// Version counts from 1.
	Version uint32
	// Scope is what the keyring covers: "models/", "models/dev/".
	Scope string
	// Bucket and Prefix are bound into the record as its context.
	Bucket, Prefix string
	// State is one of the State constants.
	State string
	// KEK is the configured name of the key that wraps the record, KEKVersion
	// that key's own version.
	KEK, KEKVersion string
	// Record is the encoded keyring record, ciphertext.
	Record []byte
	// Digest is the SHA-256 of Record in lower-case hex.
	Digest string
	// Home is the logical bucket whose store holds the record object, Path the
	// object's key there.
	Home, Path string
	// Created is when the version was made, Activated when it became active,
	// zero if it never was.
	Created, Activated time.Time
}

func (v KeyringVersion) validate() error {
	switch {
	case !isHex(v.Keyring, 32):
		return fmt.Errorf("keyring id %q is not 32 digits of lower-case hex", v.Keyring)
	case v.Version == 0:
		return fmt.Errorf("keyring %s has no version 0", v.Keyring)
	default:
		return checkDigest(v.Record, v.Digest)
	}
}

// checkDigest keeps a row from ever vouching for bytes that it does not hold.
func checkDigest(record []byte, digest string) error {
	sum := sha256.Sum256(record)
	if len(record) == 0 || hex.EncodeToString(sum[:]) != digest {
		return fmt.Errorf("%w (a keyring record and its digest differ)", ErrCorrupt)
	}
	return nil
}

// InsertKeyringVersion stores a new version, whose object must be a candidate
// and is one no more, and raises the epoch. A version, scope, path or digest
// that exists already, a second active version, or an object that is no
// candidate, is ErrConflict.
func (db *DB) InsertKeyringVersion(ctx context.Context, v KeyringVersion) error {
	doing := "storing keyring " + v.Scope
	if err := v.validate(); err != nil {
		return wrap(doing, err)
	}
	return db.change(ctx, doing, pointKeyringInsert, func(ctx context.Context, tx *sql.Tx) error {
		if err := insertVersion(ctx, tx, v); err != nil {
			return err
		}
		if err := useCandidate(ctx, tx, v.Home, v.Path); err != nil {
			return err
		}
		return bumpEpoch(ctx, tx)
	})
}

func insertVersion(ctx context.Context, tx *sql.Tx, v KeyringVersion) error {
	activated := sql.NullInt64{Int64: micros(v.Activated), Valid: !v.Activated.IsZero()}
	_, err := tx.ExecContext(ctx, `INSERT INTO keyring_versions
		(keyring, version, scope, bucket, prefix, state, kek, kek_version, record, digest, home, path, created, activated)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		v.Keyring, v.Version, v.Scope, v.Bucket, v.Prefix, v.State, v.KEK, v.KEKVersion, v.Record, v.Digest, v.Home, v.Path,
		micros(v.Created), activated)
	return err
}

// ListKeyringVersions returns every version, ordered by scope and version. Each
// record is checked against its digest; a difference is ErrCorrupt.
func (db *DB) ListKeyringVersions(ctx context.Context) ([]KeyringVersion, error) {
	return list(ctx, db, "reading keyrings", scanVersion, `SELECT
		keyring, version, scope, bucket, prefix, state, kek, kek_version, record, digest, home, path, created, activated
		FROM keyring_versions ORDER BY scope, version`)
}

func scanVersion(row scanner) (KeyringVersion, error) {
	var v KeyringVersion
	var created int64
	var activated sql.NullInt64
	if err := row.Scan(&v.Keyring, &v.Version, &v.Scope, &v.Bucket, &v.Prefix, &v.State, &v.KEK, &v.KEKVersion, &v.Record,
		&v.Digest, &v.Home, &v.Path, &created, &activated); err != nil {
		return v, err
	}
	v.Created = fromMicros(created)
	if activated.Valid {
		v.Activated = fromMicros(activated.Int64)
	}
	return v, v.validate()
}

// SetState moves one version from one state to another and raises the epoch. It
// is ErrConflict if the version is not in state from, or if a second version
// would become active.
func (db *DB) SetState(ctx context.Context, keyring string, version uint32, from, to string) error {
	doing := fmt.Sprintf("setting keyring %s@%d to %s", keyring, version, to)
	return db.change(ctx, doing, pointKeyringState, func(ctx context.Context, tx *sql.Tx) error {
		activated := sql.NullInt64{Int64: micros(db.cfg.Now()), Valid: to == StateActive}
		err := changed(tx.ExecContext(ctx, `UPDATE keyring_versions SET state = $1, activated = coalesce($2, activated)
			WHERE keyring = $3 AND version = $4 AND state = $5`, to, activated, keyring, version, from))
		if err != nil {
			return err
		}
		return bumpEpoch(ctx, tx)
	})
}

// KnownDigest reports whether a record with this digest is the right one of any
// version. A record of which this says false must never be used.
func (db *DB) KnownDigest(ctx context.Context, digest string) (bool, error) {
	known, err := list(ctx, db, "looking up a record's digest", scanText, "SELECT digest FROM keyring_versions WHERE digest = $1", digest)
	return len(known) == 1, err
}
