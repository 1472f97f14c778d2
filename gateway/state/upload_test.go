// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upload makes a valid upload whose every field is its own.
func upload(n int, key string) Upload {
	return Upload{
		ID: fmt.Sprintf("upload-%d", n), Bucket: "models", Key: key, Actor: "spiffe://acme.ai/train", Object: hexOf(byte(n)),
		Metadata: "sealed", Algorithm: "CRC32C", ChecksumType: "COMPOSITE", Tags: "a=b",
		Created: time.UnixMicro(1e15 + int64(n)).UTC(), Expires: time.UnixMicro(2e15).UTC(),
	}
}

// must fails the test at the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

func receipt(u Upload, number int, etag string) Receipt {
	return Receipt{Upload: u.ID, Number: number, ETag: etag, Sealed: []byte("sealed " + etag), Created: time.UnixMicro(1e15).UTC()}
}

// opened stores an upload and brings it to state open.
func opened(t *testing.T, db *DB, u Upload) Upload {
	t.Helper()
	must(t, db.CreateUpload(t.Context(), u), db.OpenUpload(t.Context(), u.ID, "backend"))
	return u
}

var frozen = Frozen{List: "list", Tail: []byte("tail"), Slot: 4}

// made is frozen as the object that it became.
func made(etag string) Frozen {
	f := frozen
	f.ETag = etag
	return f
}

// finish finishes an upload as frozen, the first or another time.
func finish(ctx context.Context, db *DB, id, etag string) error {
	_, err := db.FinishUpload(ctx, id, made(etag))
	return err
}

func TestUploadFromCreateToForget(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		c := newClock()
		db, ctx := d.with(c).open(t), t.Context()
		u := upload(1, "a/b")
		check := func(edit func(*Upload)) {
			t.Helper()
			edit(&u)
			got, err := db.Upload(ctx, u.ID)
			if diff := cmp.Diff(u, got); diff != "" || err != nil {
				t.Fatal(diff, err)
			}
			c.now = c.now.Add(time.Minute)
		}
		must(t, db.CreateUpload(ctx, u))
		check(func(u *Upload) { u.State, u.Active = UploadOpening, u.Created })
		must(t, db.OpenUpload(ctx, u.ID, "backend-1"), db.OpenUpload(ctx, u.ID, "backend-1"))
		check(func(u *Upload) { u.State, u.Backend = UploadOpen, "backend-1" })
		must(t, db.IssuePart(ctx, u.ID, 3), db.IssuePart(ctx, u.ID, 2))
		check(func(u *Upload) { u.Highest, u.Active = 3, c.now.UTC() })
		r := receipt(u, 3, "e3")
		must(t, db.AddReceipt(ctx, r), db.AddReceipt(ctx, r))
		check(func(u *Upload) { u.Active = c.now.UTC() })
		for range 2 {
			if won, err := db.FreezeUpload(ctx, u.ID, frozen); err != nil || !cmp.Equal(won, frozen) {
				t.Fatalf("want %+v, got %+v, %v", frozen, won, err)
			}
		}
		check(func(u *Upload) { f := frozen; u.State, u.Frozen, u.Active = UploadFrozen, &f, c.now.UTC() })
		for _, want := range []bool{true, false} {
			if first, err := db.FinishUpload(ctx, u.ID, made("etag")); err != nil || first != want {
				t.Errorf("first is %t, %v, want %t", first, err, want)
			}
			if want {
				check(func(u *Upload) { u.State, u.Frozen.ETag, u.Active = UploadDone, "etag", c.now.UTC() })
			}
		}
		if list, _, err := db.Receipts(ctx, u.ID, 0, 10); len(list) > 0 || err != nil {
			t.Errorf("receipts of a finished upload: %v, %v", list, err)
		}
		must(t, db.ForgetUpload(ctx, u.ID), db.ForgetUpload(ctx, u.ID))
		_, err := db.Upload(ctx, u.ID)
		wantErr(t, err, ErrNotFound)
	})
}

