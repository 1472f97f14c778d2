// SPDX-License-Identifier: Apache-2.0

package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/servers"
)

// database is one that a test opens, once or more often.
type database struct {
	Config
	at     string            // names it to a child, see configAt
	server *servers.Postgres // nil: SQLite
}

// onBoth runs a test on an empty database of each engine: what the package doc
// promises, both keep.
func onBoth(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, onSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, onPostgres(servers.PostgreSQL(t)))
	})
}

func onSQLite(t *testing.T) *database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	return &database{Config: configAt(path), at: path}
}

func onPostgres(s *servers.Postgres) *database {
	at := s.URL + " " + s.PasswordFile
	return &database{Config: configAt(at), at: at, server: s}
}

// configAt reads what names a database: a path, or a URL and a file.
func configAt(at string) Config {
	if url, file, ok := strings.Cut(at, " "); ok {
		return Config{Postgres: &Postgres{URL: url, Password: passwordIn(file)}}
	}
	return Config{Path: at}
}

func passwordIn(file string) func() (string, error) {
	return func() (string, error) {
		b, err := os.ReadFile(file)
		return strings.TrimSpace(string(b)), err
	}
}

func (d *database) dialect() *dialect {
	if d.server == nil {
		return sqlite
	}
	return postgres
}

// open opens the database until the test ends.
func (d *database) open(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), d.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// another is an empty database of the same engine.
func (d *database) another(t *testing.T) *database {
	t.Helper()
	if d.server == nil {
		return onSQLite(t)
	}
	return onPostgres(servers.PostgreSQL(t))
}

// with is d with a clock that the test moves.
func (d *database) with(c *clock) *database {
	d.Now = func() time.Time { return c.now }
	return d
}

func mustExec(t *testing.T, db *DB, query string, args ...any) {
	t.Helper()
	if _, err := db.w.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}
