// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestDeploymentMismatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	identify := func(name string) error {
		_, err := Identify(t.Context(), IdentifyConfig{State: w.db, SystemBucket: "datasets", Store: w.mem["datasets"], Name: name})
		return err
	}
	wantErr(t, identify("other"), ErrDeployment, `is that of "acme", the configuration says "other"`)

	other := newWorld(t)
	other.mustStart()
	good := w.read("datasets", markerKey)
	w.write("datasets", markerKey, other.read("datasets", markerKey))
	wantErr(t, w.start(), ErrDeployment, "bucket datasets belongs to deployment", "put the right state.db back")

	for name, text := range map[string]string{
		"empty": "", "short": good[:len(good)-1], "long": good + "\n", "upper case": strings.ToUpper(good),
		"no id": strings.Replace(good, good[len(markerHead):len(markerHead)+32], strings.Repeat("0", 32), 1),
	} {
		w.write("datasets", markerKey, text)
		if err := w.start(); !errors.Is(err, ErrDeployment) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Our id, and a seal that only our keyring could make.
	w.write("datasets", markerKey, good[:len(good)-2]+"x\n")
	wantErr(t, w.start(), ErrDeployment, "is not sealed by this deployment")

	if err := w.mem["datasets"].Delete(t.Context(), markerKey); err != nil {
		t.Fatal(err)
	}
	w.mustStart()
	if w.read("datasets", markerKey) != good {
		t.Error("a lost marker was not written again")
	}
}

// A new database must not adopt the bucket of another deployment.
func TestNewDatabaseOldBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	w.stop()
	w.path += "2"
	wantErr(t, w.start(), ErrDeployment, "this state database is new; put back that deployment's state.db")
	if _, known, err := w.db.Deployment(t.Context()); known || err != nil {
		t.Errorf("an id was stored all the same: %v", err)
	}
	if _, err := os.Stat(w.path); err != nil {
		t.Error(err)
	}
}

func TestRecordsInTheBucketAreCompared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	row := w.rows()[0]
	for name, text := range map[string]string{
		"a bit":         string(append([]byte{row.Record[0] ^ 1}, row.Record[1:]...)),
		"cut":           string(row.Record[:len(row.Record)-1]),
		"longer":        string(row.Record) + "x",
		"empty":         "",
		"another's":     string(w.rows()[1].Record),
		"ten megabytes": strings.Repeat("x", 10<<20),
	} {
		w.write(row.Home, row.Path, text)
		_, err := w.Load(t.Context())
		if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), row.Path) || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := w.mem[row.Home].Delete(t.Context(), row.Path); err != nil {
		t.Fatal(err)
	}
	before := len(w.log.events)
	if diff := cmp.Diff(keys(set), keys(w.mustLoad())); diff != "" {
		t.Error(diff)
	}
	w.wantWhole()
	if names := w.log.names(); len(names) != before+1 || names[before] != eventRestore {
		t.Errorf("a record written again must be on the audit log: %v", names[before:])
	}
}

// Whoever can write to the bucket and encrypt with the KEK makes a genuine
// record of a key he knows. It must never be used.
func TestAForeignRecordIsNeverActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	row := w.rows()[0]
	ring, err := envelope.ParseID(row.Keyring)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint32{1, 2} {
		ec := envelope.Context{Deployment: w.c.Deployment, Bucket: row.Bucket, Prefix: row.Prefix, Keyring: ring, Version: version}
		rec, _, err := envelope.NewRecord(t.Context(), w.memory, ec, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r, err := newSealed(rec)
		if err != nil {
			t.Fatal(err)
		}
		w.write(row.Home, r.path, string(r.bytes))
		again := w.mustStart()
		if diff := cmp.Diff(keys(set), keys(again)); diff != "" {
			t.Errorf("version %d: a record that only the bucket holds was used: %s", version, diff)
		}
		if _, err := again.Lookup(ring, 2); !errors.Is(err, ErrNoKeyring) {
			t.Errorf("version 2 opens: %v", err)
		}
		if w.objects(row.Home)[r.path] == "" {
			t.Error("an object that the database does not know was deleted")
		}
	}
}