// What must not happen in a state does not: every change in every state.
func TestEveryChangeInEveryState(t *testing.T) {
	later := time.UnixMicro(3e15)
	changes := map[string]func(context.Context, *DB, string) error{
		"create":       func(ctx context.Context, db *DB, id string) error { return db.CreateUpload(ctx, Upload{ID: id}) },
		"open":         func(ctx context.Context, db *DB, id string) error { return db.OpenUpload(ctx, id, "backend") },
		"open another": func(ctx context.Context, db *DB, id string) error { return db.OpenUpload(ctx, id, "other") },
		"issue":        func(ctx context.Context, db *DB, id string) error { return db.IssuePart(ctx, id, 1) },
		"receipt": func(ctx context.Context, db *DB, id string) error {
			return db.AddReceipt(ctx, Receipt{Upload: id, Number: 1, ETag: "e"})
		},
		"stage": func(ctx context.Context, db *DB, id string) error { return db.AddStaged(ctx, "models", "s/"+id, id) },
		"freeze": func(ctx context.Context, db *DB, id string) error {
			_, err := db.FreezeUpload(ctx, id, frozen)
			return err
		},
		"finish":         func(ctx context.Context, db *DB, id string) error { return finish(ctx, db, id, "etag") },
		"finish another": func(ctx context.Context, db *DB, id string) error { return finish(ctx, db, id, "other") },
		"thaw":           func(ctx context.Context, db *DB, id string) error { return db.ThawUpload(ctx, id, frozen) },
		"thaw another": func(ctx context.Context, db *DB, id string) error {
			return db.ThawUpload(ctx, id, Frozen{List: "other", Slot: frozen.Slot})
		},
		"abort":   func(ctx context.Context, db *DB, id string) error { return db.AbortUpload(ctx, id) },
		"abandon": func(ctx context.Context, db *DB, id string) error { return db.AbandonUpload(ctx, id, later, later) },
		"forget":  func(ctx context.Context, db *DB, id string) error { return db.ForgetUpload(ctx, id) },
	}
	// What each state takes; all else is ErrConflict.
	takes := map[string][]string{
		UploadOpening:  {"open", "open another", "abort", "abandon"},
		UploadOpen:     {"open", "issue", "receipt", "stage", "freeze", "thaw", "thaw another", "finish", "finish another", "abort", "abandon"},
		UploadFrozen:   {"freeze", "thaw", "finish", "finish another", "abandon"},
		UploadDone:     {"freeze", "finish", "forget"},
		UploadAborting: {"abort", "abandon", "forget"},
	}
	into := map[string][]string{
		UploadOpening: {"create"}, UploadOpen: {"create", "open"}, UploadFrozen: {"create", "open", "freeze"},
		UploadDone: {"create", "open", "freeze", "finish"}, UploadAborting: {"create", "open", "abort"},
	}
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		for state, taken := range takes {
			for name, change := range changes {
				id := state + " " + name
				for _, step := range into[state] {
					must(t, changes[step](ctx, db, id))
				}
				if u, err := db.Upload(ctx, id); err != nil || u.State != state {
					t.Fatalf("%s: got %+v, %v", state, u, err)
				}
				err := change(ctx, db, id)
				if want := slices.Contains(taken, name); want != (err == nil) || !want && !errors.Is(err, ErrConflict) {
					t.Errorf("%s: %s: taken is %v, got %v", state, name, want, err)
				}
			}
		}
		for name, change := range changes {
			err := change(ctx, db, "nobody "+name)
			if free := name == "create" || name == "forget"; free != (err == nil) || !free && !errors.Is(err, ErrNotFound) {
				t.Errorf("unknown upload: %s: got %v", name, err)
			}
		}
	})
}

