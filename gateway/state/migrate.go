// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// readerVersion is compared with the min_reader of a database: raise it with
// each migration after which an older binary must not write.
const readerVersion = 1

// migrate refuses a database that is too new and applies what is missing.
// Every migration is one transaction.
func (db *DB) migrate(ctx context.Context) error {
	if err := checkReader(ctx, db.w); err != nil {
		return err
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db.w, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if have >= want { // ahead of this binary, yet readable by it: checkReader saw to that
		return nil
	}
	db.cfg.Persist(pointMigrate)
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema from %d to %d: %w", have, want, err)
	}
	return checkReader(ctx, db.w)
}

// checkReader returns ErrTooNew if a newer binary raised min_reader above what
// this one knows. A database without the table is new.
func checkReader(ctx context.Context, h *sql.DB) error {
	var tables, least int
	if err := h.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'reader'").Scan(&tables); err != nil {
		return err
	}
	if tables == 0 {
		return nil
	}
	err := h.QueryRowContext(ctx, "SELECT min_reader FROM reader").Scan(&least)
	if errors.Is(sentinelOf(err), ErrNotFound) {
		return fmt.Errorf("%w (no reader row)", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	if least > readerVersion {
		return fmt.Errorf("%w (it wants reader %d, this is reader %d)", ErrTooNew, least, readerVersion)
	}
	return nil
}
