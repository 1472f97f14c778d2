// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

const tenDays = 10 * 24 * time.Hour

// stagedKeys lists what the store holds of parts that wait.
func (w *world) stagedKeys() []string {
	w.t.Helper()
	list, err := w.mem.List(context.Background(), store.ListOptions{Prefix: stagingPrefix})
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, o := range list.Objects {
		keys = append(keys, o.Key)
	}
	return keys
}

func (w *world) reap(now time.Time) {
	w.t.Helper()
	if err := w.g.reapOnce(context.Background(), now); err != nil {
		w.t.Error(err)
	}
}

// wantGone demands that an upload left neither a row nor anything in the store.
func (w *world) wantGone(id string) {
	w.t.Helper()
	if u, err := w.g.config.State.Upload(context.Background(), id); err == nil {
		w.t.Errorf("the row is there: %s", u.State)
	}
	if keys := w.stagedKeys(); len(keys) > 0 || w.mem.Uploads() > 0 {
		w.t.Errorf("left in the store: %v and %d uploads", keys, w.mem.Uploads())
	}
}

// TestAbortLeavesNothing, and a part that was on its way when its upload ended
// cleans up after itself.
func TestAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	m.part(1, noise(1, 5*mib))
	m.part(2, noise(2, 5))
	w.do(c, http.MethodDelete, m.query(""), nil).want(t, http.StatusNoContent, "")
	w.wantGone(m.id)
	w.do(c, http.MethodDelete, m.query(""), nil).want(t, http.StatusNotFound, "NoSuchUpload")
	if rec := w.last(); rec.event.Event != "upload.abort" || rec.event.Object != m.object || !rec.event.AwaitOutcome {
		t.Errorf("recorded %+v", rec.event)
	}
	for _, size := range []int{100, 5 * mib} {
		m := w.create(c, "/data/k")
		w.store.Add(storetest.Rule{Op: storetest.Put, Delay: 300 * time.Millisecond})
		w.store.Add(storetest.Rule{Op: storetest.PutPart, Delay: 300 * time.Millisecond})
		var wg sync.WaitGroup
		wg.Go(func() {
			if r := m.tryPart(1, noise(1, size)); r.status != http.StatusNotFound && r.status != http.StatusOK {
				t.Errorf("part of an upload that is aborted: got %d %s", r.status, r.body)
			}
		})
		time.Sleep(100 * time.Millisecond)
		if r := w.do(w.client("/writer"), http.MethodDelete, m.query(""), nil); r.status != http.StatusNoContent {
			t.Errorf("abort: got %d %s", r.status, r.body)
		}
		wg.Wait()
		w.store.Clear()
		w.reap(time.Now().Add(2 * stagedGrace))
		w.wantGone(m.id)
	}
}

// TestReaper: what nobody goes on with goes away, on the record; what somebody
// may go on with stays.
func TestReaper(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{abandon: 48 * time.Hour})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	lines := []string{m.part(1, noise(1, 5*mib)), m.part(2, noise(2, 5))}
	w.reap(time.Now().Add(47 * time.Hour))
	m.part(3, noise(3, 1))
	w.reap(time.Now().Add(47 * time.Hour))
	if len(w.stagedKeys()) != 2 || w.mem.Uploads() != 1 {
		t.Fatalf("a live upload was cleaned up: %v", w.stagedKeys())
	}
	intents, _ := w.counts()
	w.store.Add(storetest.Rule{Op: storetest.Delete, Times: 1, Err: errBackend})
	if err := w.g.reapOnce(context.Background(), time.Now().Add(49*time.Hour)); err == nil {
		t.Error("a fault of the store is not reported")
	}
	m.complete(lines).want(t, http.StatusNotFound, "NoSuchUpload")
	var wg sync.WaitGroup
	for range 3 { // several replicas
		wg.Go(func() { w.reap(time.Now().Add(49 * time.Hour)) })
	}
	wg.Wait()
	w.wantGone(m.id)
	seen := 0
	w.rec.mu.Lock()
	for _, r := range w.rec.intents[intents:] {
		if e := r.event; e.Event == "staging.cleanup" {
			seen++
			if e.Key != "k" || e.Object != m.object || e.ActorType != "system" || e.Actor != "spiffe://acme.ai/gateway" || !e.AwaitOutcome || e.Detail["created_by"] != "spiffe://acme.ai/writer" {
				t.Errorf("recorded %+v", e)
			}
		}
	}
	w.rec.mu.Unlock()
	if seen < 2 {
		t.Errorf("%d records of the cleaning up", seen)
	}
	w.endedOnce()
}