// The slot of the tail is above every number ever issued, or the tail is merged:
// a part that comes in late must not lie where the tail goes.
func TestFreezeRefusesASlotInUse(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		u := opened(t, db, upload(1, "a"))
		must(t, db.IssuePart(ctx, u.ID, 7), db.IssuePart(ctx, u.ID, 2))
		for _, slot := range []int{1, 6, 7} {
			_, err := db.FreezeUpload(ctx, u.ID, Frozen{List: "x", Slot: slot})
			wantErr(t, err, ErrStale)
		}
		if got, err := db.Upload(ctx, u.ID); err != nil || got.State != UploadOpen || got.Frozen != nil {
			t.Fatalf("a refused freeze left %+v, %v", got, err)
		}
		merged := Frozen{List: "x", Tail: []byte("t"), Slot: 2, Merged: true}
		if won, err := db.FreezeUpload(ctx, u.ID, merged); err != nil || !cmp.Equal(won, merged) {
			t.Fatalf("got %+v, %v", won, err)
		}
		if won, err := db.FreezeUpload(ctx, u.ID, Frozen{List: "other", Slot: 8}); err != nil || !cmp.Equal(won, merged) {
			t.Errorf("the second list: got %+v, %v, want the first one's", won, err)
		}
	})
}

// What the backend refused is taken back, and only that: the upload goes on as
// if it had not been decided, but for the slot, which was in use.
func TestThaw(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		u := opened(t, db, upload(1, "a"))
		must(t, db.IssuePart(ctx, u.ID, 3), db.AddReceipt(ctx, receipt(u, 3, "e")))
		freeze := func(list string, slot int) error {
			t.Helper()
			_, err := db.FreezeUpload(ctx, u.ID, Frozen{List: list, Tail: []byte(list), Slot: slot})
			return err
		}
		must(t, freeze("a", 4))
		for _, other := range []Frozen{{List: "b", Slot: 4}, {List: "a", Slot: 5}, {}} {
			wantErr(t, db.ThawUpload(ctx, u.ID, other), ErrConflict)
		}
		if got, err := db.Upload(ctx, u.ID); err != nil || got.State != UploadFrozen || got.Highest != 3 {
			t.Fatalf("what another decision was taken back from: %+v, %v", got, err)
		}
		must(t, db.ThawUpload(ctx, u.ID, Frozen{List: "a", Slot: 4}), db.ThawUpload(ctx, u.ID, Frozen{List: "a", Slot: 4}))
		got, err := db.Upload(ctx, u.ID)
		if err != nil || got.State != UploadOpen || got.Frozen != nil || got.Highest != 4 {
			t.Errorf("got %+v, %v", got, err)
		}
		list, _, err := db.Receipts(ctx, u.ID, 0, 10)
		if err != nil || len(list) != 1 {
			t.Errorf("receipts: %v, %v", list, err)
		}
		wantErr(t, freeze("b", 4), ErrStale) // a tail may still be on its way there
		must(t, db.IssuePart(ctx, u.ID, 9), db.AddReceipt(ctx, receipt(u, 9, "e")), freeze("b", 10))
		wantErr(t, db.ThawUpload(ctx, u.ID, Frozen{List: "a", Slot: 4}), ErrConflict)

		// There is no slot above the last one: it is used again.
		full := opened(t, db, upload(2, "a"))
		must(t, db.IssuePart(ctx, full.ID, 9_999))
		for range 2 {
			last := Frozen{List: "a", Slot: 10_000}
			_, err := db.FreezeUpload(ctx, full.ID, last)
			must(t, err, db.ThawUpload(ctx, full.ID, last))
		}
		merged := Frozen{List: "m", Slot: 2, Merged: true}
		_, err = db.FreezeUpload(ctx, full.ID, merged)
		must(t, err, db.ThawUpload(ctx, full.ID, merged))
		if got, err := db.Upload(ctx, full.ID); err != nil || got.Highest != 9_999 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// What the backend made is what the upload is, whatever was decided of it since.
func TestFinishOutlivesAThaw(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		for n, again := range []bool{false, true} {
			u := opened(t, db, upload(n, "a"))
			_, err := db.FreezeUpload(ctx, u.ID, frozen)
			must(t, err, db.ThawUpload(ctx, u.ID, frozen))
			if again {
				_, err := db.FreezeUpload(ctx, u.ID, Frozen{List: "other", Slot: 9})
				must(t, err)
			}
			want := made("etag")
			if first, err := db.FinishUpload(ctx, u.ID, want); !first || err != nil {
				t.Errorf("first is %t, %v", first, err)
			}
			if got, err := db.Upload(ctx, u.ID); err != nil || got.State != UploadDone || !cmp.Equal(got.Frozen, &want) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
}

// A number is sent again with other bytes: the newest is listed, all are kept,
// and an ETag never stands for two receipts.
func TestReceipts(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		u, other := opened(t, db, upload(1, "a")), opened(t, db, upload(2, "a"))
		must(t, db.AddReceipt(ctx, receipt(other, 2, "foreign")))
		for _, r := range []Receipt{receipt(u, 10000, "z"), receipt(u, 2, "b"), receipt(u, 1, "y"), receipt(u, 1, "x"), receipt(u, 2, "a")} {
			r.Staged = "staged/" + r.ETag
			must(t, db.AddReceipt(ctx, r))
		}
		again := receipt(u, 1, "y")
		again.Sealed = []byte("other bytes")
		wantErr(t, db.AddReceipt(ctx, again), ErrConflict)
		for _, number := range []int{0, -1, 10001} {
			wantErr(t, db.AddReceipt(ctx, receipt(u, number, "n")), ErrConflict)
		}
		page, more, err := db.Receipts(ctx, u.ID, 0, 2)
		if got := etags(page); err != nil || !more || !slices.Equal(got, []string{"x", "a"}) {
			t.Errorf("first page: %v, %v, %v", got, more, err)
		}
		page, more, err = db.Receipts(ctx, u.ID, 2, 2)
		want := receipt(u, 10000, "z")
		want.Staged = "staged/z"
		if diff := cmp.Diff([]Receipt{want}, page); err != nil || more || diff != "" {
			t.Errorf("second page: %v, %v, %v", diff, more, err)
		}
		var all []Receipt
		for r, err := range db.ReceiptsOf(ctx, u.ID) {
			must(t, err)
			all = append(all, r)
		}
		if got := etags(all); !slices.Equal(got, []string{"y", "x", "b", "a", "z"}) {
			t.Errorf("all: %v", got)
		}
	})
}

