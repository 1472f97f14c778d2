// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/servers"
)

const replicas = 3

// several opens a database as often as there are replicas.
func (d *database) several(t *testing.T) []*DB {
	t.Helper()
	var all []*DB
	for range replicas {
		all = append(all, d.open(t))
	}
	return all
}

// Parts of one upload come in through every replica, and each replica is told
// to complete it with a list of its own: exactly one list wins, everyone learns
// which, and whatever was acknowledged before it is there and nothing after it.
func TestReplicasRaceForTheList(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		dbs := d.several(t)
		const rounds, senders = 4, 6
		for round := range rounds {
			u := opened(t, dbs[0], upload(round, "a"))
			race := &race{u: u}
			var wg sync.WaitGroup
			for n := range replicas * senders {
				wg.Go(func() { race.send(t, dbs[n%replicas], n) })
			}
			for n := range 2 * replicas {
				wg.Go(func() { race.complete(t, dbs[n%replicas], fmt.Sprint("list ", n)) })
			}
			wg.Wait()
			race.check(t, dbs)
		}
	})
}

// race is what came of one upload.
type race struct {
	u     Upload
	mu    sync.Mutex // guards the rest
	taken []string   // ETags of acknowledged receipts
	won   []Frozen   // what each Complete was told
	own   int        // how many were told their own list
}

// send adds parts until the upload is frozen.
func (r *race) send(t *testing.T, db *DB, sender int) {
	ctx := t.Context()
	for n := 0; ; n++ {
		number, etag := 1+rand.IntN(200), fmt.Sprintf("%d-%d", sender, n)
		err := db.IssuePart(ctx, r.u.ID, number)
		if err == nil {
			err = db.AddReceipt(ctx, receipt(r.u, number, etag))
		}
		if err != nil {
			if !errors.Is(err, ErrConflict) {
				t.Errorf("sending: %v", err)
			}
			return
		}
		r.mu.Lock()
		r.taken = append(r.taken, etag)
		r.mu.Unlock()
	}
}

// complete freezes the upload after some parts came, as Complete does.
func (r *race) complete(t *testing.T, db *DB, list string) {
	ctx := t.Context()
	for wait := time.Millisecond; ; {
		r.mu.Lock()
		enough := len(r.taken) >= 20
		r.mu.Unlock()
		if enough {
			break
		}
		time.Sleep(wait)
	}
	for {
		u, err := db.Upload(ctx, r.u.ID)
		if err != nil {
			t.Errorf("completing: %v", err)
			return
		}
		won, err := db.FreezeUpload(ctx, r.u.ID, Frozen{List: list, Tail: []byte(list), Slot: u.Highest + 1})
		if errors.Is(err, ErrStale) {
			continue
		}
		if err != nil {
			t.Errorf("completing: %v", err)
		}
		r.mu.Lock()
		r.won = append(r.won, won)
		if won.List == list {
			r.own++
		}
		r.mu.Unlock()
		return
	}
}

func (r *race) check(t *testing.T, dbs []*DB) {
	t.Helper()
	if r.own != 1 {
		t.Errorf("%d lists won", r.own)
	}
	for _, f := range r.won {
		if f.List != r.won[0].List || string(f.Tail) != f.List {
			t.Errorf("one Complete was told %q with tail %q, another %q", f.List, f.Tail, r.won[0].List)
		}
	}
	for _, db := range dbs {
		u, err := db.Upload(t.Context(), r.u.ID)
		if err != nil || u.State != UploadFrozen || u.Frozen.List != r.won[0].List || u.Frozen.Slot <= u.Highest {
			t.Errorf("got %+v, %+v, %v", u, u.Frozen, err)
		}
		wantErr(t, db.AddReceipt(t.Context(), receipt(r.u, 1, "late")), ErrConflict)
		var all []string
		for rec, err := range db.ReceiptsOf(t.Context(), r.u.ID) {
			must(t, err)
			all = append(all, rec.ETag)
		}
		slices.Sort(all)
		slices.Sort(r.taken)
		if !slices.Equal(all, r.taken) {
			t.Errorf("%d receipts are stored, %d were acknowledged", len(all), len(r.taken))
		}
	}
	must(t, finish(t.Context(), dbs[0], r.u.ID, "etag"))
}

