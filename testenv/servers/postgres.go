// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is an empty database of a running PostgreSQL, with a password.
type Postgres struct {
	// URL names the database, without its password: postgres://...
	URL string
	// PasswordFile holds the password, mode 0600.
	PasswordFile string
	// CAFile is the PEM file of the authority of the server's certificate, for
	// an sslmode other than that of URL, which is disable.
	CAFile string

	cluster *cluster
}

const postgresUser = "sealgate"

// PostgreSQL returns a new database on a PostgreSQL that all tests of this
// process share. It is a private cluster, never the system's, and it is stopped
// when the last of the tests that asked for it has ended. Nothing is synced to
// disk there.
func PostgreSQL(tb testing.TB) *Postgres {
	tb.Helper()
	notShort(tb)
	sharedCluster.mu.Lock()
	defer sharedCluster.mu.Unlock()
	if sharedCluster.users == 0 {
		sharedCluster.cluster = newCluster(tb)
	}
	sharedCluster.users++
	tb.Cleanup(func() {
		sharedCluster.mu.Lock()
		defer sharedCluster.mu.Unlock()
		if sharedCluster.users--; sharedCluster.users == 0 {
			sharedCluster.cluster.end()
		}
	})
	return sharedCluster.cluster.database(tb)
}

// NewPostgreSQL returns a database on a PostgreSQL of its own for the test, to
// be killed. It syncs to disk as a real one does.
func NewPostgreSQL(tb testing.TB) *Postgres {
	tb.Helper()
	notShort(tb)
	c := newCluster(tb, "fsync=on")
	tb.Cleanup(c.end)
	return c.database(tb)
}

var sharedCluster struct {
	mu      sync.Mutex // guards both, and holds others off while it starts
	cluster *cluster
	users   int
}

// Kill ends the server at once, as a crash would.
func (p *Postgres) Kill() { p.cluster.proc.kill() }

// Restart starts the server again after Kill, with the same address and data.
func (p *Postgres) Restart(tb testing.TB) {
	tb.Helper()
	// What the killed server left behind ends a moment after it, and until then
	// keeps a new one from starting.
	var err error
	for began := time.Now(); time.Since(began) < startTimeout; time.Sleep(100 * time.Millisecond) {
		if err = p.cluster.launch(); err == nil {
			return
		}
	}
	tb.Fatalf("starting postgres again: %v", err)
}

// Exec runs statements as the server's owner.
func (p *Postgres) Exec(tb testing.TB, statements string) {
	tb.Helper()
	p.cluster.exec(tb, p.URL, statements)
}

// SetPassword gives the user another password and writes it into PasswordFile.
// Connections that exist stay.
func (p *Postgres) SetPassword(tb testing.TB, password string) {
	tb.Helper()
	p.Exec(tb, fmt.Sprintf("ALTER USER %s PASSWORD '%s'", postgresUser, password))
	next := p.PasswordFile + ".next"
	if err := errors.Join(os.WriteFile(next, []byte(password+"\n"), 0o600), os.Rename(next, p.PasswordFile)); err != nil {
		tb.Fatal(err)
	}
	p.cluster.password = password
}

// cluster is one PostgreSQL server with its data.
type cluster struct {
	bin, dir, addr string
	password       string
	settings       []string
	as             *syscall.Credential // nil: this process's own user
	proc           *process
	databases      int
}

// newCluster makes and starts a cluster. settings come after those of every
// cluster and win.
func newCluster(tb testing.TB, settings ...string) *cluster {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sealgate-postgres")
	if err != nil {
		tb.Fatal(err)
	}
	c := &cluster{bin: postgresBinaries(tb), dir: dir, password: rand.Text(), settings: settings}
	writeCertificate(tb, dir)
	if c.as, err = unprivileged(); err == nil {
		err = c.initialize()
	}
	for range 3 { // another process may take the port first
		if err != nil {
			break
		}
		if c.addr, err = freePort(); err == nil {
			err = c.launch()
		}
		if err == nil {
			return c
		}
	}
	_ = os.RemoveAll(dir) // temporary in any case
	tb.Fatalf("starting postgres: %v", err)
	return nil
}

// unprivileged is whom to run the server as: it refuses to run as root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no other user is needed
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err, err2)
}

