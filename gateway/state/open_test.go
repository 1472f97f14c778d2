// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnOlderBinaryRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		must(t, db.SetDeployment(t.Context(), Deployment{ID: hexOf(1)}))
		reg, err := db.RegisterInstance(t.Context(), Instance{ID: "1"})
		must(t, err, reg.Beat(t.Context()))
		mustExec(t, db, "UPDATE reader SET min_reader = $1", readerVersion+1)
		mustExec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
		wantErr(t, reg.Beat(t.Context()), ErrTooNew) // one that runs stops
		must(t, db.Close())
		_, err = Open(t.Context(), d.Config)
		wantErr(t, err, ErrTooNew)
		_, err = ReadLogs(t.Context(), d.Config)
		wantErr(t, err, ErrTooNew)
	})
}

// A newer schema that raises no min_reader may be used by this binary.
func TestANewerReadableSchemaOpens(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		tables, err := d.dialect().tablesIn(t.Context(), db.r)
		must(t, err)
		for _, table := range tables {
			mustExec(t, db, "ALTER TABLE "+table+" ADD COLUMN colour TEXT")
		}
		mustExec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
		must(t, db.Close(), life(t.Context(), d.Config))
	})
}

// The guarantees of the package doc are pragmas; a driver that ignores one must
// be noticed.
func TestDurabilitySettings(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "state.db"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1"} {
		var got string
		if err := db.w.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s: want %s, got %s, %v", pragma, want, got, err)
		}
	}
	var cache int
	if err := db.r.QueryRowContext(t.Context(), "PRAGMA cache_size").Scan(&cache); err != nil || cache != -readerCache {
		t.Errorf("a reading connection may keep %d of the file: %v", cache, err)
	}
	if _, err := db.r.ExecContext(t.Context(), "UPDATE epoch SET value = 9"); err == nil {
		t.Error("a reading connection wrote")
	}
	tx, err := db.w.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	other, err := openHandle(db.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := other.ExecContext(ctx, "UPDATE epoch SET value = 9"); err == nil {
		t.Error("a transaction must hold the write lock from its begin on")
	}
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, path string){
		"text": func(t *testing.T, path string) {
			t.Helper()
			write(t, path, []byte(strings.Repeat("not a database\n", 100)))
		},
		"short": func(t *testing.T, path string) {
			t.Helper()
			write(t, path, []byte("SQLite format 3\x00"))
		},
		"another program's": func(t *testing.T, path string) {
			t.Helper()
			other, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Close() }()
			if _, err := other.ExecContext(context.Background(), "CREATE TABLE theirs (a)"); err != nil {
				t.Fatal(err)
			}
		},
		"truncated": func(t *testing.T, path string) {
			t.Helper()
			db := openAt(t, path)
			if err := insert(t.Context(), db, version(1)); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 3*4096); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			prepare(t, path)
			before := read(t, path)
			_, err := Open(t.Context(), Config{Path: path})
			wantErr(t, err, ErrCorrupt)
			if !strings.HasPrefix(err.Error(), "opening state "+path+": ") {
				t.Errorf("the error must name the file: %v", err)
			}
			if diff := cmp.Diff(before, read(t, path)); diff != "" {
				t.Errorf("a refused file was changed: %s", diff)
			}
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A record that changed on disk below SQLite must not reach a caller.
func TestAChangedRecordIsNoticed(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		must(t, insert(t.Context(), db, version(1)))
		mustExec(t, db, "UPDATE keyring_versions SET record = $1", []byte{0})
		_, err := db.ListKeyringVersions(t.Context())
		wantErr(t, err, ErrCorrupt)
	})
}

func TestOpenWithoutAFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "absent", "state.db")
	_, err := Open(t.Context(), Config{Path: path})
	if err == nil || err.Error() != "opening state "+path+": no such file or directory" {
		t.Errorf("got %v", err)
	}
}

// Each page of the file in turn becomes zeros: either the database is refused
// with one clear line, or the page held nothing.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	const page = 4096
	whole := filepath.Join(t.TempDir(), "state.db")
	if err := life(t.Context(), Config{Path: whole}); err != nil {
		t.Fatal(err)
	}
	want, good := factsAt(t, whole), read(t, whole)
	refused := 0
	for i := 0; i < len(good); i += page {
		path := filepath.Join(t.TempDir(), "state.db")
		bad := append([]byte(nil), good...)
		clear(bad[i : i+page])
		write(t, path, bad)
		db, err := Open(t.Context(), Config{Path: path})
		if err != nil {
			wantErr(t, err, ErrCorrupt)
			refused++
			continue
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if got := factsAt(t, path); got != want {
			t.Errorf("page %d: opened with %s", i/page, got)
		}
	}
	if refused < len(good)/page/2 {
		t.Errorf("only %d of %d damaged pages were noticed", refused, len(good)/page)
	}
}