func etags(list []Receipt) []string {
	var all []string
	for _, r := range list {
		all = append(all, r.ETag)
	}
	return all
}

// More rows than are read at once, with changes in between: each comes once.
func TestIterationsOverManyRows(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		const rows = 2*pageSize + 3
		db, ctx := d.open(t), t.Context()
		u := opened(t, db, upload(0, "a"))
		tx, err := db.w.BeginTx(ctx, nil) // one by one they would take long
		must(t, err)
		for n := 1; n <= rows; n++ {
			_, err := tx.ExecContext(ctx, `INSERT INTO receipts (upload, number, etag, serial, staged, sealed, created)
				VALUES ($1, $2, $3, $4, '', $5, 0)`, rowOf(u.ID), 1+n/2, fmt.Sprint(n), n, []byte{1})
			id := fmt.Sprint("stale ", n)
			_, err2 := tx.ExecContext(ctx, `INSERT INTO uploads (upload, id, bucket, path, actor, backend, object, metadata, algorithm,
				checksum_type, tags, created, expires, active, highest, receipts, state)
				VALUES ($1, $2, 'b', 'k', '', '', '', '', '', '', '', 0, 0, 0, 0, 0, 'aborting')`, rowOf(id), id)
			must(t, err, err2)
		}
		must(t, tx.Commit())
		seen := 0
		for r, err := range db.ReceiptsOf(ctx, u.ID) {
			must(t, err)
			if seen++; r.ETag != fmt.Sprint(seen) {
				t.Fatalf("receipt %d is %s", seen, r.ETag)
			}
		}
		if seen != rows {
			t.Errorf("%d receipts of %d", seen, rows)
		}
		gone := 0
		for u, err := range db.StaleUploads(ctx, time.UnixMicro(1), time.UnixMicro(1)) {
			must(t, err)
			if gone++; gone%100 == 0 {
				must(t, db.ForgetUpload(ctx, u.ID))
			}
		}
		if gone != rows {
			t.Errorf("%d stale uploads of %d", gone, rows)
		}
		for _, err := range db.StaleUploads(ctx, time.UnixMicro(1), time.UnixMicro(1)) {
			must(t, err)
			break // a caller may stop
		}
	})
}

