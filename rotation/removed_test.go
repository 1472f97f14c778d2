// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// ok demands that nothing failed.
func (w *world) ok(errs ...error) {
	w.t.Helper()
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
}

// serveFresh makes a bucket fresh with a keyring, as CreateBucket does, and gives
// what its life is: its store, the keyrings that have it, and its key.
func (w *world) serveFresh() (*storetest.Mem, *Keyrings, map[string][32]byte) {
	w.t.Helper()
	mem, ctx := &storetest.Mem{}, w.t.Context()
	c := w.c
	c.Stores = maps.Clone(c.Stores)
	c.Stores["fresh"] = mem
	with, err := New(c)
	w.ok(err, w.db.MakeBucket(ctx, state.MadeBucket{Name: "fresh", Backend: "disk", KEK: "main"}))
	w.ok(with.Ensure(ctx, append([]Scope{BucketScope("fresh", "", "main")}, scopes...)))
	set, err := with.Load(ctx)
	w.ok(err, w.db.SetBucket(ctx, "fresh", state.BucketMaking, state.BucketReady))
	return mem, with, keys(set)
}

// removeFresh is DeleteBucket: its store is gone with all that was in it.
func (w *world) removeFresh() {
	w.t.Helper()
	ctx := w.t.Context()
	w.ok(w.db.SetBucket(ctx, "fresh", state.BucketReady, state.BucketRemoving), w.db.SetBucket(ctx, "fresh", state.BucketRemoving, state.BucketRemoved))
}

// wantNoteless demands that nothing is left over, and that every row is under one
// KEK version.
func (w *world) wantNoteless(version string) {
	w.t.Helper()
	left, err := w.db.Leftovers(w.t.Context())
	if err != nil || len(left) != 0 {
		w.t.Errorf("leftovers %+v, %v", left, err)
	}
	for _, v := range w.rows() {
		if v.KEKVersion != version {
			w.t.Errorf("%s@%d is under KEK version %s, want %s", v.Scope, v.Version, v.KEKVersion, version)
		}
	}
}

// The keyring of a bucket that was removed moves with all others, in the database
// alone: a bucket of that name that is made later has it, and needs no old version
// of the KEK.
func TestRotateAfterABucketWasRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	_, _, before := w.serveFresh()
	// What a rotation that was cut off, and a replaced record, left in the bucket.
	w.ok(w.db.AddCandidate(t.Context(), state.Leftover{Home: "fresh", Path: ".sealgate/keyrings/lost"}))
	w.ok(w.db.AddCandidate(t.Context(), state.Leftover{Home: "fresh", Path: ".sealgate/keyrings/old"}))
	_, err := w.db.ClaimLeftover(t.Context(), "fresh", ".sealgate/keyrings/old")
	w.ok(err)
	w.removeFresh()
	// An earlier call moved what it could, and failed at the removed bucket.
	_, err = w.memory.RotateKEK(t.Context())
	w.ok(err)
	if r := w.mustRotate(); r.From != "1" || r.To != "2" || r.Records != len(scopes)+2 {
		t.Errorf("finishing the earlier one: %+v", r)
	}
	w.wantNoteless("2")
	if r := w.mustRotate(); r.From != "2" || r.To != "3" || r.Records != len(scopes)+2 {
		t.Errorf("%+v", r)
	}
	w.wantNoteless("3")
	w.memory.Drop("1")
	w.memory.Drop("2")
	mem, with, after := w.serveFresh()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the bucket came back with another key: %s", diff)
	}
	w.mem["fresh"] = mem
	objects := w.objects("fresh")
	for _, v := range w.rows() {
		if v.Home == "fresh" && (len(objects) != 1 || objects[v.Path] != string(v.Record)) {
			t.Errorf("its records are %v, want %s", objects, v.Path)
		}
	}
	w.Keyrings = with
	w.mustRotate()
	w.wantNoteless("4")
}

