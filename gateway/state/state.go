// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"
)

// Config says where the database is: Postgres, or else Path.
type Config struct {
	// Path is the SQLite file; its folder must exist. SQLite keeps two more
	// files beside it, with "-wal" and "-shm" added. Never on NFS.
	Path string
	// Postgres, if set, is used and Path is not.
	Postgres *Postgres
	// Persist, if set, is called with one of PersistPoints before each durable
	// step. A hook that does not return simulates a crash.
	Persist func(point string)
	// Now is the clock of the times that rows carry. Zero: time.Now.
	Now func() time.Time
}

// DB is an open state database.
type DB struct {
	cfg Config
	on  *dialect
	w   *sql.DB // SQLite: one connection, there is one writer, and waiting in Go is fairer than in SQLite
	r   *sql.DB // SQLite: several, which cannot write; PostgreSQL: w

	within   time.Duration // answerWithin
	records  chan struct{} // held by LockRecords: one of this process
	rotating atomic.Bool   // see BeginRotation
}

// Open opens the database, makes its tables if there are none, checks that it
// is whole, and brings its schema up to date. The error is one line and
// carries ErrCorrupt, ErrTooNew, ErrNoSpace, ErrBusy or ErrUnavailable where
// one fits.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Persist == nil {
		cfg.Persist = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	db := &DB{cfg: cfg, on: sqlite, within: answerWithin, records: make(chan struct{}, 1)}
	open := db.openSQLite
	if cfg.Postgres != nil {
		db.on, open = postgres, db.openPostgres
	}
	if err := open(ctx); err != nil {
		_ = db.Close() // the first fault is the one to tell, on one line
		return nil, wrap("opening state "+cfg.name(), err)
	}
	return db, nil
}

// name is what messages call the database.
func (c Config) name() string {
	if c.Postgres != nil {
		return c.Postgres.name()
	}
	return c.Path
}

// Name says where the database is, for people: the file, or the URL without its
// parameters.
func (db *DB) Name() string { return db.cfg.name() }

// Close releases the database. Changes that returned are durable already.
func (db *DB) Close() error {
	var errs []error
	for _, h := range []*sql.DB{db.r, db.w} {
		if h != nil {
			errs = append(errs, h.Close())
		}
	}
	return errors.Join(errs...)
}
