// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Postgres says which PostgreSQL database holds the state, 13 or later, with
// encoding UTF8. It is Sealgate's own, or a schema of it is.
type Postgres struct {
	// URL is postgres://USER@HOST[:PORT]/DATABASE?sslmode=... with parameters
	// out of URLParameters. It holds no password. What it leaves out is
	// PostgreSQL's default: no PG... variable and no file of the user's home
	// adds to it.
	URL string
	// Password is asked for at each new connection, so that a new one is used
	// from the next connection on. Nil: no password, as with certificates.
	Password func() (string, error)
}

// URLParameters are the parameters that a URL may have.
var URLParameters = []string{
	"sslmode", "sslrootcert", "sslcert", "sslkey", "host", "connect_timeout", "application_name", "target_session_attrs",
	"channel_binding", "search_path", "default_query_exec_mode",
}

// unnamed are settings that pgx would take from the environment or the user's
// home where the URL is silent, with what holds instead. A value from there
// could weaken what the configuration says.
var unnamed = map[string]string{
	"sslrootcert": "", "sslcert": "", "sslkey": "", "sslpassword": "", "sslcertmode": "allow", "sslsni": "1", "sslnegotiation": "postgres",
	"passfile": "", "application_name": "sealgate", "connect_timeout": "5", "target_session_attrs": "any", "channel_binding": "prefer",
	"require_auth": "", "min_protocol_version": "", "max_protocol_version": "", "port": "5432",
}

// name is the URL without parameters.
func (p *Postgres) name() string {
	u, err := url.Parse(p.URL)
	if err != nil { // it may hold a password in an odd place
		return "postgres"
	}
	return (&url.URL{Scheme: u.Scheme, User: url.User(u.User.Username()), Host: u.Host, Path: u.Path}).String()
}

// connConfig reads the URL, the files that it names and the password: at each
// connection, so that what was rotated is used.
func (p *Postgres) connConfig() (*pgx.ConnConfig, error) {
	text, given, err := p.explicit()
	if err != nil {
		return nil, err
	}
	c, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("reading its URL: %s", withoutURL(err))
	}
	for name := range c.RuntimeParams { // PGOPTIONS and its like
		if !slices.Contains(given, name) && name != "application_name" {
			delete(c.RuntimeParams, name)
		}
	}
	c.Password = ""
	if p.Password != nil {
		if c.Password, err = p.Password(); err != nil {
			return nil, fmt.Errorf("reading its password: %w", err)
		}
	}
	// Such a connection is of no use any more: another server may do better.
	c.OnPgError = func(_ *pgconn.PgConn, e *pgconn.PgError) bool {
		return !strings.EqualFold(e.Severity, "FATAL") && e.Code != codeReadOnly
	}
	return c, nil
}

