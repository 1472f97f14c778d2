// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sealgate/sealgate/testenv/servers"
)

// Both engines have the same tables, columns and rules, and order texts alike.
func TestTheSchemasAreTheSame(t *testing.T) {
	t.Parallel()
	lite, pg := onSQLite(t).open(t), onPostgres(servers.PostgreSQL(t)).open(t)
	ctx := t.Context()
	names := func(db *DB) []string {
		all, err := db.on.tablesIn(ctx, db.r)
		must(t, err)
		slices.Sort(all)
		return all
	}
	tables := names(lite)
	if diff := cmp.Diff(tables, names(pg)); diff != "" || len(tables) < 12 {
		t.Fatalf("%d tables: %s", len(tables), diff)
	}
	types := map[string]string{"TEXT": "text C", "INTEGER": "bigint ", "BLOB": "bytea "}
	for _, table := range tables {
		var want []string
		rows, err := lite.r.QueryContext(ctx, fmt.Sprintf("SELECT name, type, \"notnull\" OR pk > 0 FROM pragma_table_info('%s') ORDER BY cid", table))
		must(t, err)
		for rows.Next() {
			var name, kind string
			var needed bool
			must(t, rows.Scan(&name, &kind, &needed))
			want = append(want, fmt.Sprint(name, " ", types[kind], " ", needed))
		}
		must(t, rows.Err(), rows.Close())
		got, err := collect(ctx, pg.r, scanText, `SELECT column_name || ' ' || data_type || ' ' || coalesce(collation_name, '') || ' ' ||
			CASE is_nullable WHEN 'NO' THEN 'true' ELSE 'false' END FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`, table)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("table %s: %s", table, diff)
		}
		var checks, wanted int
		must(t, pg.r.QueryRowContext(ctx, `SELECT count(*) FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('c', 'f')`, table).Scan(&checks))
		var text string
		must(t, lite.r.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE name = $1", table).Scan(&text))
		if wanted = strings.Count(text, "CHECK (") + strings.Count(text, "REFERENCES "); checks != wanted {
			t.Errorf("table %s: %d checks and references, want %d", table, checks, wanted)
		}
	}
}

// by is the configuration of d with another URL.
func (d *database) by(edit func(url string) string) Config {
	return Config{Postgres: &Postgres{URL: edit(d.Postgres.URL), Password: d.Postgres.Password}}
}

func (d *database) byAdding(parameters string) Config {
	return d.by(func(url string) string { return strings.Replace(url, "sslmode=disable", parameters, 1) })
}

// A URL says all there is to say, and nothing that weakens it.
func TestURLsOfPostgreSQL(t *testing.T) {
	t.Parallel()
	s := servers.PostgreSQL(t)
	d := onPostgres(s)
	const secret = "hunter2"
	for name, tt := range map[string]struct {
		c    Config
		want string // "" opens
	}{
		"plain":             {d.Config, ""},
		"checked TLS":       {d.byAdding("sslmode=verify-full&sslrootcert=" + s.CAFile), ""},
		"unknown authority": {d.byAdding("sslmode=verify-full"), "certificate"},
		"a bad sslmode":     {d.byAdding("sslmode=perhaps"), "sslmode is invalid"},
		"no sslmode":        {d.byAdding("connect_timeout=3"), "must name sslmode"},
		"unknown parameter": {d.byAdding("sslmode=disable&passfile=/root/x"), `"passfile"`},
		"a service":         {d.byAdding("sslmode=disable&service=x"), `"service"`},
		"a password":        {d.by(func(u string) string { return strings.Replace(u, "@", ":"+secret+"@", 1) }), "holds a password"},
		"one in parameters": {d.byAdding("sslmode=disable&password=" + secret), `"password"`},
		"no user":           {d.by(func(u string) string { return strings.Replace(u, "sealgate@", "", 1) }), "not postgres://USER@HOST"},
		"no database":       {d.by(func(u string) string { return u[:strings.Index(u, "/test_")] + "/?sslmode=disable" }), "not postgres://USER@HOST"},
		"two hosts":         {d.byAdding("sslmode=disable&host=/tmp"), "one host"},
		"not a URL":         {d.by(func(string) string { return "postgres://sealgate:" + secret + "@[" }), "not postgres://USER@HOST"},
		"no such database":  {d.by(func(u string) string { return strings.Replace(u, "/test_", "/other_", 1) }), "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := Open(t.Context(), tt.c)
			if err == nil {
				must(t, db.Close())
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("want %q, got %v", tt.want, err)
			case err != nil && (strings.Contains(err.Error(), secret) || strings.ContainsAny(err.Error(), "\n\t")):
				t.Errorf("not one line without the secret: %q", err)
			case err != nil && !strings.HasPrefix(err.Error(), "opening state postgres"):
				t.Errorf("it does not say what: %q", err)
			}
		})
	}
}