// initialize makes the data of a cluster.
func (c *cluster) initialize() error {
	passwords := filepath.Join(c.dir, "password")
	if err := os.WriteFile(passwords, []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	if c.as != nil {
		for _, path := range []string{c.dir, passwords, filepath.Join(c.dir, "public.crt"), filepath.Join(c.dir, "private.key")} {
			if err := os.Chown(path, int(c.as.Uid), int(c.as.Gid)); err != nil {
				return err
			}
		}
	}
	cmd := exec.Command(filepath.Join(c.bin, "initdb"), "--pgdata", filepath.Join(c.dir, "data"), "--username", postgresUser,
		"--auth", "scram-sha-256", "--pwfile", passwords, "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir, cmd.Env = c.dir, append(cleanEnv(), "HOME="+c.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// launch starts the server and waits until it is ready.
func (c *cluster) launch() error {
	_, port, _ := strings.Cut(c.addr, ":")
	args := []string{"-D", filepath.Join(c.dir, "data")}
	for _, s := range append([]string{
		"listen_addresses=127.0.0.1", "port=" + port, "unix_socket_directories=", "max_connections=200", "shared_buffers=16MB",
		"dynamic_shared_memory_type=mmap", "fsync=off", "full_page_writes=off", "log_min_messages=warning",
		"ssl=on", "ssl_cert_file=" + filepath.Join(c.dir, "public.crt"), "ssl_key_file=" + filepath.Join(c.dir, "private.key"),
	}, c.settings...) {
		args = append(args, "-c", s)
	}
	p, err := startAs(c.as, c.dir, filepath.Join(c.bin, "postgres"), nil, args...)
	if err != nil {
		return err
	}
	c.proc = p
	ready := func(ctx context.Context) bool {
		conn, err := c.connect(ctx, c.url("postgres"))
		return err == nil && conn.Close(ctx) == nil
	}
	if err := p.awaitThat(ready); err != nil {
		p.kill()
		return err
	}
	return nil
}

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", postgresUser, c.addr, database)
}

func (c *cluster) connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.Password = c.password
	return pgx.ConnectConfig(ctx, config)
}

func (c *cluster) exec(tb testing.TB, url, statements string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout) // also in a test's cleanup
	defer cancel()
	conn, err := c.connect(ctx, url)
	if err == nil {
		_, err = conn.PgConn().Exec(ctx, statements).ReadAll()
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		tb.Fatalf("running %q: %v", statements, err)
	}
}

// database makes an empty one.
func (c *cluster) database(tb testing.TB) *Postgres {
	tb.Helper()
	c.databases++
	name := fmt.Sprintf("test_%d", c.databases)
	c.exec(tb, c.url("postgres"), "CREATE DATABASE "+name)
	p := &Postgres{
		URL: c.url(name), PasswordFile: filepath.Join(tb.TempDir(), "postgres-password"),
		CAFile: filepath.Join(c.dir, "public.crt"), cluster: c,
	}
	if err := os.WriteFile(p.PasswordFile, []byte(c.password+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return p
}

// end stops the server and removes what it kept.
func (c *cluster) end() {
	_ = c.proc.cmd.Process.Signal(syscall.SIGQUIT) // at once, but its children are told
	select {
	case <-c.proc.exited:
	case <-time.After(stopTimeout):
		c.proc.kill()
	}
	_ = os.RemoveAll(c.dir) // temporary in any case
}

// postgresBinaries returns the folder of the server's programs, installing them
// if they are absent and this process may. Debian keeps them off the path.
func postgresBinaries(tb testing.TB) string {
	tb.Helper()
	if dir := findPostgres(); dir != "" {
		return dir
	}
	withApt(tb, "postgresql", func() error {
		if findPostgres() != "" {
			return nil // another process did it while this one waited
		}
		return aptInstall("postgresql")
	})
	dir := findPostgres()
	if dir == "" {
		tb.Fatal("initdb and postgres are not there after installing postgresql")
	}
	return dir
}

// findPostgres returns the newest version's folder, "" if there is none.
func findPostgres() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is right
	slices.SortFunc(dirs, func(a, b string) int { return postgresMajor(b) - postgresMajor(a) })
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		_, err := os.Stat(filepath.Join(dir, "initdb"))
		_, err2 := os.Stat(filepath.Join(dir, "postgres"))
		if err == nil && err2 == nil {
			return dir
		}
	}
	return ""
}

func postgresMajor(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin))) // not a number sorts last
	return n
}
