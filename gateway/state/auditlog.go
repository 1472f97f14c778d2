// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// AuditLog is one start of a process that wrote an audit log: which key signs
// that epoch.
type AuditLog struct {
	// UUID names the log, Epoch counts the starts of the process that writes it.
	UUID  string
	Epoch uint64
	// PublicKey verifies the log's checkpoints: an Ed25519 key in hex.
	PublicKey string
	// Replica says whose log it is: HOST:DIRECTORY, empty if an older binary
	// registered it.
	Replica string
	// Registered is when the epoch was first seen.
	Registered time.Time
}

// RegisterLog notes an epoch of an audit log, before anything is served. The
// same one again is no error. The same epoch with another key is ErrConflict;
// an epoch below one that is known is ErrStale: an old copy of the log was put
// back. Registered is not read.
func (db *DB) RegisterLog(ctx context.Context, l AuditLog) error {
	return db.change(ctx, "registering audit log "+l.UUID, pointLogRegister, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit_homes (uuid, replica) VALUES ($1, $2)
			ON CONFLICT (uuid) DO UPDATE SET replica = excluded.replica`, l.UUID, l.Replica); err != nil {
			return err
		}
		var last uint64
		var key string
		err := tx.QueryRowContext(ctx, "SELECT epoch, public_key FROM audit_logs WHERE uuid = $1 ORDER BY epoch DESC LIMIT 1", l.UUID).Scan(&last, &key)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case l.Epoch < last:
			return fmt.Errorf("epoch %d: %w (%d)", l.Epoch, ErrStale, last)
		case l.Epoch == last && key == l.PublicKey:
			return nil
		case l.Epoch == last:
			return fmt.Errorf("%w: epoch %d with another public key", ErrConflict, l.Epoch)
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO audit_logs (uuid, epoch, public_key, registered) VALUES ($1, $2, $3, $4)",
			l.UUID, int64(l.Epoch), l.PublicKey, micros(db.cfg.Now()))
		return err
	})
}

const selectLogs = `SELECT l.uuid, l.epoch, l.public_key, l.registered, coalesce(h.replica, '')
	FROM audit_logs l LEFT JOIN audit_homes h ON h.uuid = l.uuid ORDER BY l.uuid, l.epoch`

// ListLogs returns every registered epoch, ordered by log and epoch.
func (db *DB) ListLogs(ctx context.Context) ([]AuditLog, error) {
	return list(ctx, db, "reading the registered audit logs", scanLog, selectLogs)
}

// LogsOf returns the registered epochs of one replica's log, as RegisterLog was
// told, to hold its log against. On SQLite there is one replica, and all are
// its own, whatever it was called before.
func (db *DB) LogsOf(ctx context.Context, replica string) ([]AuditLog, error) {
	all, err := db.ListLogs(ctx)
	if !db.on.remote {
		return all, err
	}
	return slices.DeleteFunc(all, func(l AuditLog) bool { return l.Replica != replica }), err
}

// ReadLogs is ListLogs on the database of cfg, also beside a running gateway;
// it changes nothing and never waits for a writer. fs.ErrNotExist if there is
// no SQLite file. An empty PostgreSQL database has no logs.
func ReadLogs(ctx context.Context, cfg Config) (logs []AuditLog, err error) {
	h, on, err := openToRead(ctx, cfg)
	if err != nil {
		return nil, wrap("opening state "+cfg.name(), err)
	}
	defer func() { _ = h.Close() }() // nothing was written
	names, err := on.tablesIn(ctx, h)
	if err == nil && slices.Contains(names, "reader") {
		err = leastReader(ctx, h)
	}
	if err != nil {
		return nil, wrap("opening state "+cfg.name(), err)
	}
	query := selectLogs
	switch { // what an older binary made may lack tables
	case !slices.Contains(names, "audit_logs"):
		return nil, nil
	case !slices.Contains(names, "audit_homes"):
		query = "SELECT uuid, epoch, public_key, registered, '' FROM audit_logs ORDER BY uuid, epoch"
	}
	logs, err = collect(ctx, h, scanLog, query)
	return logs, wrap("reading the registered audit logs", err)
}

// openToRead opens a database that is there and changes nothing.
func openToRead(ctx context.Context, cfg Config) (*sql.DB, *dialect, error) {
	if cfg.Postgres != nil {
		h, err := cfg.Postgres.pool()
		if err != nil {
			return nil, nil, err
		}
		return h, postgres, checkForeign(ctx, h)
	}
	if _, err := os.Stat(cfg.Path); err != nil {
		return nil, nil, err
	}
	h, err := openReader(cfg.Path)
	if err != nil {
		return nil, nil, err
	}
	return h, sqlite, checkWhole(ctx, h)
}

func scanLog(row scanner) (l AuditLog, err error) {
	var registered int64
	err = row.Scan(&l.UUID, &l.Epoch, &l.PublicKey, &registered, &l.Replica)
	l.Registered = fromMicros(registered)
	return l, err
}
