// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// recorder is an audit log in memory.
type recorder struct {
	mu     sync.Mutex
	events []audit.Event
	ends   []audit.Outcome
	begin  error // what Begin answers
	end    error // what End answers
}

func (r *recorder) Begin(_ context.Context, e audit.Event) (audit.Pending, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begin != nil {
		return nil, r.begin
	}
	r.events = append(r.events, e)
	return pending{r}, nil
}

func (r *recorder) Deny(context.Context, audit.Event) (audit.Receipt, error) {
	return audit.Receipt{}, errors.New("rotation denies nothing")
}

func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, e := range r.events {
		names = append(names, e.Event)
	}
	return names
}

type pending struct{ r *recorder }

func (pending) Receipt() audit.Receipt { return audit.Receipt{} }
func (pending) Progress(int64)         {}

func (p pending) End(_ context.Context, o audit.Outcome) error {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	p.r.ends = append(p.r.ends, o)
	return p.r.end
}

// world is a deployment: two buckets behind faulty stores, one KEK behind a
// failing wrapper, a database on disk.
type world struct {
	t      *testing.T
	path   string
	mem    map[string]*storetest.Mem
	faulty map[string]*storetest.Faulty
	memory *kektest.Memory
	kek    *kektest.Failing
	log    *recorder
	hook   func(string)

	db *state.DB
	*Keyrings
}

var scopes = []Scope{
	BucketScope("datasets", "", "main"), BucketScope("models", "", "main"), BucketScope("models", "fraud/pii/", "main"),
	SystemScope("tokens", "main"), SystemScope("audit", "main"), SystemScope("identity", "main"),
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, path: filepath.Join(t.TempDir(), "state.db"), memory: kektest.NewMemory("main"), log: &recorder{},
		mem: map[string]*storetest.Mem{}, faulty: map[string]*storetest.Faulty{},
	}
	w.kek = kektest.NewFailing(w.memory)
	for _, b := range []string{"datasets", "models"} {
		w.mem[b] = &storetest.Mem{}
		w.faulty[b] = storetest.NewFaulty(w.mem[b], 1)
	}
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) stop() {
	if w.db != nil {
		_ = w.db.Close() // a test that ends is no place for its error
		w.db = nil
	}
}

// start opens the database and makes Keyrings, as a start of the gateway does.
func (w *world) start() error {
	w.stop()
	if err := w.openState(); err != nil {
		return err
	}
	return w.begin()
}

func (w *world) begin() error {
	id, err := Identify(w.t.Context(), IdentifyConfig{State: w.db, SystemBucket: "datasets", Store: w.faulty["datasets"], Name: "acme"})
	if err != nil {
		return err
	}
	stores := map[string]store.Store{}
	for b, s := range w.faulty {
		stores[b] = s
	}
	w.Keyrings, err = New(Config{
		State: w.db, Stores: stores, SystemBucket: "datasets", KEKs: map[string]envelope.KEK{"main": w.kek},
		Deployment: id, Audit: w.log, Actor: "spiffe://acme.ai/gateway", Workers: 1, Persist: w.callHook,
	})
	if err != nil {
		return err
	}
	return w.Ensure(w.t.Context(), scopes)
}

func (w *world) mustStart() *Set {
	w.t.Helper()
	if err := w.start(); err != nil {
		w.t.Fatal(err)
	}
	return w.mustLoad()
}

func (w *world) mustLoad() *Set {
	w.t.Helper()
	s, err := w.Load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) mustRotate() Report {
	w.t.Helper()
	r, err := w.RotateKEK(w.t.Context(), "main")
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) rows() []state.KeyringVersion {
	w.t.Helper()
	rows, err := w.db.ListKeyringVersions(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// objects lists the record objects of a bucket, which no code but a test does.
func (w *world) objects(bucket string) map[string]string {
	w.t.Helper()
	page, err := w.mem[bucket].List(w.t.Context(), store.ListOptions{Prefix: ".sealgate/keyrings/"})
	if err != nil || page.More {
		w.t.Fatal(err, page.More)
	}
	found := map[string]string{}
	for _, o := range page.Objects {
		found[o.Key] = w.read(bucket, o.Key)
	}
	return found
}

func (w *world) read(bucket, key string) string {
	w.t.Helper()
	r, err := w.mem[bucket].Get(w.t.Context(), key, store.Whole())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) write(bucket, key, text string) {
	w.t.Helper()
	_, err := w.mem[bucket].Put(w.t.Context(), key, strings.NewReader(text), store.PutOptions{Size: int64(len(text))})
	if err != nil {
		w.t.Fatal(err)
	}
}

// wantWhole demands what must hold at rest: each row's object is in its bucket
// and equal, no other object is there, nothing is left over, each row's record
// opens.
func (w *world) wantWhole() {
	w.t.Helper()
	rows := w.rows()
	for _, bucket := range []string{"datasets", "models"} {
		objects := w.objects(bucket)
		mine := slices.DeleteFunc(slices.Clone(rows), func(v state.KeyringVersion) bool { return v.Home != bucket })
		for _, v := range mine {
			if objects[v.Path] != string(v.Record) {
				w.t.Errorf("%s@%d: object and row differ", v.Scope, v.Version)
			}
			if _, err := w.openRow(w.t.Context(), v); err != nil {
				w.t.Errorf("%s@%d: %v", v.Scope, v.Version, err)
			}
		}
		if len(objects) != len(mine) {
			w.t.Errorf("bucket %s: want %d record objects, got %d", bucket, len(mine), len(objects))
		}
	}
	left, err := w.db.Leftovers(w.t.Context())
	if err != nil || len(left) != 0 {
		w.t.Errorf("leftovers %+v, %v", left, err)
	}
}

// keys are check values of every key in a set, by scope: equal maps mean that
// everything sealed before still opens.
func keys(s *Set) map[string][32]byte {
	found := map[string][32]byte{}
	for _, r := range s.rings {
		found[r.Scope] = r.Active.KCV(kektest.Context())
	}
	return found
}

// wantErr demands the kind and one line.
func wantErr(t *testing.T, err, want error, parts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("want %v, got %v", want, err)
	}
	if err == nil {
		return
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("an error must be one line: %q", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("want %q in %q", p, err)
		}
	}
}

func (w *world) openState() (err error) {
	w.db, err = state.Open(w.t.Context(), state.Config{Path: w.path, Persist: w.callHook})
	return err
}

func (w *world) callHook(point string) {
	if w.hook != nil {
		w.hook(point)
	}
}