// Nothing in the environment or a home folder changes where and how it
// connects. Not parallel: the environment is everybody's.
func TestTheEnvironmentDoesNotCount(t *testing.T) {
	d := onPostgres(servers.PostgreSQL(t))
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, ".pgpass"), []byte("*:*:*:*:from-pgpass\n"), 0o600))
	for name, value := range map[string]string{
		"HOME": home, "PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "other", "PGDATABASE": "other", "PGPASSWORD": "wrong", "PGSSLMODE": "require",
		"PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere", "PGSSLKEY": "/nowhere", "PGSSLNEGOTIATION": "direct", "PGOPTIONS": "-c search_path=nowhere",
		"PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "x", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "require", "PGTZ": "nowhere",
		"PGMINPROTOCOLVERSION": "3.2", "PGMAXPROTOCOLVERSION": "3.2", "PGAPPNAME": "other", "PGSSLCERTMODE": "require",
	} {
		t.Setenv(name, value)
	}
	db := d.open(t)
	var app string
	must(t, db.r.QueryRowContext(t.Context(), "SHOW application_name").Scan(&app))
	if app != "sealgate" {
		t.Errorf("application_name is %s", app)
	}
	right, err := d.Postgres.Password()
	must(t, err)
	t.Setenv("PGPASSWORD", right)
	for _, none := range []func() (string, error){nil, func() (string, error) { return "", nil }} {
		c := d.Config
		c.Postgres = &Postgres{URL: d.Postgres.URL, Password: none}
		_, err := Open(t.Context(), c)
		wantErr(t, err, ErrUnavailable)
		if !strings.Contains(err.Error(), "password") {
			t.Errorf("got %v", err)
		}
	}
	t.Setenv("PGSERVICE", "other")
	if _, err := Open(t.Context(), d.Config); err == nil || !strings.Contains(err.Error(), "PGSERVICE") {
		t.Errorf("got %v", err)
	}
}

// A new password is used from the next connection on, with nothing restarted.
func TestThePasswordIsReadAgain(t *testing.T) {
	t.Parallel()
	s := servers.NewPostgreSQL(t)
	d := onPostgres(s)
	db, ctx := d.open(t), t.Context()
	for _, password := range []string{"second", "third"} {
		s.SetPassword(t, password)
		s.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sealgate'")
		must(t, db.SetGeneration(ctx, password, 1))
	}
	// The file lags behind the server, as it may for a moment.
	must(t, os.WriteFile(s.PasswordFile, []byte("second"), 0o600))
	s.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sealgate'")
	err := db.SetGeneration(ctx, "k", 1)
	wantErr(t, err, ErrUnavailable)
	if text := err.Error(); !strings.Contains(text, "password authentication failed") || strings.Contains(text, "second") {
		t.Errorf("got %q", text)
	}
	must(t, os.Remove(s.PasswordFile))
	wantErr(t, db.SetGeneration(ctx, "k", 1), ErrUnavailable)
	must(t, os.WriteFile(s.PasswordFile, []byte("third"), 0o600), db.SetGeneration(ctx, "k", 1))
}

