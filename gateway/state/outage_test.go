// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/testenv/servers"
)

// The server is killed and started again in the middle of what several replicas
// do. Each call either fails with ErrUnavailable or did what it says; what was
// acknowledged is there afterwards, and the pools connect again by themselves.
func TestPostgreSQLRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	server := servers.NewPostgreSQL(t)
	dbs := onPostgres(server).several(t)
	u := opened(t, dbs[0], upload(1, "a"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var acknowledged sync.Map
	var done, failed atomic.Int64
	var wg sync.WaitGroup
	for n := range 3 * replicas {
		wg.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				r := receipt(u, 1+n, fmt.Sprintf("%d-%d", n, i))
				err := dbs[n%replicas].AddReceipt(t.Context(), r)
				switch {
				case err == nil:
					acknowledged.Store(r.ETag, true)
					done.Add(1)
				case errors.Is(err, ErrUnavailable):
					failed.Add(1)
				default:
					t.Errorf("neither done nor unavailable: %v", err)
				}
			}
		})
	}
	more := func() {
		t.Helper()
		for want, deadline := done.Load()+50, time.Now().Add(time.Minute); done.Load() < want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no change succeeds any more")
			}
		}
	}
	for range 2 {
		more()
		server.Kill()
		for seen := failed.Load(); failed.Load() == seen; time.Sleep(10 * time.Millisecond) { // it was noticed
			if ctx.Err() != nil {
				t.Fatal("nobody noticed")
			}
		}
		server.Restart(t)
	}
	more()
	stop()
	wg.Wait()
	stored := map[string]bool{}
	for r, err := range dbs[1].ReceiptsOf(t.Context(), u.ID) {
		must(t, err)
		stored[r.ETag] = true
	}
	acknowledged.Range(func(etag, _ any) bool {
		if !stored[etag.(string)] {
			t.Errorf("acknowledged receipt %s is gone", etag)
		}
		return true
	})
	if _, err := dbs[2].FreezeUpload(t.Context(), u.ID, Frozen{List: "l", Slot: 10}); err != nil {
		t.Error(err)
	}
}

// Every kind of call says that the database is away, soon, on one line; a
// replica keeps running meanwhile.
func TestPostgreSQLIsAway(t *testing.T) {
	t.Parallel()
	server := servers.NewPostgreSQL(t)
	d := onPostgres(server)
	db, ctx := d.open(t), t.Context()
	reg, err := db.RegisterInstance(ctx, Instance{ID: "1"})
	must(t, err, db.CreateUpload(ctx, upload(1, "a")))
	server.Kill()
	calls := map[string]func() error{
		"open":     func() error { _, err := Open(ctx, d.Config); return err },
		"logs":     func() error { _, err := ReadLogs(ctx, d.Config); return err },
		"read":     func() error { _, err := db.Epoch(ctx); return err },
		"one row":  func() error { _, err := db.Upload(ctx, upload(1, "a").ID); return err },
		"change":   func() error { return db.SetGeneration(ctx, "local", 1) },
		"upload":   func() error { return db.IssuePart(ctx, upload(1, "a").ID, 1) },
		"lock":     func() error { _, err := db.LockRecords(ctx); return err },
		"rotation": func() error { _, _, err := db.BeginRotation(ctx); return err },
		"beat":     func() error { return reg.Beat(ctx) },
		"iterate": func() error {
			for _, err := range db.StaleUploads(ctx, time.Now(), time.Now()) {
				return err
			}
			return nil
		},
	}
	var wg sync.WaitGroup
	for name, call := range calls {
		wg.Go(func() {
			err := call()
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			wantErr(t, err, ErrUnavailable)
		})
	}
	wg.Wait()
	must(t, reg.leave(ctx)) // a stop is no failure
	server.Restart(t)
	for name, call := range calls {
		if name == "upload" {
			continue // not open
		}
		if name == "lock" {
			unlock, err := db.LockRecords(ctx)
			must(t, err)
			unlock()
			continue
		}
		if err := call(); err != nil {
			t.Errorf("%s, after a restart: %v", name, err)
		}
	}
}

// A replica that cannot reach PostgreSQL for long goes on: objects are read and
// written without it.
func TestRunOutlivesAnOutage(t *testing.T) {
	d := onPostgres(servers.PostgreSQL(t))
	db := d.open(t)
	reg, err := db.RegisterInstance(t.Context(), Instance{ID: "1"})
	must(t, err, db.Close()) // every call fails from here on
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*LiveFor)
		defer cancel()
		began := time.Now()
		if err := reg.Run(ctx); time.Since(began) < 10*LiveFor {
			t.Errorf("it ended after %s: %v", time.Since(began), err)
		}
	})
}

