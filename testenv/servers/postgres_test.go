// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sealgate/sealgate/testenv/servers"
)

// count adds a row to a table and returns how many there are; -1 if the server
// does not answer.
func count(t *testing.T, p *servers.Postgres) int {
	t.Helper()
	config, err := pgx.ParseConfig(p.URL)
	password, err2 := os.ReadFile(p.PasswordFile)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	config.Password = strings.TrimSpace(string(password))
	c, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		return -1
	}
	defer func() { _ = c.Close(t.Context()) }()
	var n int
	if _, err = c.Exec(t.Context(), "INSERT INTO rows VALUES (1)"); err == nil {
		err = c.QueryRow(t.Context(), "SELECT count(*) FROM rows").Scan(&n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Databases are apart, a killed server keeps what was committed, and a changed
// password counts.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	a, b, own := servers.PostgreSQL(t), servers.PostgreSQL(t), servers.NewPostgreSQL(t)
	for _, p := range []*servers.Postgres{a, b, own} {
		p.Exec(t, "CREATE TABLE rows (n int)")
		if n := count(t, p); n != 1 {
			t.Errorf("%s: %d rows", p.URL, n)
		}
	}
	own.Kill()
	if n := count(t, own); n != -1 {
		t.Errorf("a killed server answers %d", n)
	}
	own.Restart(t)
	own.SetPassword(t, "another")
	if n := count(t, own); n != 2 {
		t.Errorf("after a restart: %d rows, want 2", n)
	}
}
