// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// openAt opens the SQLite database at path.
func openAt(t *testing.T, path string) *DB {
	t.Helper()
	return (&database{Config: Config{Path: path}}).open(t)
}

func hexOf(b byte) string { return strings.Repeat(fmt.Sprintf("%02x", b), 16) }

func digestOf(record []byte) string {
	sum := sha256.Sum256(record)
	return hex.EncodeToString(sum[:])
}

// version makes a valid row whose every field is its own.
func version(n byte) KeyringVersion {
	record := []byte{'r', n}
	return KeyringVersion{
		Keyring: hexOf(n), Version: 1, Scope: fmt.Sprintf("models/%d/", n), Bucket: "models", Prefix: fmt.Sprintf("%d/", n),
		State: StateActive, KEK: "local", KEKVersion: "1", Record: record, Digest: digestOf(record),
		Home: "models", Path: fmt.Sprintf(".sealgate/keyrings/%d", n),
		Created: time.UnixMicro(1e15).UTC(), Activated: time.UnixMicro(1e15 + 5).UTC(),
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("want %v, got %v", want, err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("an error must be one line: %q", err)
	}
}

func TestDeploymentIsSetOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		if _, ok, err := db.Deployment(t.Context()); ok || err != nil {
			t.Fatalf("want none, got %v, %v", ok, err)
		}
		dep := Deployment{ID: hexOf(1), Name: "acme"}
		for range 2 { // the second time is no change
			if err := db.SetDeployment(t.Context(), dep); err != nil {
				t.Fatal(err)
			}
		}
		wantErr(t, db.SetDeployment(t.Context(), Deployment{ID: hexOf(2), Name: "acme"}), ErrConflict)
		wantErr(t, db.SetDeployment(t.Context(), Deployment{ID: hexOf(1), Name: "other"}), ErrConflict)
		got, ok, err := db.Deployment(t.Context())
		if !ok || err != nil || got.ID != dep.ID || got.Name != dep.Name || got.Created.IsZero() {
			t.Fatalf("got %+v, %v, %v", got, ok, err)
		}
		if err := db.SetDeployment(t.Context(), Deployment{ID: "XYZ"}); err == nil {
			t.Error("an id that is not hex was stored")
		}
	})
}

// insert stores a version as its owner does: its object is noted first.
func insert(ctx context.Context, db *DB, v KeyringVersion) error {
	if err := db.AddCandidate(ctx, Leftover{Home: v.Home, Path: v.Path, Keyring: v.Keyring, Version: v.Version, Digest: v.Digest}); err != nil {
		return err
	}
	return db.InsertKeyringVersion(ctx, v)
}

func TestKeyringVersionsRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		a, b := version(1), version(2)
		a.Scope, b.Scope = "models/Z/", "models/a/" // by bytes, not as people sort
		b.State, b.Activated = StateDecryptOnly, time.Time{}
		for _, v := range []KeyringVersion{b, a} {
			must(t, insert(t.Context(), db, v))
		}
		must(t, db.Close())
		got, err := d.open(t).ListKeyringVersions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]KeyringVersion{a, b}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestInsertRefuses(t *testing.T) {
	tests := map[string]struct {
		edit func(*KeyringVersion)
		want error
	}{
		"same version":          {func(v *KeyringVersion) { v.Keyring = hexOf(1) }, ErrConflict},
		"same digest":           {func(v *KeyringVersion) { v.Record, v.Digest = version(1).Record, version(1).Digest }, ErrConflict},
		"same scope":            {func(v *KeyringVersion) { v.Scope = version(1).Scope }, ErrConflict},
		"same path":             {func(v *KeyringVersion) { v.Path = version(1).Path }, ErrConflict},
		"second active version": {func(v *KeyringVersion) { v.Keyring, v.Version = hexOf(1), 2 }, ErrConflict},
		"unknown state":         {func(v *KeyringVersion) { v.State = "on" }, ErrConflict},
		"digest of other bytes": {func(v *KeyringVersion) { v.Record = []byte("other") }, ErrCorrupt},
		"empty record":          {func(v *KeyringVersion) { v.Record = nil; v.Digest = digestOf(nil) }, ErrCorrupt},
	}
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		must(t, insert(t.Context(), db, version(1)))
		for name, tt := range tests {
			v := version(2)
			tt.edit(&v)
			if err := insert(t.Context(), db, v); !errors.Is(err, tt.want) {
				t.Errorf("%s: want %v, got %v", name, tt.want, err)
			}
			if n := epoch(t, db); n != 1 {
				t.Errorf("%s: a refused change raised the epoch to %d", name, n)
			}
			must(t, db.ForgetLeftover(t.Context(), v.Home, v.Path))
		}
	})
}

