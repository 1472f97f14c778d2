// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
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
	// Registered is when the epoch was first seen.
	Registered time.Time
}

// RegisterLog notes an epoch of an audit log, before anything is served. The
// same three values again are no error. The same epoch with another key is
// ErrConflict; an epoch below one that is known is ErrStale: an old copy of the
// log was put back.
func (db *DB) RegisterLog(ctx context.Context, uuid string, epoch uint64, publicKey string) error {
	return db.change(ctx, "registering audit log "+uuid, pointLogRegister, func(tx *sql.Tx) error {
		var last uint64
		var key string
		err := tx.QueryRowContext(ctx, "SELECT epoch, public_key FROM audit_logs WHERE uuid = ? ORDER BY epoch DESC LIMIT 1", uuid).Scan(&last, &key)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case epoch < last:
			return fmt.Errorf("epoch %d: %w (%d)", epoch, ErrStale, last)
		case epoch == last && key == publicKey:
			return nil
		case epoch == last:
			return fmt.Errorf("%w: epoch %d with another public key", ErrConflict, epoch)
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO audit_logs VALUES (?, ?, ?, ?)", uuid, int64(epoch), publicKey, micros(db.cfg.Now()))
		return err
	})
}

// ListLogs returns every registered epoch, ordered by log and epoch.
func (db *DB) ListLogs(ctx context.Context) ([]AuditLog, error) { return listLogs(ctx, db.r) }

// ReadLogs is ListLogs on the database at path, also beside a running gateway;
// it changes nothing and never waits for a writer. fs.ErrNotExist if there is
// no database.
func ReadLogs(ctx context.Context, path string) ([]AuditLog, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	h, err := openReader(path)
	if err != nil {
		return nil, wrap("opening state "+path, err)
	}
	defer func() { _ = h.Close() }() // nothing was written
	if err := checkWhole(ctx, h); err != nil {
		return nil, wrap("opening state "+path, err)
	}
	if err := checkReader(ctx, h); err != nil {
		return nil, wrap("opening state "+path, err)
	}
	return listLogs(ctx, h)
}

func listLogs(ctx context.Context, h *sql.DB) ([]AuditLog, error) {
	const doing = "reading the registered audit logs"
	rows, err := h.QueryContext(ctx, "SELECT uuid, epoch, public_key, registered FROM audit_logs ORDER BY uuid, epoch")
	if err != nil {
		return nil, wrap(doing, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err has what matters
	var list []AuditLog
	for rows.Next() {
		var l AuditLog
		var registered int64
		if err := rows.Scan(&l.UUID, &l.Epoch, &l.PublicKey, &registered); err != nil {
			return nil, wrap(doing, err)
		}
		l.Registered = fromMicros(registered)
		list = append(list, l)
	}
	return list, wrap(doing, rows.Err())
}
