// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// readerVersion is compared with the min_reader of a database: raise it with
// each migration after which an older binary must not write.
const readerVersion = 1

// migrate refuses a database that is too new and applies what is missing.
// Every migration is one transaction. On PostgreSQL the caller holds the
// advisory lock of migrations.
func (db *DB) migrate(ctx context.Context) error {
	if err := db.on.checkReader(ctx, db.w); err != nil {
		return err
	}
	all, err := db.on.migrations()
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	p, err := goose.NewProvider(db.on.goose, db.w, nil, goose.WithGoMigrations(all...),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
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
	return db.on.checkReader(ctx, db.w)
}

// migrations are the files in this engine's own words. Each runs as one text:
// goose would take it apart with 4 MiB of memory for every one, which then counts
// as the gateway's own until the collector has run twice.
func (d *dialect) migrations() ([]*goose.Migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []*goose.Migration
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		run := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, d.schema.Replace(string(text)))
			return err
		}
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{RunTx: run}, nil))
	}
	return all, nil
}

// checkReader returns ErrTooNew if a newer binary raised min_reader above what
// this one knows. A database without any table is new.
func (d *dialect) checkReader(ctx context.Context, q querier) error {
	names, err := d.tablesIn(ctx, q)
	if err != nil {
		return err
	}
	if !slices.Contains(names, "reader") {
		return nil
	}
	return leastReader(ctx, q)
}

// leastReader is checkReader on a database that has its tables.
func leastReader(ctx context.Context, q querier) error {
	var least int
	err := q.QueryRowContext(ctx, "SELECT min_reader FROM reader").Scan(&least)
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
