// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
	"github.com/sealgate/sealgate/testenv/servers"
)

// another is a second replica of w: the same buckets, KEK and database, all else
// its own.
func (w *world) another(t *testing.T, c state.Config) *world {
	t.Helper()
	next := *w
	next.t, next.log, next.hook, next.db = t, &recorder{}, nil, nil
	c.Persist = next.callHook
	var err error
	if next.db, err = state.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.stop)
	return &next
}

// replicasOf makes replicas on one PostgreSQL.
func replicasOf(t *testing.T, n int) []*world {
	t.Helper()
	server, w := servers.PostgreSQL(t), newWorld(t)
	c := state.Config{Postgres: &state.Postgres{URL: server.URL, Password: func() (string, error) {
		b, err := os.ReadFile(server.PasswordFile)
		return strings.TrimSpace(string(b)), err
	}}}
	var all []*world
	for range n {
		all = append(all, w.another(t, c))
	}
	return all
}

// Replicas that start at the same moment, with nothing there, are one deployment
// with one key for each scope.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	all := replicasOf(t, 4)
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() {
			if err := w.begin(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	want := keys(all[0].mustLoad())
	for _, w := range all {
		if diff := cmp.Diff(want, keys(w.mustLoad())); diff != "" || w.c.Deployment != all[0].c.Deployment {
			t.Errorf("replicas differ: %s %s", w.c.Deployment, diff)
		}
	}
	all[0].wantWhole()
}

// Replicas that are told to rotate at the same moment, while others load: one
// rotates, the others say that it does; nothing looks damaged to anyone.
func TestReplicasRotateTogether(t *testing.T) {
	t.Parallel()
	all := replicasOf(t, 3)
	for _, w := range all {
		if err := w.begin(); err != nil {
			t.Fatal(err)
		}
	}
	before := keys(all[0].mustLoad())
	var wg sync.WaitGroup
	var mu sync.Mutex
	rotated := 0
	for _, w := range all {
		wg.Go(func() {
			_, err := w.RotateKEK(t.Context(), "main")
			if err != nil && !errors.Is(err, ErrRunning) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				rotated++
			}
		})
		wg.Go(func() {
			if _, err := w.Load(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if rotated == 0 {
		t.Error("nobody rotated")
	}
	for _, w := range all {
		w.wantWhole()
		if diff := cmp.Diff(before, keys(w.mustLoad())); diff != "" {
			t.Error(diff)
		}
	}
}

// Two databases of one SQLite file do not know of each other's locks: as replicas
// whose lock was lost.
func withoutLock(t *testing.T) (a, b *world) {
	t.Helper()
	a = newWorld(t)
	a.mustStart()
	b = a.another(t, state.Config{Path: a.path})
	if err := b.begin(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// A replica without its lock clears away what another one is about to put in
// use: before the object is written, or after it was proved. The other one
// fails; no row names an object that is gone, and no object is left that nobody
// knows.
func TestALostLockWhileARecordIsMoved(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before it is written", "after it was proved"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			a, b := withoutLock(t)
			before := keys(a.mustLoad())
			var once sync.Once
			disturb := func() {
				once.Do(func() {
					if err := b.Ensure(t.Context(), scopes); err != nil {
						t.Errorf("the other replica: %v", err)
					}
				})
			}
			if when == "before it is written" {
				a.hook = func(p string) {
					if p == pointRecordPut {
						disturb()
					}
				}
			} else {
				for bucket, s := range a.c.Stores {
					a.c.Stores[bucket] = watched{s, disturb}
				}
			}
			_, err := a.RotateKEK(t.Context(), "main")
			wantErr(t, err, state.ErrConflict)
			if diff := cmp.Diff(before, keys(b.mustLoad())); diff != "" {
				t.Error(diff)
			}
			a.mustRotate()
			a.wantWhole()
			if diff := cmp.Diff(before, keys(b.mustLoad())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// watched is a store that calls back when an object was read.
type watched struct {
	store.Store
	after func()
}

func (w watched) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	r, err := w.Store.Get(ctx, key, o)
	if err == nil {
		w.after()
	}
	return r, err
}

// A replica without its lock loads while another one moves the records: what it
// then takes for lost and writes again, it takes back.
func TestALostLockWhileLoading(t *testing.T) {
	t.Parallel()
	a, b := withoutLock(t)
	before := keys(a.mustLoad())
	for bucket, s := range b.c.Stores {
		slow := storetest.NewFaulty(s, 1) // it read the rows a while before
		slow.Add(storetest.Rule{Op: storetest.Get, Times: 1, Delay: 500 * time.Millisecond})
		b.c.Stores[bucket] = slow
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if diff := cmp.Diff(before, keys(b.mustLoad())); diff != "" {
			t.Error(diff)
		}
	})
	time.Sleep(100 * time.Millisecond)
	a.mustRotate()
	wg.Wait()
	if names := b.log.names(); !slices.Contains(names, eventRestore) {
		t.Error("nothing was taken for lost: this test shows nothing")
	}
	a.wantWhole()
}
