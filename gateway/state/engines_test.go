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
	server *servers.Postgres // nil: SQLite
}

// onBoth runs a test on an empty database of each engine: what the package doc
// promises, both keep.
func onBoth(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, &database{Config: Config{Path: filepath.Join(t.TempDir(), "state.db")}})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, onPostgres(servers.PostgreSQL(t)))
	})
}

func onPostgres(s *servers.Postgres) *database {
	return &database{Config: Config{Postgres: &Postgres{URL: s.URL, Password: passwordIn(s.PasswordFile)}}, server: s}
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

// another is an empty database of the same engine, and how to name it to a
// child.
func (d *database) another(t *testing.T) (next *database, at string) {
	t.Helper()
	if d.server == nil {
		path := filepath.Join(t.TempDir(), "state.db")
		return &database{Config: Config{Path: path}}, path
	}
	s := servers.PostgreSQL(t)
	return onPostgres(s), s.URL + " " + s.PasswordFile
}

// at is d with a clock that the test moves.
func (d *database) at(c *clock) *database {
	d.Now = func() time.Time { return c.now }
	return d
}

func mustExec(t *testing.T, db *DB, query string, args ...any) {
	t.Helper()
	if _, err := db.w.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}