// A row that holds the genuine record of another keyring must not lend its key.
func TestSwappedRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	rows := w.rows()
	i := slices.IndexFunc(rows, func(v state.KeyringVersion) bool { return v.Scope == "models/" })
	swapped := rows[i]
	for name, edit := range map[string]func(*state.KeyringVersion){
		"another's record": func(v *state.KeyringVersion) { v.Record = rows[0].Record },
		"another scope":    func(v *state.KeyringVersion) { v.Scope, v.Prefix = "models/x/", "x/" },
		"another version":  func(v *state.KeyringVersion) { v.Version = 2 },
		"another KEK":      func(v *state.KeyringVersion) { v.KEK = "other" },
		"KEK version":      func(v *state.KeyringVersion) { v.KEKVersion = "2" },
		"scope alone":      func(v *state.KeyringVersion) { v.Scope = "models/x/" },
	} {
		v := swapped
		edit(&v)
		if _, err := w.openRow(t.Context(), v); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A key service that wraps or unwraps another key than was given must be
// noticed before a keyring is active.
func TestAFaultyKEKMakesNoKeyring(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kektest.Fault{
		"wraps another key":       {Op: kektest.OpWrap, Mode: kektest.WrongKey},
		"wraps garbage":           {Op: kektest.OpWrap, Mode: kektest.Garbage},
		"unwraps another key":     {Op: kektest.OpUnwrap, Mode: kektest.WrongKey},
		"later unwraps another":   {Op: kektest.OpUnwrap, Mode: kektest.WrongKey, After: 1},
		"is down":                 {Op: kektest.OpWrap, Mode: kektest.Refuse, Err: envelope.ErrUnavailable},
		"is down after the write": {Op: kektest.OpUnwrap, Mode: kektest.Refuse, Err: envelope.ErrUnavailable, After: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.kek.Set(fault)
			if err := w.start(); !errors.Is(err, envelope.ErrTampered) && !errors.Is(err, envelope.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
			if n := len(w.rows()); n != 0 {
				t.Errorf("%d keyrings became active", n)
			}
			w.kek.Heal()
			w.mustStart()
			w.wantWhole()
		})
	}
}

// The configured name is bound into records: a KEK under another name would
// make keyrings that the next start refuses.
func TestAMisnamedKEKMakesNoKeyring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.kek = kektest.NewFailing(kektest.NewMemory("other"))
	wantErr(t, w.start(), ErrConfig, `KEK "main" calls itself "other"`)
	if n := len(w.rows()); n != 0 {
		t.Errorf("%d keyrings became active", n)
	}
}

// A store that swallows, changes or refuses the record.
func TestAFaultyStoreMakesNoKeyring(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule storetest.Rule
		want error
	}{
		"write lost":               {storetest.Rule{Op: storetest.Put, Err: store.ErrUnavailable}, store.ErrUnavailable},
		"applied and told as lost": {storetest.Rule{Op: storetest.Put, Lost: store.ErrUnavailable}, store.ErrUnavailable},
		"full":                     {storetest.Rule{Op: storetest.Put, Err: store.ErrNoSpace}, store.ErrNoSpace},
		"reads back other bytes":   {storetest.Rule{Op: storetest.Get, Body: storetest.Flip(40, 1)}, ErrRecord},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.faulty["datasets"].Add(tt.rule)
			wantErr(t, w.start(), tt.want)
			if n := len(w.rows()); n != 0 {
				t.Errorf("%d keyrings became active", n)
			}
			w.faulty["datasets"] = storetest.NewFaulty(w.mem["datasets"], 1)
			w.mustStart()
			w.wantWhole()
		})
	}
}