// The whole life of many uploads, each step through another replica, beside
// reapers that run everywhere: nothing is left, and nothing fails but for a
// reason that the interface names.
func TestReplicasShareUploads(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		dbs := d.several(t)
		const uploads = 24
		var wg sync.WaitGroup
		for n := range uploads {
			wg.Go(func() {
				if err := errors.Join(wholeUpload(t.Context(), dbs, n)...); err != nil {
					t.Errorf("upload %d: %v", n, err)
				}
			})
		}
		for _, db := range dbs {
			wg.Go(func() {
				for range 10 {
					reap(t, db)
				}
			})
		}
		wg.Wait()
		for _, db := range dbs {
			reap(t, db)
			if left, more, err := db.Uploads(t.Context(), UploadQuery{Bucket: "models", Max: 1000}); len(left) > 0 || more || err != nil {
				t.Errorf("left: %v, %v", left, err)
			}
		}
		for _, table := range []string{"uploads", "receipts", "staged"} {
			var n int
			must(t, dbs[0].r.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
			if n > 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
	})
}

// wholeUpload takes an upload from its first to its last step; every third one
// is aborted.
func wholeUpload(ctx context.Context, dbs []*DB, n int) (errs []error) {
	at := n
	db := func() *DB { at++; return dbs[at%len(dbs)] }
	u := upload(n, fmt.Sprint("key ", n))
	u.ID += "-whole"
	do := func(err error) { errs = append(errs, err) }
	do(db().CreateUpload(ctx, u))
	do(db().OpenUpload(ctx, u.ID, "backend"))
	for part := 1; part <= 3; part++ {
		key := fmt.Sprint(u.ID, " staged ", part)
		do(db().IssuePart(ctx, u.ID, part))
		do(db().AddStaged(ctx, u.Bucket, key, u.ID))
		r := receipt(u, part, key)
		r.Staged = key
		do(db().AddReceipt(ctx, r))
	}
	if n%3 == 0 {
		do(db().AbortUpload(ctx, u.ID))
		return errs // a reaper does the rest
	}
	_, err := db().FreezeUpload(ctx, u.ID, frozen)
	do(err)
	do(finish(ctx, db(), u.ID, "etag"))
	staged, err := db().Staged(ctx, u.ID)
	do(err)
	for _, s := range staged {
		do(db().ForgetStaged(ctx, s.Bucket, s.Key))
	}
	do(db().ForgetUpload(ctx, u.ID))
	return errs
}

// reap clears away what was aborted, as each replica does by itself.
func reap(t *testing.T, db *DB) {
	ctx := t.Context()
	for u, err := range db.StaleUploads(ctx, time.UnixMicro(0), time.UnixMicro(0)) {
		if err != nil {
			t.Errorf("reaping: %v", err)
			return
		}
		staged, err := db.Staged(ctx, u.ID)
		for _, s := range staged {
			err = errors.Join(err, db.ForgetStaged(ctx, s.Bucket, s.Key))
		}
		if err = errors.Join(err, db.ForgetUpload(ctx, u.ID)); err != nil {
			t.Errorf("reaping: %v", err)
		}
	}
}