// TestReaperLooksAgain: an upload that somebody went on with after the reaper
// had found it is left alone.
func TestReaperLooksAgain(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{abandon: time.Hour})
	m := w.create(w.client("/writer"), "/data/k")
	row, err := w.g.config.State.Upload(context.Background(), m.id)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{m.part(1, noise(1, 5))}
	if err := w.g.reap(context.Background(), row, time.Now().Add(59*time.Minute)); err != nil {
		t.Error(err)
	}
	m.mustComplete(lines)
}

// TestReaperNeedsItsRecord: without a log nothing is removed.
func TestReaperNeedsItsRecord(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	m.part(1, noise(1, 5))
	w.rec.fail(recorderFault{begin: audit.ErrClosed})
	if err := w.g.reapOnce(context.Background(), time.Now().Add(tenDays)); err == nil {
		t.Error("no error without a log")
	}
	if u, err := w.g.config.State.Upload(context.Background(), m.id); err != nil || u.State != state.UploadOpen || len(w.stagedKeys()) != 1 {
		t.Errorf("state %q, %v, %v", u.State, err, w.stagedKeys())
	}
	w.rec.fail(recorderFault{})
	w.reap(time.Now().Add(tenDays))
	w.wantGone(m.id)
}

// TestReaperAfterCrashes: rows as a crash at each step leaves them.
func TestReaperAfterCrashes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("before the backend's name", func(t *testing.T) {
		t.Parallel()
		w := newUploads(t, worldOptions{})
		w.store.Add(storetest.Rule{Op: storetest.CreateMultipart, Err: errBackend})
		r := w.do(w.client("/writer"), http.MethodPost, "/data/k?uploads", nil)
		r.want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
		n := 0
		for _, err := range w.g.config.State.StaleUploads(ctx, time.Now().Add(tenDays), time.Now().Add(tenDays)) {
			if n++; err != nil {
				t.Error(err)
			}
		}
		if n > 0 {
			t.Errorf("%d rows are left of a Create that failed", n)
		}
	})
	t.Run("after the decision", func(t *testing.T) {
		t.Parallel()
		w, m, lines := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Err: errBackend})
		m.complete(lines[:1]).want(t, http.StatusConflict, "OperationAborted")
		w.reap(time.Now().Add(tenDays))
		w.wantGone(m.id)
		if _, err := w.mem.Head(ctx, "k"); err == nil {
			t.Error("an abandoned Complete made an object")
		}
	})
	t.Run("after the object", func(t *testing.T) {
		t.Parallel()
		w, m, lines := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Times: 1, Lost: errBackend}, storetest.Rule{Op: storetest.Head, Err: errBackend})
		w.store.Clear()
		w.reap(time.Now().Add(6 * 24 * time.Hour))
		w.reap(time.Now().Add(tenDays))
		w.wantGone(m.id)
		w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(1, 5*mib), noise(2, 5)...))
		m.complete(lines).want(t, http.StatusNotFound, "NoSuchUpload") // its row has gone
	})
	t.Run("before the staged part was removed", func(t *testing.T) {
		t.Parallel()
		w := newUploads(t, worldOptions{})
		m := w.create(w.client("/writer"), "/data/k")
		lines := []string{m.part(1, noise(1, 5))}
		w.store.Add(storetest.Rule{Op: storetest.Delete, Times: 1, Err: errBackend})
		m.mustComplete(lines)
		if len(w.stagedKeys()) != 1 {
			t.Fatalf("staged: %v", w.stagedKeys())
		}
		w.reap(time.Now().Add(time.Minute))
		if keys := w.stagedKeys(); len(keys) > 0 {
			t.Errorf("left until the upload expires: %v", keys)
		}
		m.mustComplete(lines) // it still answers repeats
		w.reap(time.Now().Add(tenDays))
		w.wantGone(m.id)
	})
	t.Run("a client may abort it", func(t *testing.T) {
		t.Parallel()
		w, m, _ := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Err: errBackend})
		w.do(m.c, http.MethodDelete, m.query(""), nil).want(t, http.StatusNoContent, "")
		w.wantGone(m.id)
	})
}

