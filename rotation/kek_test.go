// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
	"github.com/sealgate/sealgate/envelope/kek/local"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestRotateKEK(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	for i := range 3 {
		r := w.mustRotate()
		want := Report{KEK: "main", From: fmt.Sprint(i + 1), To: fmt.Sprint(i + 2), Records: len(scopes) + 1, Duration: r.Duration}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Error(diff)
		}
		w.wantWhole()
		if diff := cmp.Diff(keys(set), keys(w.mustLoad())); diff != "" {
			t.Errorf("rotation changed a keyring key: %s", diff)
		}
	}
	w.memory.Drop("1")
	w.memory.Drop("2")
	w.memory.Drop("3")
	if diff := cmp.Diff(keys(set), keys(w.mustStart())); diff != "" {
		t.Errorf("something still needed an old KEK version: %s", diff)
	}
	last := len(w.log.events) - 1
	if w.log.events[last].Event != eventRotate || w.log.ends[last].KEKVersion != "4" || w.log.ends[last].Detail["records"] != fmt.Sprint(len(scopes)+1) {
		t.Errorf("audit %+v %+v", w.log.events[last], w.log.ends[last])
	}
}

func TestRotateWithManyWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	w.c.Workers = 8
	var many []Scope
	for i := range 40 {
		many = append(many, BucketScope("models", fmt.Sprintf("p%d/", i), "main"))
	}
	if err := w.Ensure(t.Context(), append(many, scopes...)); err != nil {
		t.Fatal(err)
	}
	if r := w.mustRotate(); r.Records != len(scopes)+41 {
		t.Errorf("%+v", r)
	}
	w.wantWhole()
	for scope, kcv := range keys(set) {
		if keys(w.mustLoad())[scope] != kcv {
			t.Errorf("%s changed", scope)
		}
	}
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	_, err := w.RotateKEK(t.Context(), "other")
	wantErr(t, err, ErrConfig, "rotating KEK other: ")

	plain := struct{ envelope.KEK }{w.memory} // hides RotateKEK
	w.c.KEKs["main"] = plain
	_, err = w.RotateKEK(t.Context(), "main")
	wantErr(t, err, ErrNoRotator)

	end, ok, err := w.db.BeginRotation(t.Context())
	if !ok || err != nil {
		t.Fatal("a rotation seems to run", err)
	}
	_, err = w.RotateKEK(t.Context(), "main")
	wantErr(t, err, ErrRunning)
	end()
	w.c.KEKs["main"] = w.memory
	w.mustRotate()
}

// A reload of the configuration makes a second Keyrings over the same database
// while the first one rotates. Neither may see the other's half-moved records.
func TestReloadDuringARotation(t *testing.T) {
	t.Parallel()
	for name, reload := range map[string]func(k *Keyrings) error{
		"ensure": func(k *Keyrings) error { return k.Ensure(t.Context(), scopes) },
		"load":   func(k *Keyrings) error { _, err := k.Load(t.Context()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mustStart()
			c := w.c
			c.Stores = map[string]store.Store{}
			for b, s := range w.mem {
				slow := storetest.NewFaulty(s, 1) // its reads find what was there a while after it read the rows
				slow.Add(storetest.Rule{Op: storetest.Get, Times: 1, Delay: 300 * time.Millisecond})
				c.Stores[b] = slow
			}
			second, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			var once sync.Once
			w.hook = func(p string) {
				if p != "state.record.replace.commit" { // the new object is written, the row still names the old one
					return
				}
				once.Do(func() {
					wg.Go(func() {
						if err := reload(second); err != nil {
							t.Error(err)
						}
					})
					time.Sleep(100 * time.Millisecond) // lets it run into the rotation, if it can
				})
			}
			w.mustRotate()
			wg.Wait()
			w.wantWhole()
			if names := w.log.names(); slices.Contains(names, eventRestore) {
				t.Errorf("a record on its way was taken for lost: %v", names)
			}
		})
	}
}

// stuck is a KEK that says it rotated and did not.
type stuck struct{ envelope.KEK }

func (stuck) RotateKEK(context.Context) (string, error) { return "1", nil }

func TestAKEKThatDoesNotRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	w.c.KEKs["main"] = stuck{w.memory}
	_, err := w.RotateKEK(t.Context(), "main")
	wantErr(t, err, envelope.ErrUnavailable, "version 1 stayed current")
	w.wantWhole()
}

// What appears behind the back of a rotation must not be reported as moved.
func TestARotationProvesItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	n := 0
	w.hook = func(p string) {
		if p == pointRecordDelete {
			n++
		}
		if n == len(scopes)+1 { // the last one
			n++
			w.hook = nil
			if err := w.db.AddCandidate(t.Context(), state.Leftover{Home: "models", Path: ".sealgate/keyrings/x"}); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := w.RotateKEK(t.Context(), "main")
	wantErr(t, err, errBehind)
	w.mustRotate()
	w.wantWhole()
}

// fault is one thing that goes wrong in the middle of a rotation.
type fault struct {
	name string
	kek  kektest.Fault
	rule storetest.Rule
	want error
}

var errDown = errors.New("down")

var faults = []fault{
	{name: "KEK does not rotate", kek: kektest.Fault{Op: kektest.OpRotate, Mode: kektest.Refuse, Err: errDown}, want: errDown},
	{name: "KEK rotates, answer lost", kek: kektest.Fault{Op: kektest.OpRotate, Mode: kektest.Lose, Err: errDown}, want: errDown},
	{name: "new version wraps another key", kek: kektest.Fault{Op: kektest.OpWrap, Mode: kektest.WrongKey}, want: envelope.ErrTampered},
	{name: "new version wraps garbage", kek: kektest.Fault{Op: kektest.OpWrap, Mode: kektest.Garbage}, want: envelope.ErrTampered},
	{name: "rewrap refused", kek: kektest.Fault{Op: kektest.OpRewrap, Mode: kektest.Refuse, Err: envelope.ErrThrottled, After: 2}, want: envelope.ErrThrottled},
	{name: "rewrap to garbage", kek: kektest.Fault{Op: kektest.OpRewrap, Mode: kektest.Garbage, After: 1}, want: envelope.ErrTampered},
	{name: "rewrap to another key", kek: kektest.Fault{Op: kektest.OpRewrap, Mode: kektest.WrongKey, After: 1}, want: envelope.ErrTampered},
	{name: "unwrap fails at the proof", kek: kektest.Fault{Op: kektest.OpUnwrap, Mode: kektest.WrongKey, After: 6}, want: envelope.ErrTampered},
	{name: "record not written", rule: storetest.Rule{Op: storetest.Put, Skip: 1, Err: store.ErrUnavailable}, want: store.ErrUnavailable},
	{name: "record written, told as lost", rule: storetest.Rule{Op: storetest.Put, Skip: 1, Lost: store.ErrUnavailable}, want: store.ErrUnavailable},
	{name: "record reads back changed", rule: storetest.Rule{Op: storetest.Get, Skip: 1, Body: storetest.Flip(100, 1)}, want: ErrRecord},
	{name: "old record not deleted", rule: storetest.Rule{Op: storetest.Delete, Skip: 1, Err: store.ErrUnavailable}, want: store.ErrUnavailable},
	{name: "old record deleted, told as lost", rule: storetest.Rule{Op: storetest.Delete, Skip: 1, Lost: store.ErrUnavailable}, want: store.ErrUnavailable},
}

// Whatever goes wrong in the middle, everything opens afterwards, with the same
// keys, and a repeat finishes it with one KEK version made in total.
func TestRotationSurvivesFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			set := w.mustStart()
			if f.kek.Op != "" {
				w.kek.Set(f.kek)
			} else {
				w.faulty["datasets"].Add(f.rule)
			}
			_, err := w.RotateKEK(t.Context(), "main")
			wantErr(t, err, f.want)
			w.kek.Heal()
			w.faulty["datasets"] = storetest.NewFaulty(w.mem["datasets"], 1)
			if diff := cmp.Diff(keys(set), keys(w.mustStart())); diff != "" {
				t.Errorf("after the fault: %s", diff)
			}
			w.wantWhole()
			r := w.mustRotate()
			if r.From != "1" || r.To != "2" {
				t.Errorf("the repeat went from %s to %s", r.From, r.To)
			}
			w.wantWhole()
			w.memory.Drop("1")
			if diff := cmp.Diff(keys(set), keys(w.mustStart())); diff != "" {
				t.Errorf("after the repeat: %s", diff)
			}
		})
	}
}