// A bucket without a store keeps the KEK as it is, and the answer names it, unless
// the database knows that it was removed.
func TestRotateRefusesWithoutABucket(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(w *world)
		want   string
	}{
		"in use":        {func(*world) {}, "is noted as ready"},
		"being removed": {func(w *world) { w.ok(w.db.SetBucket(w.t.Context(), "fresh", state.BucketReady, state.BucketRemoving)) }, "is noted as removing"},
		"being made anew": {func(w *world) {
			w.removeFresh()
			w.ok(w.db.MakeBucket(w.t.Context(), state.MadeBucket{Name: "fresh", Backend: "disk", KEK: "main"}))
		}, "is noted as making"},
		"of the configuration that had its name": {func(w *world) { w.removeFresh(); w.ok(w.db.ForgetBucket(w.t.Context(), "fresh")) }, "is not in the configuration; put it back there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustStart()
			_, with, before := w.serveFresh()
			tt.before(w)
			_, err := w.RotateKEK(t.Context(), "main")
			wantErr(t, err, ErrConfig, "keyring fresh/: ", `bucket "fresh"`, tt.want)
			in, err := w.memory.Info(t.Context())
			if err != nil || in.Version != "1" {
				t.Errorf("a rotation that was refused made version %s, %v", in.Version, err)
			}
			w.wantNoteless("1")
			w.Keyrings = with // it is back
			w.mustRotate()
			w.wantNoteless("2")
			if diff := cmp.Diff(before, keys(w.mustLoad())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A note of an object in a bucket that is not configured is named as well.
func TestRotateRefusesWithoutABucketOfALeftover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	w.ok(w.db.AddCandidate(t.Context(), state.Leftover{Home: "absent", Path: ".sealgate/keyrings/lost"}))
	_, err := w.RotateKEK(t.Context(), "main")
	wantErr(t, err, ErrConfig, "record object .sealgate/keyrings/lost: ", `bucket "absent"`)
	w.c.Stores["absent"] = &storetest.Mem{}
	w.mustRotate()
	w.wantWhole()
}

// What the row of a removed bucket is to hold is proved as every other record: it
// is all there is of that key. The first unwrap is the canary's; then each record
// is unwrapped before and after it is wrapped again, and as it is encoded. The
// second record is that of the removed bucket.
func TestARemovedBucketsRecordIsProved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	_, _, before := w.serveFresh()
	w.removeFresh()
	w.kek.Set(kektest.Fault{Op: kektest.OpUnwrap, Mode: kektest.WrongKey, After: 6, Times: 1})
	_, err := w.RotateKEK(t.Context(), "main")
	wantErr(t, err, envelope.ErrTampered)
	moved := map[string]string{}
	for _, v := range w.rows() {
		moved[v.Scope] = v.KEKVersion
	}
	if moved["datasets/"] != "2" || moved["fresh/"] != "1" {
		t.Errorf("a record was replaced without proof: %v", moved)
	}
	w.kek.Heal()
	w.mustRotate()
	w.wantNoteless("2")
	if _, _, after := w.serveFresh(); !cmp.Equal(before, after) {
		t.Error("a key changed")
	}
}

// A rotation with a removed bucket is cut off at every step. The next start and
// rotation end it, and the bucket that comes back has its key.
func TestCrashWithARemovedBucket(t *testing.T) {
	t.Parallel()
	steps := 0
	for n := 1; ; n++ {
		w := newWorld(t)
		w.mustStart()
		_, _, before := w.serveFresh()
		w.removeFresh()
		at := n
		w.hook = func(string) {
			if at--; at == 0 {
				panic(errCrash)
			}
		}
		crashed := crashing(func() { w.mustRotate() })
		w.hook = nil
		w.mustStart()
		w.mustRotate()
		left, err := w.db.Leftovers(t.Context())
		if err != nil || len(left) > 0 {
			t.Fatalf("crash at step %d: %+v, %v", n, left, err)
		}
		if _, _, after := w.serveFresh(); !cmp.Equal(before, after) {
			t.Fatalf("crash at step %d: a key changed", n)
		}
		w.stop()
		if !crashed {
			break
		}
		steps++
	}
	if steps < 20 {
		t.Errorf("only %d steps", steps)
	}
}
