// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// Config says where the database lies.
type Config struct {
	// Path is the database file; its folder must exist. SQLite keeps two more
	// files beside it, with "-wal" and "-shm" added. Never on NFS.
	Path string
	// Persist, if set, is called with one of PersistPoints before each durable
	// step. A hook that does not return simulates a crash.
	Persist func(point string)
	// Now is the clock of the times that rows carry. Zero: time.Now.
	Now func() time.Time
}

// DB is an open state database.
type DB struct {
	cfg Config
	w   *sql.DB // one connection: SQLite has one writer, and waiting in Go is fairer than in SQLite
	r   *sql.DB // several, which cannot write

	records  sync.Mutex  // see LockRecords
	rotating atomic.Bool // see BeginRotation
}

const (
	busyTimeout = 5 * time.Second
	readers     = 4
)

// Open opens the database at cfg.Path, makes it if there is none, checks that
// it is whole, and brings its schema up to date. The error is one line and
// carries ErrCorrupt, ErrTooNew, ErrNoSpace or ErrBusy where one fits.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Persist == nil {
		cfg.Persist = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	db := &DB{cfg: cfg}
	if err := db.open(ctx); err != nil {
		_ = db.Close() // the first fault is the one to tell, on one line
		return nil, wrap("opening state "+cfg.Path, err)
	}
	return db, nil
}

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

func (db *DB) open(ctx context.Context) error {
	if err := db.createFile(); err != nil {
		return err
	}
	if err := db.checkFile(ctx); err != nil {
		return err
	}
	var err error
	if db.w, err = openHandle(db.cfg.Path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"); err != nil {
		return err
	}
	db.w.SetMaxOpenConns(1)
	if err := db.migrate(ctx); err != nil {
		return err
	}
	if db.r, err = openReader(db.cfg.Path); err != nil {
		return err
	}
	return nil
}

// openReader opens connections that cannot write.
func openReader(path string) (*sql.DB, error) {
	h, err := openHandle(path, "query_only(1)")
	if err == nil {
		h.SetMaxOpenConns(readers)
	}
	return h, err
}

// createFile makes an empty file with mode 0600 where there is none: SQLite
// itself would follow the umask. The files beside it inherit the mode.
func (db *DB) createFile() error {
	f, err := os.OpenFile(db.cfg.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err // the path stands in the message already
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db.cfg.Persist(pointCreate)
	return syncDir(filepath.Dir(db.cfg.Path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openHandle opens a pool of connections to path, each with pragmas applied.
func openHandle(path string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	// The path is escaped: a "?" in a folder's name must not begin parameters.
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	return sql.Open("sqlite", u.String())
}

// checkFile refuses a damaged file and a database of another program before a
// byte of it is written: turning the write-ahead log on would be such a write.
func (db *DB) checkFile(ctx context.Context) error {
	h, err := openReader(db.cfg.Path)
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }() // nothing was written
	return checkWhole(ctx, h)
}

func checkWhole(ctx context.Context, h *sql.DB) error {
	var report string
	if err := h.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&report); err != nil {
		return err
	}
	if report != "ok" {
		return fmt.Errorf("%w (%s)", ErrCorrupt, report[strings.LastIndexByte(report, '\n')+1:])
	}
	var application, tables int64
	if err := h.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return err
	}
	// A crash in the first migration leaves the version table of goose alone.
	const count = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'"
	if err := h.QueryRowContext(ctx, count).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 && application != applicationID {
		return fmt.Errorf("%w (it belongs to another program)", ErrCorrupt)
	}
	return nil
}

// applicationID is the one that the first migration writes: "SGST".
const applicationID = 0x53475354