// Only what was noted becomes a record: a replica that lost its lock, and whose
// candidate another one took for a leftover, must not put it in use.
func TestAClaimedCandidateIsNoRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		ctx, v, r := t.Context(), version(1), replacement(1)
		wantErr(t, db.InsertKeyringVersion(ctx, v), ErrConflict)
		must(t, insert(ctx, db, v), db.AddCandidate(ctx, Leftover{Home: v.Home, Path: r.Path, Keyring: v.Keyring, Version: 1, Digest: r.Digest}))
		for range 2 {
			if ok, err := db.ClaimLeftover(ctx, v.Home, r.Path); !ok || err != nil {
				t.Fatalf("claiming: %v, %v", ok, err)
			}
		}
		wantErr(t, db.ReplaceRecord(ctx, v.Keyring, 1, v.Digest, r), ErrConflict)
		must(t, db.ForgetLeftover(ctx, v.Home, r.Path))
		wantErr(t, db.ReplaceRecord(ctx, v.Keyring, 1, v.Digest, r), ErrConflict)
		for _, path := range []string{r.Path, v.Path} { // gone, and in use
			if ok, err := db.ClaimLeftover(ctx, v.Home, path); ok || err != nil {
				t.Errorf("claiming %s: %v, %v", path, ok, err)
			}
		}
		if known, err := db.KnownDigest(ctx, v.Digest); !known || err != nil {
			t.Errorf("the record in use is not known: %v, %v", known, err)
		}
	})
}

func epoch(t *testing.T, db *DB) uint64 {
	t.Helper()
	n, err := db.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSetStateIsACompareAndSwap(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		v := version(1)
		if err := insert(t.Context(), db, v); err != nil {
			t.Fatal(err)
		}
		if err := db.SetState(t.Context(), v.Keyring, 1, StateActive, StateDecryptOnly); err != nil {
			t.Fatal(err)
		}
		wantErr(t, db.SetState(t.Context(), v.Keyring, 1, StateActive, StateRetired), ErrConflict)
		wantErr(t, db.SetState(t.Context(), v.Keyring, 1, StateDecryptOnly, "gone"), ErrConflict)
		wantErr(t, db.SetState(t.Context(), v.Keyring, 9, StateDecryptOnly, StateActive), ErrConflict)
		if n := epoch(t, db); n != 2 {
			t.Errorf("want epoch 2, got %d", n)
		}
	})
}

func replacement(n byte) Replacement {
	record := []byte{'n', n}
	return Replacement{KEK: "local", KEKVersion: "2", Record: record, Digest: digestOf(record), Path: fmt.Sprintf(".sealgate/keyrings/new%d", n)}
}

func TestReplaceRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		v, r := version(1), replacement(1)
		if err := insert(t.Context(), db, v); err != nil {
			t.Fatal(err)
		}
		c := Leftover{Home: v.Home, Path: r.Path, Keyring: v.Keyring, Version: 1, Digest: r.Digest}
		if err := db.AddCandidate(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := db.ReplaceRecord(t.Context(), v.Keyring, 1, v.Digest, r); err != nil {
			t.Fatal(err)
		}
		wantErr(t, db.ReplaceRecord(t.Context(), v.Keyring, 1, v.Digest, replacement(2)), ErrConflict)
		left, err := db.Leftovers(t.Context())
		if err != nil || len(left) != 1 || left[0].Kind != Superseded || left[0].Path != v.Path || left[0].Digest != v.Digest {
			t.Fatalf("want the old object superseded and no candidate, got %+v, %v", left, err)
		}
		for digest, want := range map[string]bool{v.Digest: false, r.Digest: true} {
			if got, err := db.KnownDigest(t.Context(), digest); err != nil || got != want {
				t.Errorf("digest %s: want known %v, got %v, %v", digest, want, got, err)
			}
		}
		if err := db.ForgetLeftover(t.Context(), v.Home, v.Path); err != nil {
			t.Fatal(err)
		}
		if left, err = db.Leftovers(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("want no leftover, got %+v, %v", left, err)
		}
	})
}

// A candidate may be deleted from its bucket at any time, so it must never be a
// record that is in use.
func TestARecordInUseIsNoCandidate(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		v := version(1)
		if err := insert(t.Context(), db, v); err != nil {
			t.Fatal(err)
		}
		wantErr(t, db.AddCandidate(t.Context(), Leftover{Home: v.Home, Path: v.Path, Keyring: v.Keyring, Version: 1, Digest: v.Digest}), ErrConflict)
	})
}