// A caller that goes away stops the rotation between two records.
func TestACancelledRotationResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	w.hook = func(p string) {
		if p == pointRecordPut {
			if n++; n == 3 {
				cancel()
			}
		}
	}
	_, err := w.RotateKEK(ctx, "main")
	wantErr(t, err, context.Canceled)
	if len(w.log.ends) != len(w.log.events) {
		t.Error("a rotation that was stopped has no outcome on the audit log")
	}
	w.hook = nil
	if r := w.mustRotate(); r.From != "1" || r.To != "2" || r.Records != len(scopes)+1-2 {
		t.Errorf("%+v", r)
	}
	w.wantWhole()
	if diff := cmp.Diff(keys(set), keys(w.mustLoad())); diff != "" {
		t.Error(diff)
	}
}

var errCrash = errors.New("crash")

// crashing runs f and reports whether the hook of a crash test stopped it.
func crashing(f func()) (crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, errCrash) {
				panic(r)
			}
			crashed = true
		}
	}()
	f()
	return false
}

// TestCrashAtEveryStep lives through a first start and two rotations with the
// local keystore, and stops at each durable step of rotation, database and
// keystore in turn. The next start must open every key that was ever handed
// out, and a repeated rotation must leave everything whole.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	steps := 0
	for n := 1; ; n++ {
		w := newWorld(t)
		c := &crash{world: w, dir: t.TempDir(), at: n, seen: seen}
		w.hook = c.step
		handedOut := map[string][32]byte{}
		crashed := crashing(func() { c.live(handedOut) })
		c.at = 0
		set := c.restart()
		for scope, kcv := range handedOut {
			if keys(set)[scope] != kcv {
				t.Fatalf("crash at step %d (%s): the key of %s was lost", n, c.last, scope)
			}
		}
		w.wantWhole()
		w.mustRotate()
		w.wantWhole()
		if diff := cmp.Diff(keys(set), keys(w.mustLoad())); diff != "" {
			t.Fatalf("crash at step %d (%s): the repeat changed keys: %s", n, c.last, diff)
		}
		w.stop()
		if !crashed {
			break
		}
		steps++
	}
	missing := slices.DeleteFunc(slices.Clone(PersistPoints), func(p string) bool { return seen[p] })
	if len(missing) > 0 || steps < 60 {
		t.Errorf("%d steps, none of them %v", steps, missing)
	}
	t.Logf("%d crash points, %d names", steps, len(seen))
}

// crash is a world whose KEK is a local keystore and which stops at one step.
type crash struct {
	*world
	dir  string
	at   int // 0: never
	seen map[string]bool
	last string
}

func (c *crash) step(point string) {
	c.seen[point], c.last = true, point
	if c.at--; c.at == 0 {
		panic(errCrash)
	}
}

// live is the life that is cut off: two starts and two rotations.
func (c *crash) live(handedOut map[string][32]byte) {
	for range 2 {
		for scope, kcv := range keys(c.restart()) {
			handedOut[scope] = kcv
		}
		c.mustRotate()
	}
}

// restart opens keystore and database as the gateway does.
func (c *crash) restart() *Set {
	c.t.Helper()
	c.stop()
	// The keystore's generation is mirrored in the database: open that first.
	if err := c.openState(); err != nil {
		c.t.Fatal(err)
	}
	config := local.Config{
		Path: filepath.Join(c.dir, "keystore"), Secret: local.Secret{KeyFile: filepath.Join(c.dir, "keyfile")}, Name: "main", Persist: c.hook,
		Generation:    func(ctx context.Context) (uint64, error) { return c.db.Generation(ctx, "main") },
		SetGeneration: func(ctx context.Context, n uint64) error { return c.db.SetGeneration(ctx, "main", n) },
	}
	kek, err := local.Open(c.t.Context(), config)
	if err != nil && strings.Contains(err.Error(), "no such file") {
		kek, _, err = local.Create(c.t.Context(), config)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.kek = kektest.NewFailing(kek)
	if err := c.begin(); err != nil {
		c.t.Fatal(err)
	}
	return c.mustLoad()
}