func TestUploadsAreListed(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		// Byte order: neither case nor any language counts.
		for n, key := range []string{"Z/1", "a", "a", "a/b", "a/b", "a/b", "é", "%_", "b"} {
			opened(t, db, upload(n, key))
		}
		must(t, db.CreateUpload(ctx, upload(20, "a/opening")))
		must(t, db.AbortUpload(ctx, opened(t, db, upload(21, "a/aborting")).ID))
		frozenOne := opened(t, db, upload(22, "b/frozen"))
		_, err := db.FreezeUpload(ctx, frozenOne.ID, frozen)
		must(t, err)
		elsewhere := upload(23, "a")
		elsewhere.Bucket = "raw"
		opened(t, db, elsewhere)

		for name, tt := range map[string]struct {
			q    UploadQuery
			want []int
			more bool
		}{
			"all":                   {UploadQuery{Max: 100}, []int{7, 0, 1, 2, 3, 4, 5, 8, 22, 6}, false},
			"just all":              {UploadQuery{Max: 10}, []int{7, 0, 1, 2, 3, 4, 5, 8, 22, 6}, false},
			"a page":                {UploadQuery{Max: 2}, []int{7, 0}, true},
			"prefix":                {UploadQuery{Prefix: "a/", Max: 100}, []int{3, 4, 5}, false},
			"prefix, a page":        {UploadQuery{Prefix: "a/", Max: 2}, []int{3, 4}, true},
			"prefix, last page":     {UploadQuery{Prefix: "a/", KeyMarker: "a/b", IDMarker: "upload-4", Max: 1}, []int{5}, false},
			"prefix like a pattern": {UploadQuery{Prefix: "%", Max: 100}, []int{7}, false},
			"prefix of none":        {UploadQuery{Prefix: "a/c", Max: 100}, nil, false},
			"prefix with a NUL":     {UploadQuery{Prefix: "a\x00", Max: 100}, nil, false},
			"after a key":           {UploadQuery{KeyMarker: "a", Max: 100}, []int{3, 4, 5, 8, 22, 6}, false},
			"after a key with NUL":  {UploadQuery{KeyMarker: "a\x00", Max: 100}, []int{3, 4, 5, 8, 22, 6}, false},
			"after an upload":       {UploadQuery{KeyMarker: "a/b", IDMarker: "upload-3", Max: 100}, []int{4, 5, 8, 22, 6}, false},
			"after one that went":   {UploadQuery{KeyMarker: "a/b", IDMarker: "gone", Max: 100}, []int{3, 4, 5, 8, 22, 6}, false},
			"of another key":        {UploadQuery{KeyMarker: "b", IDMarker: "upload-3", Max: 100}, []int{8, 22, 6}, false},
			"of the last one":       {UploadQuery{KeyMarker: "é", IDMarker: "upload-6", Max: 100}, nil, false},
		} {
			tt.q.Bucket = "models"
			got, more, err := db.Uploads(ctx, tt.q)
			var ids []int
			for _, u := range got {
				var n int
				_, err := fmt.Sscanf(u.ID, "upload-%d", &n)
				must(t, err)
				ids = append(ids, n)
			}
			if err != nil || more != tt.more || !slices.Equal(ids, tt.want) {
				t.Errorf("%s: want %v, %v, got %v, %v, %v", name, tt.want, tt.more, ids, more, err)
			}
		}
	})
}