// wire is a connection between a database and its server that can be spoiled.
type wire struct {
	mu    sync.Mutex // guards conns
	conns []net.Conn
	// What the server says next is swallowed, and all it says on that connection
	// after it (mute), or the connection ends (cut). Other connections work.
	mute, cut atomic.Bool
}

// through returns d with a wire in between.
func (d *database) through(t *testing.T) (*database, *wire) {
	t.Helper()
	u, err := url.Parse(d.Postgres.URL)
	l, err2 := net.Listen("tcp", "127.0.0.1:0")
	must(t, err, err2)
	w := &wire{}
	t.Cleanup(func() { _ = l.Close(); w.end() })
	go w.accept(l, u.Host)
	u.Host = l.Addr().String()
	return &database{Config: Config{Postgres: &Postgres{URL: u.String(), Password: d.Postgres.Password}}, server: d.server}, w
}

func (w *wire) accept(l net.Listener, to string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return // the test has ended
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, server)
		w.mu.Unlock()
		go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		go w.answer(client, server)
	}
}

// answer passes on what the server says while it may.
func (w *wire) answer(client, server net.Conn) {
	buf, muted := make([]byte, 64<<10), false
	for {
		n, err := server.Read(buf)
		switch {
		case err != nil || w.cut.CompareAndSwap(true, false):
			_ = client.Close()
			return
		case muted || w.mute.CompareAndSwap(true, false):
			muted = true
		default:
			_, _ = client.Write(buf[:n])
		}
	}
}

func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// The connection ends while the server commits: nobody can say whether it did.
// The call says so, does nothing twice, and made again it succeeds.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*wire) *atomic.Bool{
		"connection ends": func(w *wire) *atomic.Bool { return &w.cut },
		"silence":         func(w *wire) *atomic.Bool { return &w.mute },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := onPostgres(servers.PostgreSQL(t))
			d, w := direct.through(t)
			tried := 0
			d.Persist = func(point string) {
				if tried++; point == pointReceipt && tried == 1 {
					spoil(w).Store(true)
				}
			}
			db, ctx := d.open(t), t.Context()
			db.within = 2 * time.Second
			u := opened(t, db, upload(1, "a"))
			must(t, db.IssuePart(ctx, u.ID, 1))
			tried = 0
			wantErr(t, db.AddReceipt(ctx, receipt(u, 1, "e")), ErrUnavailable)
			if tried != 1 {
				t.Errorf("it was tried %d times: it may be stored twice", tried)
			}
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
				list, _, err := direct.open(t).Receipts(ctx, u.ID, 0, 10)
				must(t, err)
				if len(list) == 1 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the server did not commit: this test shows nothing")
				}
			}
			must(t, db.AddReceipt(ctx, receipt(u, 1, "e")))
		})
	}
}

// A connection that was lost before the commit is no reason to bother anyone.
func TestALostConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	server := servers.PostgreSQL(t)
	d := onPostgres(server)
	commits := 0
	d.Persist = func(point string) {
		if point == pointGeneration {
			commits++
		}
	}
	db, ctx := d.open(t), t.Context()
	kill := func() {
		server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sealgate' AND datname = current_database()")
	}
	for range 3 {
		kill()
		if _, err := db.Epoch(ctx); err != nil {
			t.Error(err)
		}
		kill()
		if err := db.SetDeployment(ctx, Deployment{ID: hexOf(1)}); err != nil {
			t.Error(err)
		}
	}
	first := true
	err := db.change(ctx, "testing", pointGeneration, func(ctx context.Context, tx *sql.Tx) error {
		if first {
			first = false
			kill()
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO keystore_generations (kek, generation) VALUES ('k', 1)")
		return err
	})
	if n, err2 := db.Generation(ctx, "k"); err != nil || err2 != nil || n != 1 || commits != 1 {
		t.Errorf("generation %d, %d commits, %v, %v", n, commits, err, err2)
	}
}

// A replica that was stopped in the middle of a change, or cut off, does not
// keep the others from an upload for ever.
func TestAStuckReplicaLetsGo(t *testing.T) {
	t.Parallel()
	d := onPostgres(servers.PostgreSQL(t))
	db, other, ctx := d.open(t), d.open(t), t.Context()
	u := opened(t, db, upload(1, "a"))
	tx, err := db.w.BeginTx(ctx, nil)
	must(t, err, touch(ctx, tx, u.ID, time.Now()))
	defer func() { _ = tx.Rollback() }()
	began := time.Now()
	err = other.IssuePart(ctx, u.ID, 1)
	wantErr(t, err, ErrBusy)
	if took := time.Since(began); took < patience {
		t.Errorf("it waited only %s", took)
	}
	for deadline := began.Add(2 * time.Minute); ; {
		if err = other.IssuePart(ctx, u.ID, 1); err == nil {
			break
		}
		if !errors.Is(err, ErrBusy) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