// A database that cannot keep the package's promises is refused, and nothing is
// made in it.
func TestUnfitDatabases(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ make, want string }{
		"another program's": {"CREATE TABLE theirs (a int)", "tables of another program"},
		"no schema":         {"DROP SCHEMA public", "search_path does not exist"},
		"read only":         {"DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$", "read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers.PostgreSQL(t)
			s.Exec(t, tt.make)
			_, err := Open(t.Context(), onPostgres(s).Config)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want %q, got %v", tt.want, err)
			}
		})
	}
	t.Run("another encoding", func(t *testing.T) {
		t.Parallel()
		s := servers.PostgreSQL(t)
		s.Exec(t, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
		d := onPostgres(s)
		_, err := Open(t.Context(), d.by(func(u string) string {
			before, _, _ := strings.Cut(u, "/test_")
			return before + "/ascii?sslmode=disable"
		}))
		if err == nil || !strings.Contains(err.Error(), "encoding SQL_ASCII") {
			t.Errorf("got %v", err)
		}
	})
}

// A schema of its own in a database that others use too.
func TestASchemaOfItsOwn(t *testing.T) {
	t.Parallel()
	s := servers.PostgreSQL(t)
	s.Exec(t, "CREATE TABLE theirs (a int); CREATE SCHEMA ours")
	c := onPostgres(s).byAdding("sslmode=disable&search_path=ours")
	must(t, life(t.Context(), c))
	db, err := Open(t.Context(), c)
	must(t, err)
	defer db.Close()
	var n int
	must(t, db.r.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n))
	if n != 1 {
		t.Errorf("%d tables are in the other schema", n)
	}
}

// What a change promises when it returns must not be the server's choice.
func TestSettingsOfConnections(t *testing.T) {
	t.Parallel()
	s := servers.PostgreSQL(t)
	s.Exec(t, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET synchronous_commit = off'; END $$")
	db := onPostgres(s).open(t)
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "15s", "tcp_keepalives_idle": "10",
	} {
		var got string
		if err := db.w.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s: want %s, got %s, %v", setting, want, got, err)
		}
	}
	must(t, db.change(t.Context(), "testing", pointCandidate, func(ctx context.Context, tx *sql.Tx) error {
		var level string
		err := tx.QueryRowContext(ctx, "SHOW transaction_isolation").Scan(&level)
		if level != "serializable" {
			t.Errorf("changes run %s", level)
		}
		return err
	}))
}

// Reading the logs works where the database may only be read.
func TestReadLogsChangesNothing(t *testing.T) {
	t.Parallel()
	s := servers.PostgreSQL(t)
	d := onPostgres(s)
	must(t, d.open(t).RegisterLog(t.Context(), AuditLog{UUID: "a", Epoch: 1}))
	s.Exec(t, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$")
	if logs, err := ReadLogs(t.Context(), d.Config); err != nil || len(logs) != 1 {
		t.Errorf("got %v, %v", logs, err)
	}
}

func TestErrorsOfPostgreSQL(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]error{
		"23505": ErrConflict, "23503": ErrConflict, "23514": ErrConflict, "40001": ErrBusy, "40P01": ErrBusy, "55P03": ErrBusy, "57014": ErrBusy,
		"53100": ErrNoSpace, "53300": ErrUnavailable, "57P01": ErrUnavailable, "57P03": ErrUnavailable, "08006": ErrUnavailable, "28P01": ErrUnavailable,
		"25006": ErrUnavailable, "25P03": ErrUnavailable, "XX001": ErrCorrupt, "42P01": nil, "42501": nil, "": nil,
	} {
		err := wrap("testing", fmt.Errorf("deeper: %w", &pgconn.PgError{Code: code, Message: "m"}))
		for _, s := range []error{ErrConflict, ErrBusy, ErrNoSpace, ErrUnavailable, ErrCorrupt} {
			if is := errors.Is(err, s); is != (want != nil && errors.Is(s, want)) {
				t.Errorf("%s: is %v: %v", code, s, is)
			}
		}
	}
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		if s := sentinelOf(fmt.Errorf("x: %w", err)); s != nil {
			t.Errorf("%v became %v", err, s)
		}
	}
}