// TestReaperFindsNothingOfOurs: what does not open at the key is not what a
// Complete made, and does not keep its upload for ever.
func TestReaperFindsNothingOfOurs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	foreign := newWorld(t, worldOptions{})
	foreign.put(foreign.client("/writer"), "/data/k", []byte("x"))
	other, err := foreign.mem.Head(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	for name, metadata := range map[string]string{"no header": "", "no header of ours": "AAAA", "under a key that is not ours": other.Metadata} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, m, _ := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Err: errBackend})
			if _, err := w.mem.Put(ctx, "k", strings.NewReader("x"), store.PutOptions{Size: 1, Metadata: metadata}); err != nil {
				t.Fatal(err)
			}
			w.reap(time.Now().Add(tenDays))
			w.wantGone(m.id)
		})
	}
}

// TestDropUploads: a bucket that is removed keeps no upload, also none whose
// Complete has begun; one that became an object is no upload any more.
func TestDropUploads(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("open", func(t *testing.T) {
		t.Parallel()
		w := newUploads(t, worldOptions{})
		m := w.create(w.client("/writer"), "/data/k")
		m.part(1, noise(1, 5*mib))
		m.part(2, []byte("x"))
		if err := w.g.DropUploads(ctx, "data", w.store); err != nil {
			t.Fatal(err)
		}
		w.wantGone(m.id)
	})
	t.Run("frozen", func(t *testing.T) {
		t.Parallel()
		w, m, _ := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Err: errBackend})
		w.store.Add(storetest.Rule{Op: storetest.Head, Times: 1, Err: errBackend})
		if err := w.g.DropUploads(ctx, "data", w.store); !errors.Is(err, store.ErrUnavailable) || m.row().State != state.UploadFrozen {
			t.Fatalf("got %v, the upload is %s: nobody knows whether there is an object", err, m.row().State)
		}
		if err := w.g.DropUploads(ctx, "data", w.store); err != nil {
			t.Fatal(err)
		}
		w.wantGone(m.id)
	})
	t.Run("made", func(t *testing.T) {
		t.Parallel()
		w, m, lines := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Times: 1, Lost: errBackend}, storetest.Rule{Op: storetest.Head, Err: errBackend})
		if err := w.g.DropUploads(ctx, "data", w.store); err != nil {
			t.Fatal(err)
		}
		m.mustComplete(lines)
		w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(1, 5*mib), noise(2, 5)...))
		w.noUploads()
	})
}

// newFrozen is a world with one upload whose Complete failed by the rules.
func newFrozen(t *testing.T, rules ...storetest.Rule) (*world, *mpu, []string) {
	t.Helper()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	lines := []string{m.part(1, noise(1, 5*mib)), m.part(2, noise(2, 5))}
	for _, r := range rules {
		w.store.Add(r)
	}
	r := m.complete(lines)
	if r.status != http.StatusServiceUnavailable || strings.Contains(string(r.body), secretWord) {
		t.Fatalf("Complete: got %d %s", r.status, r.body)
	}
	w.store.Clear()
	return w, m, lines
}
