// SPDX-License-Identifier: Apache-2.0

package state

import (
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

// open opens a new database in a folder of its own.
func open(t *testing.T) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "state.db"))
}

func openAt(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
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
	t.Parallel()
	db := open(t)
	if _, ok, err := db.Deployment(t.Context()); ok || err != nil {
		t.Fatalf("want none, got %v, %v", ok, err)
	}
	d := Deployment{ID: hexOf(1), Name: "acme"}
	for range 2 { // the second time is no change
		if err := db.SetDeployment(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, db.SetDeployment(t.Context(), Deployment{ID: hexOf(2), Name: "acme"}), ErrConflict)
	wantErr(t, db.SetDeployment(t.Context(), Deployment{ID: hexOf(1), Name: "other"}), ErrConflict)
	got, ok, err := db.Deployment(t.Context())
	if !ok || err != nil || got.ID != d.ID || got.Name != d.Name || got.Created.IsZero() {
		t.Fatalf("got %+v, %v, %v", got, ok, err)
	}
	if err := db.SetDeployment(t.Context(), Deployment{ID: "XYZ"}); err == nil {
		t.Error("an id that is not hex was stored")
	}
}

func TestKeyringVersionsRoundTrip(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a folder? with #odd %41 name", "state.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, path)
	a, b := version(1), version(2)
	b.State, b.Activated = StateDecryptOnly, time.Time{}
	for _, v := range []KeyringVersion{b, a} {
		if err := db.InsertKeyringVersion(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := openAt(t, path).ListKeyringVersions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]KeyringVersion{a, b}, got); diff != "" {
		t.Error(diff)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("want a file of mode 0600, got %v, %v", fi.Mode(), err)
	}
}

func TestInsertRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(*KeyringVersion)
		want error
	}{
		"same version":          {func(v *KeyringVersion) { *v = version(1) }, ErrConflict},
		"same digest":           {func(v *KeyringVersion) { v.Record, v.Digest = version(1).Record, version(1).Digest }, ErrConflict},
		"same scope":            {func(v *KeyringVersion) { v.Scope = version(1).Scope }, ErrConflict},
		"same path":             {func(v *KeyringVersion) { v.Path = version(1).Path }, ErrConflict},
		"second active version": {func(v *KeyringVersion) { v.Keyring, v.Version = hexOf(1), 2 }, ErrConflict},
		"unknown state":         {func(v *KeyringVersion) { v.State = "on" }, ErrConflict},
		"digest of other bytes": {func(v *KeyringVersion) { v.Record = []byte("other") }, ErrCorrupt},
		"empty record":          {func(v *KeyringVersion) { v.Record = nil; v.Digest = digestOf(nil) }, ErrCorrupt},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			if err := db.InsertKeyringVersion(t.Context(), version(1)); err != nil {
				t.Fatal(err)
			}
			v := version(2)
			tt.edit(&v)
			wantErr(t, db.InsertKeyringVersion(t.Context(), v), tt.want)
			if n := epoch(t, db); n != 1 {
				t.Errorf("a refused change raised the epoch to %d", n)
			}
		})
	}
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
	t.Parallel()
	db := open(t)
	v := version(1)
	if err := db.InsertKeyringVersion(t.Context(), v); err != nil {
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
}

func replacement(n byte) Replacement {
	record := []byte{'n', n}
	return Replacement{KEK: "local", KEKVersion: "2", Record: record, Digest: digestOf(record), Path: fmt.Sprintf(".sealgate/keyrings/new%d", n)}
}

func TestReplaceRecord(t *testing.T) {
	t.Parallel()
	db := open(t)
	v, r := version(1), replacement(1)
	if err := db.InsertKeyringVersion(t.Context(), v); err != nil {
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
}

// A candidate may be deleted from its bucket at any time, so it must never be a
// record that is in use.
func TestARecordInUseIsNoCandidate(t *testing.T) {
	t.Parallel()
	db := open(t)
	v := version(1)
	if err := db.InsertKeyringVersion(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	wantErr(t, db.AddCandidate(t.Context(), Leftover{Home: v.Home, Path: v.Path, Keyring: v.Keyring, Version: 1, Digest: v.Digest}), ErrConflict)
}

func TestGenerationsOnlyGrow(t *testing.T) {
	t.Parallel()
	db := open(t)
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
}

func TestRegisterLog(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, e := range []uint64{1, 1, 2, 5} {
		if err := db.RegisterLog(t.Context(), "3f9c1a7e", e, "key"); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, db.RegisterLog(t.Context(), "3f9c1a7e", 5, "another key"), ErrConflict)
	wantErr(t, db.RegisterLog(t.Context(), "3f9c1a7e", 4, "key"), ErrStale)
	if err := db.RegisterLog(t.Context(), "77ab02d4", 1, "key"); err != nil {
		t.Fatal(err)
	}
	logs, err := db.ListLogs(t.Context())
	if err != nil || len(logs) != 4 || logs[2].Epoch != 5 || logs[2].PublicKey != "key" || logs[2].Registered.IsZero() {
		t.Errorf("got %+v, %v", logs, err)
	}
}

// The audit verifier reads the registry beside a running gateway, and after it.
func TestReadLogs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	if _, err := ReadLogs(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want fs.ErrNotExist, got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("reading made a database")
	}
	db := openAt(t, path)
	if err := db.RegisterLog(t.Context(), "3f9c1a7e", 1, "key"); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"beside the gateway", "after it"} {
		logs, err := ReadLogs(t.Context(), path)
		if err != nil || len(logs) != 1 || logs[0].PublicKey != "key" {
			t.Errorf("%s: got %+v, %v", when, logs, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, path, []byte(strings.Repeat("garbage", 1000)))
	_, err := ReadLogs(t.Context(), path)
	wantErr(t, err, ErrCorrupt)
}

// A full disk loses the change and says so; what was there stays.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	db := open(t)
	if err := db.InsertKeyringVersion(t.Context(), version(1)); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, "PRAGMA max_page_count = 1") // SQLite takes the present size instead
	v := version(2)
	v.Record = []byte(strings.Repeat("r", 1<<20))
	v.Digest = digestOf(v.Record)
	wantErr(t, db.InsertKeyringVersion(t.Context(), v), ErrNoSpace)
	list, err := db.ListKeyringVersions(t.Context())
	if err != nil || len(list) != 1 || epoch(t, db) != 1 {
		t.Errorf("got %d versions, %v", len(list), err)
	}
}
