// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this binary also be the process that a test kills.
func TestMain(m *testing.M) {
	switch os.Getenv("STATE_TEST_ROLE") {
	case "":
		os.Exit(m.Run())
	case "lock":
		if _, err := LockDir(os.Args[1]); err != nil {
			panic(err)
		}
		fmt.Print("held")
		select {}
	case "crash":
		n, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		c := configAt(os.Args[1])
		c.Persist = killAt(n)
		if err := life(context.Background(), c); err != nil {
			panic(err)
		}
	case "hold":
		db, err := Open(context.Background(), configAt(os.Args[1]))
		if err != nil {
			panic(err)
		}
		_, err = db.LockRecords(context.Background())
		_, ok, err2 := db.BeginRotation(context.Background())
		if err := errors.Join(err, err2); !ok || err != nil {
			panic(err)
		}
		fmt.Println("held")
		select {}
	}
}

// killAt returns a hook that kills this process, without any cleanup, at the
// n-th durable step.
func killAt(n int) func(string) {
	return func(string) {
		if n--; n == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it cannot fail for oneself
			select {}
		}
	}
}

// life makes one change of each kind, in an order in which each is visible.
func life(ctx context.Context, c Config) error {
	db, err := Open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	v, r := version(1), replacement(1)
	u, lost, idle := upload(1, "a"), upload(2, "b"), upload(3, "c")
	var reg *Registration
	steps := []func() error{
		func() error { reg, err = db.RegisterInstance(ctx, Instance{ID: "1"}); return err },
		func() error { return db.SetDeployment(ctx, Deployment{ID: hexOf(1)}) },
		func() error { return db.SetGeneration(ctx, "local", 1) },
		func() error { return db.RegisterLog(ctx, AuditLog{UUID: "log", Epoch: 1, PublicKey: "key"}) },
		func() error { return db.AddCandidate(ctx, Leftover{Home: v.Home, Path: v.Path, Digest: v.Digest}) },
		func() error { return db.InsertKeyringVersion(ctx, v) },
		func() error { return db.AddCandidate(ctx, Leftover{Home: v.Home, Path: r.Path, Digest: r.Digest}) },
		func() error { return db.ReplaceRecord(ctx, v.Keyring, 1, v.Digest, r) },
		func() error { return db.ForgetLeftover(ctx, v.Home, v.Path) },
		func() error { return db.AddCandidate(ctx, Leftover{Home: "raw", Path: "lost"}) },
		func() error { _, err := db.ClaimLeftover(ctx, "raw", "lost"); return err },
		func() error { return db.SetState(ctx, v.Keyring, 1, StateActive, StateDecryptOnly) },
		func() error { return db.CreateUpload(ctx, u) },
		func() error { return db.OpenUpload(ctx, u.ID, "backend") },
		func() error { return db.IssuePart(ctx, u.ID, 1) },
		func() error { return db.AddStaged(ctx, u.Bucket, "staged/1", u.ID) },
		func() error {
			return db.AddReceipt(ctx, Receipt{Upload: u.ID, Number: 1, ETag: "e", Staged: "staged/1", Sealed: []byte("s")})
		},
		func() error { _, err := db.FreezeUpload(ctx, u.ID, Frozen{List: "list", Slot: 2}); return err },
		func() error { return db.ThawUpload(ctx, u.ID, Frozen{List: "list", Slot: 2}) },
		func() error { _, err := db.FreezeUpload(ctx, u.ID, Frozen{List: "list", Slot: 3}); return err },
		func() error {
			_, err := db.FinishUpload(ctx, u.ID, Frozen{List: "list", Slot: 3, ETag: "etag"})
			return err
		},
		func() error { return db.ForgetStaged(ctx, u.Bucket, "staged/1") },
		func() error { return db.CreateUpload(ctx, lost) },
		func() error { return db.AbortUpload(ctx, lost.ID) },
		func() error { return db.CreateUpload(ctx, idle) },
		func() error { return db.AbandonUpload(ctx, idle.ID, time.Now(), time.Now()) },
		func() error { return db.ForgetUpload(ctx, u.ID) },
		func() error { return db.MakeBucket(ctx, MadeBucket{Name: "new", Backend: "disk", KEK: "local"}) },
		func() error { return db.SetBucket(ctx, "new", BucketMaking, BucketRemoved) },
		func() error { return db.ForgetBucket(ctx, "new") },
		func() error { return db.MakeBucket(ctx, MadeBucket{Name: "new", Backend: "disk", KEK: "local"}) },
		func() error { return db.SetBucket(ctx, "new", BucketMaking, BucketReady) },
		func() error { return reg.Beat(ctx) },
		func() error { return reg.Release(ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func factsAt(t *testing.T, path string) string {
	t.Helper()
	return (&database{Config: Config{Path: path}}).facts(t)
}

// facts is all of the database that life can see, as one comparable text.
func (d *database) facts(t *testing.T) string {
	t.Helper()
	db := d.open(t)
	defer db.Close()
	ctx := t.Context()
	_, set, err1 := db.Deployment(ctx)
	gen, err2 := db.Generation(ctx, "local")
	logs, err3 := db.ListLogs(ctx)
	keyrings, err4 := db.ListKeyringVersions(ctx)
	left, err5 := db.Leftovers(ctx)
	var instances int
	err6 := db.r.QueryRowContext(ctx, "SELECT count(*) FROM instances").Scan(&instances)
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprint(set, gen, len(logs), instances, epoch(t, db))
	for _, v := range keyrings {
		text += fmt.Sprint(" version ", v.Path, v.State, v.Digest)
	}
	for _, l := range left {
		text += fmt.Sprint(" leftover ", l.Path, l.Kind)
	}
	made, err := db.MadeBuckets(ctx)
	must(t, err)
	for _, b := range made {
		text += fmt.Sprint(" bucket ", b.Name, b.State)
	}
	return text + uploadFacts(t, db)
}

// uploadFacts is all that life made of uploads.
func uploadFacts(t *testing.T, db *DB) string {
	t.Helper()
	text := ""
	for n := 1; n <= 3; n++ {
		u, err := db.Upload(t.Context(), upload(n, "").ID)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		receipts, _, err2 := db.Receipts(t.Context(), u.ID, 0, 10)
		staged, err3 := db.Staged(t.Context(), u.ID)
		must(t, err, err2, err3)
		text += fmt.Sprint(" upload ", n, u.State, u.Backend, u.Highest, u.Frozen != nil, len(receipts), len(staged))
	}
	return text
}

// TestKilledAtEveryStep kills a process before each durable step and after the
// last one: what is found must be exactly what the steps before it made.
func TestKilledAtEveryStep(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		var names []string
		want := []string{} // want[i]: the facts after i steps
		whole := *d
		whole.Persist = func(p string) { names = append(names, p) }
		must(t, life(t.Context(), whole.Config))
		missing := slices.DeleteFunc(slices.Clone(PersistPoints), func(p string) bool { return slices.Contains(names, p) })
		var unmade []string // PostgreSQL has no file to make
		if d.server != nil {
			unmade = []string{pointCreate}
		}
		if !slices.Equal(missing, unmade) {
			t.Fatalf("no step passes %v", missing)
		}
		for n := 1; n <= len(names); n++ {
			next := d.another(t)
			if err := child(t, "crash", next.at, strconv.Itoa(n)).Run(); err == nil {
				t.Fatalf("step %d of %d (%s) killed nobody", n, len(names), names[n-1])
			}
			got := next.facts(t)
			// Opening makes file and schema again; a beat moves only a time.
			visible := !slices.Contains([]string{pointCreate, pointMigrate, pointInstanceRegister, pointInstanceRelease}, names[n-1])
			if visible && slices.Contains(want, got) {
				t.Errorf("at %s: the step before left no trace", names[n-1])
			}
			want = append(want, got)
		}
		if got := whole.facts(t); got != "true 1 1 0 5 version "+replacement(1).Path+StateDecryptOnly+replacement(1).Digest+
			" leftover lostsuperseded bucket newready upload 2aborting0 false 0 0 upload 3aborting0 false 0 0" {
			t.Errorf("at the end: %s", got)
		}
	})
}

// A panic below a change, as a test's crash hook makes it, must free the
// database again.
func TestAPanicRollsBack(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		panicking := false
		d.Persist = func(string) {
			if panicking {
				panic("crash")
			}
		}
		db := d.open(t)
		panicking = true
		func() {
			defer func() { _ = recover() }()
			_ = db.SetGeneration(t.Context(), "local", 9) // it panics
		}()
		panicking = false
		if n, err := db.Generation(t.Context(), "local"); n != 0 || err != nil {
			t.Errorf("want nothing stored, got %d, %v", n, err)
		}
		must(t, db.SetGeneration(t.Context(), "local", 1))
	})
}

// Of many that replace the same record at once exactly one wins, and the rows
// agree afterwards.
func TestConcurrentReplaceHasOneWinner(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, v := d.open(t), version(1)
		must(t, insert(t.Context(), db, v))
		const racers = 16
		errs := make([]error, racers)
		for i := range racers {
			must(t, db.AddCandidate(t.Context(), Leftover{Home: v.Home, Path: replacement(byte(i)).Path}))
		}
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() { errs[i] = db.ReplaceRecord(t.Context(), v.Keyring, 1, v.Digest, replacement(byte(i))) })
		}
		wg.Wait()
		winner := slices.Index(errs, nil)
		for i, err := range errs {
			if i != winner {
				wantErr(t, err, ErrConflict)
			}
		}
		list, err := db.ListKeyringVersions(t.Context())
		if err != nil || len(list) != 1 || winner < 0 || list[0].Digest != replacement(byte(winner)).Digest {
			t.Fatalf("winner %d, rows %+v, %v", winner, list, err)
		}
		if n := epoch(t, db); n != 2 {
			t.Errorf("want epoch 2, got %d", n)
		}
	})
}