// What the reaper is given, and what it may take.
func TestStaleUploads(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		c := newClock()
		db, ctx := d.with(c).open(t), t.Context()
		made := func(id string, steps ...func(string) error) {
			t.Helper()
			must(t, db.CreateUpload(ctx, Upload{ID: id, Created: c.now, Expires: c.now.Add(48 * time.Hour)}))
			for _, step := range steps {
				must(t, step(id))
			}
		}
		open := func(id string) error { return db.OpenUpload(ctx, id, "backend") }
		freeze := func(id string) error { _, err := db.FreezeUpload(ctx, id, frozen); return err }
		finish := func(id string) error { return finish(ctx, db, id, "etag") }
		abort := func(id string) error { return db.AbortUpload(ctx, id) }
		made("opening")
		made("open", open)
		made("frozen", open, freeze)
		made("done", open, freeze, finish)
		made("aborting", abort)
		made("busy", open)
		made("busy frozen", open, freeze)
		stale := func(idle time.Duration) []string {
			var ids []string
			for u, err := range db.StaleUploads(ctx, c.now.Add(-idle), c.now) {
				must(t, err)
				ids = append(ids, u.ID)
			}
			slices.Sort(ids)
			return ids
		}
		wantStale := func(idle time.Duration, want ...string) {
			t.Helper()
			if got := stale(idle); !slices.Equal(got, want) {
				t.Errorf("idle for %s: want %v, got %v", idle, want, got)
			}
		}
		wantStale(time.Hour, "aborting")
		c.now = c.now.Add(2 * time.Hour)
		must(t, db.IssuePart(ctx, "busy", 1), freeze("busy frozen"))
		wantStale(time.Hour, "aborting", "frozen", "open", "opening")
		since := c.now.Add(-time.Hour)
		for _, id := range []string{"busy", "busy frozen", "done"} { // a client was faster
			wantErr(t, db.AbandonUpload(ctx, id, since, c.now), ErrConflict)
		}
		for _, id := range []string{"frozen", "open", "opening", "aborting"} {
			must(t, db.AbandonUpload(ctx, id, since, c.now))
		}
		for _, id := range []string{"frozen", "open"} { // and here it is too late
			wantErr(t, freeze(id), ErrConflict)
			wantErr(t, finish(id), ErrConflict)
		}
		c.now = c.now.Add(47 * time.Hour) // all have expired
		wantStale(1000*time.Hour, "aborting", "busy", "busy frozen", "done", "frozen", "open", "opening")
		must(t, db.AbandonUpload(ctx, "busy", time.UnixMicro(0), c.now))
	})
}

// While an object is noted, its upload is not forgotten: the note is all that
// finds it again.
func TestStagedObjects(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		c := newClock()
		db, ctx := d.with(c).open(t), t.Context()
		u, other := opened(t, db, upload(1, "a")), opened(t, db, upload(2, "a"))
		must(t, db.AddStaged(ctx, "models", "s/2", u.ID), db.AddStaged(ctx, "models", "s/1", u.ID), db.AddStaged(ctx, "raw", "s/1", other.ID))
		wantErr(t, db.AddStaged(ctx, "models", "s/1", other.ID), ErrConflict)
		got, err := db.Staged(ctx, u.ID)
		want := []Staged{{"models", "s/1", c.now.UTC()}, {"models", "s/2", c.now.UTC()}}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
		must(t, db.AbortUpload(ctx, u.ID))
		wantErr(t, db.ForgetUpload(ctx, u.ID), ErrConflict)
		must(t, db.ForgetStaged(ctx, "models", "s/1"), db.ForgetStaged(ctx, "models", "s/1"))
		wantErr(t, db.ForgetUpload(ctx, u.ID), ErrConflict)
		must(t, db.ForgetStaged(ctx, "models", "s/2"), db.ForgetUpload(ctx, u.ID))
	})
}

// An id is a client's text: none is a fault of the database, and only the whole
// of it finds an upload.
func TestStrangeUploadIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		u := opened(t, db, upload(1, "a"))
		for _, id := range []string{"", "upload", u.ID + "x", u.ID + "\x00", "\xff\xfe", rowOf(u.ID), "' OR 1=1 --"} {
			_, err := db.Upload(ctx, id)
			wantErr(t, err, ErrNotFound)
			wantErr(t, db.IssuePart(ctx, id, 1), ErrNotFound)
		}
		mustExec(t, db, "UPDATE uploads SET id = 'of the same hash'")
		_, err := db.Upload(ctx, u.ID)
		wantErr(t, err, ErrNotFound)
	})
}