// Replicas that start at the same moment on an empty database all start.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	d := onPostgres(servers.PostgreSQL(t))
	var migrations atomic.Int64
	d.Persist = func(point string) {
		if point == pointMigrate {
			migrations.Add(1)
			for wait := time.Now().Add(3 * time.Second); migrations.Load() < 2 && time.Now().Before(wait); {
				time.Sleep(10 * time.Millisecond) // time for the others to get here, if they can
			}
		}
	}
	var wg sync.WaitGroup
	dbs := make([]*DB, 5)
	for i := range dbs {
		wg.Go(func() {
			db, err := Open(t.Context(), d.Config)
			if err != nil {
				t.Errorf("replica %d: %v", i, err)
				return
			}
			t.Cleanup(func() { _ = db.Close() })
			dbs[i] = db
			_, err = db.RegisterInstance(t.Context(), Instance{ID: fmt.Sprint(i), Host: "gw"})
			err = errors.Join(err, db.RegisterLog(t.Context(), AuditLog{UUID: fmt.Sprint(i), Epoch: 1}))
			if err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
			if err := db.SetDeployment(t.Context(), Deployment{ID: hexOf(byte(i))}); err != nil && !errors.Is(err, ErrConflict) {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := migrations.Load(); n != 1 {
		t.Errorf("%d replicas made the tables", n)
	}
	if t.Failed() {
		return
	}
	first, ok, err := dbs[0].Deployment(t.Context())
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, db := range dbs {
		if got, _, err := db.Deployment(t.Context()); err != nil || got != first {
			t.Errorf("got %v, %v, want %v", got, err, first)
		}
	}
	if logs, err := dbs[0].ListLogs(t.Context()); err != nil || len(logs) != len(dbs) {
		t.Errorf("%d logs, %v", len(logs), err)
	}
}

// A number that only grows must not go back because two replicas looked at the
// same moment: the transactions of change act as if one came after the other.
func TestChangesActAsIfAlone(t *testing.T) {
	t.Parallel()
	dbs := onPostgres(servers.PostgreSQL(t)).several(t)
	ctx := t.Context()
	var looked, wg sync.WaitGroup
	looked.Add(replicas)
	for n, db := range dbs {
		wg.Go(func() {
			first := true
			err := db.change(ctx, "testing", pointCandidate, func(ctx context.Context, tx *sql.Tx) error {
				rows, err := collect(ctx, tx, scanText, "SELECT path FROM leftovers")
				if first { // all have looked before the first one writes
					first = false
					looked.Done()
					looked.Wait()
				}
				if err != nil || len(rows) > 0 {
					return err
				}
				return db.addLeftover(ctx, tx, Leftover{Home: "raw", Path: fmt.Sprint(n), Kind: Candidate})
			})
			if err != nil {
				t.Errorf("replica %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if left, err := dbs[0].Leftovers(ctx); err != nil || len(left) != 1 {
		t.Errorf("want one row, got %v, %v", left, err)
	}
}

// Generations that replicas note at random never go back.
func TestReplicasNoteGenerations(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		dbs := d.several(t)
		const highest = 60
		var wg sync.WaitGroup
		for n := range highest {
			wg.Go(func() {
				err := dbs[n%replicas].SetGeneration(t.Context(), "local", uint64(n+1))
				if err != nil && !errors.Is(err, ErrStale) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, err := dbs[0].Generation(t.Context(), "local"); n != highest || err != nil {
			t.Errorf("want %d, got %d, %v", highest, n, err)
		}
	})
}

// One replica at a time is at the keyring records, and one rotates; a replica
// that is gone holds nothing up.
func TestReplicasKeepEachOtherOut(t *testing.T) {
	t.Parallel()
	d := onPostgres(servers.PostgreSQL(t))
	dbs, ctx := d.several(t), t.Context()
	inside := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for n := range 4 * replicas {
		wg.Go(func() {
			unlock, err := dbs[n%replicas].LockRecords(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			select {
			case inside <- struct{}{}:
				time.Sleep(time.Millisecond)
				<-inside
			default:
				t.Error("two are at the records")
			}
		})
	}
	wg.Wait()

	// Another process holds both, and is killed.
	cmd := child(t, "hold", d.at)
	out, err := cmd.StdoutPipe()
	must(t, err, cmd.Start())
	if text, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(text, err)
	}
	for _, db := range dbs {
		if _, ok, err := db.BeginRotation(ctx); ok || err != nil {
			t.Errorf("a second rotation: %v, %v", ok, err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := dbs[0].LockRecords(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting in vain: %v", err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed: that is the point
	unlock, err := dbs[0].LockRecords(ctx)
	must(t, err)
	defer unlock()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		end, ok, err := dbs[0].BeginRotation(ctx)
		if ok && err == nil {
			end()
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatal("the rotation of a killed replica still runs:", err)
		}
	}
	short, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := dbs[0].LockRecords(short); !errors.Is(err, context.DeadlineExceeded) { // by this process itself
		t.Errorf("waiting in vain: %v", err)
	}
}

// Several replicas are live, each with its row.
func TestReplicasRegister(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := onPostgres(servers.PostgreSQL(t)).with(c)
	db, ctx := d.open(t), t.Context()
	a, err := db.RegisterInstance(ctx, Instance{ID: "a", Host: "gw-1"})
	must(t, err)
	b, err := d.open(t).RegisterInstance(ctx, Instance{ID: "b", Host: "gw-2"})
	must(t, err, a.Beat(ctx), b.Beat(ctx))
	rows := func() []string {
		ids, err := collect(ctx, db.r, scanText, "SELECT id FROM instances ORDER BY id")
		must(t, err)
		return ids
	}
	if got := rows(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	c.now = c.now.Add(2 * forgetAfter) // both were cut off
	_, err = db.RegisterInstance(ctx, Instance{ID: "c"})
	must(t, err, a.Beat(ctx))
	if got := rows(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %v", got)
	}
	must(t, a.Release(ctx))
	if got := rows(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("got %v", got)
	}
}
