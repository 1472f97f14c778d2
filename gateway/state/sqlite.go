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
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const (
	busyTimeout = 5 * time.Second
	readers     = 4
	// readerCache is what each of them may keep of the file, in KiB: they look
	// single rows up, and the kernel has the file in memory as well.
	readerCache = 256
)

// openSQLite opens the file, or makes it.
func (db *DB) openSQLite(ctx context.Context) error {
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
	db.r, err = openReader(db.cfg.Path)
	return err
}

// openReader opens connections that cannot write.
func openReader(path string) (*sql.DB, error) {
	h, err := openHandle(path, "query_only(1)", fmt.Sprintf("cache_size(-%d)", readerCache))
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
	var application int64
	if err := h.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return err
	}
	names, err := sqlite.tablesIn(ctx, h)
	if err != nil {
		return err
	}
	// A crash in the first migration leaves the version table of goose alone.
	if len(names) > 0 && application != applicationID {
		return fmt.Errorf("%w (it belongs to another program)", ErrCorrupt)
	}
	return nil
}

// applicationID is the one that the first migration writes: "SGST".
const applicationID = 0x53475354