func TestGenerationsOnlyGrow(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db := d.open(t)
		for _, n := range []uint64{3, 3, 7} {
			if err := db.SetGeneration(t.Context(), "local", n); err != nil {
				t.Fatal(err)
			}
		}
		wantErr(t, db.SetGeneration(t.Context(), "local", 6), ErrStale)
		if n, err := db.Generation(t.Context(), "local"); n != 7 || err != nil {
			t.Errorf("want 7, got %d, %v", n, err)
		}
		if n, err := db.Generation(t.Context(), "other"); n != 0 || err != nil {
			t.Errorf("want 0, got %d, %v", n, err)
		}
	})
}

func TestRegisterLog(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		l := AuditLog{UUID: "3f9c1a7e", PublicKey: "key", Replica: "gw-1:/data"}
		for _, l.Epoch = range []uint64{1, 1, 2, 5} {
			must(t, db.RegisterLog(ctx, l))
		}
		wantErr(t, db.RegisterLog(ctx, AuditLog{UUID: l.UUID, Epoch: 5, PublicKey: "another key"}), ErrConflict)
		wantErr(t, db.RegisterLog(ctx, AuditLog{UUID: l.UUID, Epoch: 4, PublicKey: "key"}), ErrStale)
		must(t, db.RegisterLog(ctx, AuditLog{UUID: "77ab02d4", Epoch: 1, PublicKey: "key", Replica: "gw-2:/data"}))
		logs, err := db.ListLogs(ctx)
		if err != nil || len(logs) != 4 || logs[2].Epoch != 5 || logs[2].PublicKey != "key" || logs[2].Registered.IsZero() || logs[2].Replica != l.Replica {
			t.Errorf("got %+v, %v", logs, err)
		}
	})
}

// With several replicas there are several logs; each is held against its own.
// One replica has them all, also after its machine was renamed.
func TestLogsOfAReplica(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		db, ctx := d.open(t), t.Context()
		must(t, db.RegisterLog(ctx, AuditLog{UUID: "a", Epoch: 1, Replica: "gw-1:/data"}),
			db.RegisterLog(ctx, AuditLog{UUID: "b", Epoch: 1, Replica: "gw-2:/data"}),
			db.RegisterLog(ctx, AuditLog{UUID: "b", Epoch: 2, Replica: "gw-2:/moved"}))
		for replica, want := range map[string]int{"gw-1:/data": 1, "gw-2:/moved": 2, "gw-2:/data": 0} {
			if d.server == nil {
				want = 3
			}
			if logs, err := db.LogsOf(ctx, replica); err != nil || len(logs) != want {
				t.Errorf("%s: want %d, got %+v, %v", replica, want, logs, err)
			}
		}
	})
}

// The audit verifier reads the registry beside a running gateway, and after it.
func TestReadLogs(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		logs, err := ReadLogs(t.Context(), d.Config)
		if d.server == nil && !errors.Is(err, fs.ErrNotExist) || d.server != nil && (err != nil || len(logs) > 0) {
			t.Errorf("no database: got %v, %v", logs, err)
		}
		if _, err := os.Stat(d.Path); err == nil {
			t.Error("reading made a database")
		}
		db := d.open(t)
		must(t, db.RegisterLog(t.Context(), AuditLog{UUID: "3f9c1a7e", Epoch: 1, PublicKey: "key"}))
		for _, when := range []string{"beside the gateway", "after it"} {
			logs, err := ReadLogs(t.Context(), d.Config)
			if err != nil || len(logs) != 1 || logs[0].PublicKey != "key" {
				t.Errorf("%s: got %+v, %v", when, logs, err)
			}
			must(t, db.Close())
		}
		if d.server == nil {
			write(t, d.Path, []byte(strings.Repeat("garbage", 1000)))
			_, err := ReadLogs(t.Context(), d.Config)
			wantErr(t, err, ErrCorrupt)
		}
	})
}

// A full disk loses the change and says so; what was there stays.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "state.db"))
	if err := insert(t.Context(), db, version(1)); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "PRAGMA max_page_count = 1") // SQLite takes the present size instead
	v := version(2)
	v.Record = []byte(strings.Repeat("r", 1<<20))
	v.Digest = digestOf(v.Record)
	wantErr(t, insert(t.Context(), db, v), ErrNoSpace)
	list, err := db.ListKeyringVersions(t.Context())
	if err != nil || len(list) != 1 || epoch(t, db) != 1 {
		t.Errorf("got %d versions, %v", len(list), err)
	}
}