// explicit is the URL with every setting named, and the parameters that it had.
func (p *Postgres) explicit() (text string, given []string, err error) {
	for _, name := range []string{"PGSERVICE", "PGSERVICEFILE"} { // nothing in a URL overrides them
		if os.Getenv(name) != "" {
			return "", nil, fmt.Errorf("the variable %s would change where it connects to; unset it", name)
		}
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.User.Username() == "" || u.Path == "" || u.Path == "/" {
		return "", nil, errors.New("its URL is not postgres://USER@HOST[:PORT]/DATABASE?sslmode=MODE")
	}
	if _, ok := u.User.Password(); ok {
		return "", nil, errors.New("its URL holds a password")
	}
	q := u.Query()
	for name := range q {
		if !slices.Contains(URLParameters, name) {
			return "", nil, fmt.Errorf("its URL has the parameter %q, which is not known", name)
		}
		given = append(given, name)
	}
	if q.Get("sslmode") == "" || (u.Host == "") == (q.Get("host") == "") {
		return "", nil, errors.New("its URL must name sslmode and one host")
	}
	for name, value := range unnamed {
		if !q.Has(name) && (name != "port" || u.Port() == "") {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), given, nil
}

// withoutURL is what pgx has against a URL, without the URL.
func withoutURL(err error) string {
	if e, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		text := strings.ReplaceAll(e.Error(), e.ConnString, "")
		_, text, _ = strings.Cut(text, "`: ")
		return text
	}
	return "it cannot be read"
}

// Bounds of the pool. Every change is a few statements, so that few
// connections serve many requests.
const (
	maxConns     = 16
	maxIdleConns = 8
	maxConnLife  = 30 * time.Minute
	minPostgres  = 13
)

// openPostgres connects, and makes or updates the tables.
func (db *DB) openPostgres(ctx context.Context) error {
	var err error
	if db.w, err = db.cfg.Postgres.pool(); err != nil {
		return err
	}
	db.r = db.w
	// Two replicas may start on an empty database at the same moment.
	unlock, err := db.exclusive(ctx, lockMigrations)
	if err != nil {
		return err
	}
	defer unlock()
	for _, check := range []func(context.Context, querier) error{checkForeign, checkWritable} {
		if err := check(ctx, db.w); err != nil {
			return err
		}
	}
	return db.migrate(ctx)
}

// pool opens a pool of connections. It connects when a connection is needed.
func (p *Postgres) pool() (*sql.DB, error) {
	first, err := p.connConfig() // a fault of the configuration shows at once
	if err != nil {
		return nil, err
	}
	h := stdlib.OpenDB(*first,
		stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) error {
			fresh, err := p.connConfig()
			if err != nil { // a file that is being replaced, a mode that is wrong: it can heal
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			*c = *fresh
			return nil
		}),
		stdlib.OptionAfterConnect(prepareConn))
	h.SetMaxOpenConns(maxConns)
	h.SetMaxIdleConns(maxIdleConns)
	h.SetConnMaxLifetime(maxConnLife)
	return h, nil
}

// prepareConn makes a new connection one on which the package doc holds. What
// is set bounds how long a replica that was cut off can hold a row.
func prepareConn(ctx context.Context, c *pgx.Conn) error {
	status := c.PgConn().ParameterStatus
	if e := status("server_encoding"); e != "UTF8" {
		return fmt.Errorf("the database has encoding %s; make it with ENCODING 'UTF8'", e)
	}
	major, _, _ := strings.Cut(status("server_version"), ".")
	major, _, _ = strings.Cut(major, " ") // "16 (Debian 16.1)", "17beta1" is refused
	if n, err := strconv.Atoi(major); err != nil || n < minPostgres {
		return fmt.Errorf("the server is PostgreSQL %s; %d or later is needed", status("server_version"), minPostgres)
	}
	const settings = `SET lock_timeout = '5s';
		SET idle_in_transaction_session_timeout = '15s';
		SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
		SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')`
	return c.PgConn().Exec(ctx, settings).Close()
}

// checkWritable refuses a standby, with a clearer word than a migration would
// have for it.
func checkWritable(ctx context.Context, q querier) error {
	readOnly, err := collect(ctx, q, scanText, "SHOW transaction_read_only")
	if err == nil && readOnly[0] == "on" {
		return fmt.Errorf("%w: it is read-only, as a standby is; name the primary, or several hosts and target_session_attrs=read-write", ErrUnavailable)
	}
	return err
}

// checkForeign refuses a schema in which another program has tables and we
// have none.
func checkForeign(ctx context.Context, q querier) error {
	var schema sql.NullString
	if err := q.QueryRowContext(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	if !schema.Valid {
		return errors.New("the schema of its search_path does not exist, or may not be used")
	}
	names, err := postgres.tablesIn(ctx, q)
	if err != nil {
		return err
	}
	if len(names) > 0 && !slices.Contains(names, "reader") {
		return fmt.Errorf("%w (schema %s holds tables of another program)", ErrCorrupt, schema.String)
	}
	return nil
}
