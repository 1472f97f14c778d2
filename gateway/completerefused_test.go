// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// row gives an upload as the database has it.
func (m *mpu) row() state.Upload {
	m.w.t.Helper()
	u, err := m.w.g.config.State.Upload(context.Background(), m.id)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return u
}

// TestReplacedPart: an attempt that the store has no more is refused before
// anything is decided; the upload goes on.
func TestReplacedPart(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	first, second, last := m.part(1, noise(1, 6*mib)), m.part(1, noise(2, 6*mib)), m.part(2, noise(3, 10))
	m.complete([]string{first, last}).want(t, http.StatusBadRequest, "InvalidPart")
	if n := w.store.Calls(storetest.CompleteMultipart); n != 0 || m.row().State != state.UploadOpen {
		t.Errorf("%d calls to the store, the upload is %s", n, m.row().State)
	}
	m.mustComplete([]string{second, last})
	w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(2, 6*mib), noise(3, 10)...))
	w.noUploads()

	// One that waits elsewhere took nothing's place.
	m = w.create(m.c, "/data/k")
	large := m.part(1, noise(4, 5*mib))
	m.part(1, noise(5, 100))
	m.mustComplete([]string{large})
	w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, noise(4, 5*mib))
}

// TestPartReplacedBehindItsReceipt: of two attempts that were on their way at
// once the store keeps one, and only it knows which.
func TestPartReplacedBehindItsReceipt(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	lost, last := m.part(1, noise(1, 5*mib)), m.part(2, noise(2, 10))
	other := noise(9, 5*mib)
	if _, err := w.mem.PutPart(context.Background(), "k", m.row().Backend, 1, bytes.NewReader(other), int64(len(other))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m.complete([]string{lost, last}).want(t, http.StatusBadRequest, "InvalidPart")
		if row := m.row(); row.State != state.UploadOpen || row.Frozen != nil {
			t.Fatalf("the upload is %s", row.State)
		}
	}
	again := m.part(1, noise(3, 5*mib))
	m.mustComplete([]string{again, last})
	w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(3, 5*mib), noise(2, 10)...))
	w.noUploads()
	w.endedOnce()
}

// TestAttemptsAtOnce: whichever attempt the store was left with, the upload can
// be completed.
func TestAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	for round := range 3 {
		m := w.create(w.client("/writer"), "/data/k")
		var wg sync.WaitGroup
		lines := make([]string, 4)
		for i := range lines {
			other := &mpu{w, w.client("/writer"), m.target, m.id, m.object}
			wg.Go(func() { lines[i] = other.part(1, noise(uint64(10*round+i), 5*mib)) })
		}
		wg.Wait()
		done := slices.IndexFunc(lines, func(line string) bool {
			r := m.complete([]string{line})
			if r.status != http.StatusOK {
				r.want(t, http.StatusBadRequest, "InvalidPart")
			}
			return r.status == http.StatusOK
		})
		if done < 0 { // the receipts came in another order than the parts
			done = len(lines)
			m.mustComplete([]string{m.part(1, noise(uint64(10*round+done), 5*mib))})
		}
		w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, noise(uint64(10*round+done), 5*mib))
		w.noUploads()
	}
}

// TestConditionThatFailsInTheStore: it decides nothing either, whether the store
// said so or was asked just before.
func TestConditionThatFailsInTheStore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule   storetest.Rule
		status int
		code   string
	}{
		"at the end":    {storetest.Rule{Op: storetest.CompleteMultipart, Times: 1, Err: store.ErrPrecondition}, 412, "PreconditionFailed"},
		"before it":     {storetest.Rule{Op: storetest.Head, Key: "k", Skip: 1, Times: 1, Object: func(o *store.Object) { o.ETag = "another" }}, 412, "PreconditionFailed"},
		"gone meantime": {storetest.Rule{Op: storetest.Head, Key: "k", Skip: 1, Times: 1, Err: store.ErrNotFound}, 404, "NoSuchKey"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploads(t, worldOptions{})
			m := w.create(w.client("/writer"), "/data/k")
			etag := w.put(m.c, "/data/k", []byte("before")).header.Get("Etag")
			one, two := m.part(1, noise(1, 5*mib)), m.part(2, noise(2, 10))
			w.store.Add(tt.rule)
			m.complete([]string{one}, "If-Match", etag).want(t, tt.status, tt.code)
			if row := m.row(); row.State != state.UploadOpen {
				t.Fatalf("the upload is %s", row.State)
			}
			m.mustComplete([]string{one, two}, "If-Match", etag)
			w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(1, 5*mib), noise(2, 10)...))
			w.noUploads()
		})
	}
}

// TestObjectOfAnotherList: an object that a list made after it had been taken
// back is not told of as that of another list.
func TestObjectOfAnotherList(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]bool{"another list": false, "the same list": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The store has made the object, and nobody was told.
			w, m, lines := newFrozen(t, storetest.Rule{Op: storetest.CompleteMultipart, Times: 1, Lost: errBackend}, storetest.Rule{Op: storetest.Head, Err: errBackend})
			if err := w.g.config.State.ThawUpload(context.Background(), m.id, *m.row().Frozen); err != nil {
				t.Fatal(err)
			}
			if second {
				m.mustComplete(lines)
				m.mustComplete(lines)
			} else {
				m.complete(lines[:1]).want(t, http.StatusNotFound, "NoSuchUpload")
			}
			w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(1, 5*mib), noise(2, 5)...))
		})
	}
}

// TestNoUploadAtTheStore: what the store has no upload for is not refused for
// its list, and does not take parts again.
func TestNoUploadAtTheStore(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	lines := []string{m.part(1, noise(1, 5*mib))}
	w.store.Add(storetest.Rule{Op: storetest.CompleteMultipart, Err: fmt.Errorf("%w (%w)", store.ErrNoUpload, store.ErrNotFound)}) // as an S3 store says it
	m.complete(lines).want(t, http.StatusNotFound, "NoSuchUpload")
	if row := m.row(); row.State != state.UploadFrozen {
		t.Errorf("the upload is %s", row.State)
	}
}

// TestLostTheRace: a Complete whose head came in before an identical one was
// done, and its list after, finds the object.
func TestLostTheRace(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	lines := []string{m.part(1, noise(1, 5*mib)), m.part(2, noise(2, 5))}
	same, _ := m.headOfComplete(lines)
	other, _ := m.headOfComplete(lines[:1])
	m.mustComplete(lines)
	same().want(t, http.StatusOK, "")
	other().want(t, http.StatusNotFound, "NoSuchUpload")
}

// TestCompleteHidesMissingKeys: a condition on a key that is not there tells
// nothing to who may not list it, as for a PUT.
func TestCompleteHidesMissingKeys(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	blind := w.client("/blind")
	m := w.create(blind, "/data/drop/k")
	lines := []string{m.part(1, []byte("x"))}
	w.do(blind, http.MethodPut, "/data/drop/k", []byte("x"), "If-Match", `"abc"`).want(t, http.StatusForbidden, "AccessDenied")
	r := m.complete(lines, "If-Match", `"abc"`)
	r.want(t, http.StatusForbidden, "AccessDenied")
	if r.header.Get("X-Sealgate-Reason") != "no_grant" || w.last().outcome.Status != http.StatusForbidden {
		t.Errorf("reason %q, recorded %+v", r.header.Get("X-Sealgate-Reason"), w.last().outcome)
	}
	m = w.create(w.client("/writer"), "/data/k")
	lines = []string{m.part(1, []byte("x"))}
	m.complete(lines, "If-Match", `"abc"`).want(t, http.StatusNotFound, "NoSuchKey")
	m.mustComplete(lines)
}

// taggedStore notes which versions tags are set on.
type taggedStore struct {
	*storetest.Faulty

	mu       sync.Mutex // guards versions
	versions []string
}

// SetTags implements store.Tagger.
func (s *taggedStore) SetTags(ctx context.Context, key, version string, tags []store.Tag) error {
	s.mu.Lock()
	s.versions = append(s.versions, version)
	s.mu.Unlock()
	return s.Faulty.SetTags(ctx, key, version, tags)
}

func (w *world) wantTags(c *http.Client, target, want string) {
	w.t.Helper()
	if r := w.do(c, http.MethodGet, target+"?tagging", nil); r.status != 200 || !bytes.Contains(r.body, []byte("<Value>"+want+"</Value>")) {
		w.t.Errorf("tags: got %d %s, want %s", r.status, r.body, want)
	}
}

// TestTagsOfUploads: the right to tag is decided when the object is made, and
// its tags are set once, on what was made.
func TestTagsOfUploads(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	w.mem = &storetest.Mem{Versioned: true}
	w.store = storetest.NewFaulty(w.mem, 1)
	tagged := &taggedStore{Faulty: w.store}
	use := func(text string) {
		w.use(text)
		snap := *w.g.Current()
		snap.Buckets = map[string]Bucket{"data": {Store: tagged, Conditional: true}}
		w.g.Use(&snap)
	}
	use(testPolicy)
	c := w.client("/writer")
	m := w.create(c, "/data/k", "x-amz-tagging", "stage=old")
	lines := []string{m.part(1, []byte("x"))}
	use(withoutTag)
	m.complete(lines).want(t, http.StatusForbidden, "AccessDenied")
	if e := w.lastDenial(); e.Action != "CompleteMultipartUpload" || m.row().State != state.UploadOpen {
		t.Errorf("recorded %+v, the upload is %s", e, m.row().State)
	}
	use(testPolicy)
	m.mustComplete(lines)
	made, err := w.mem.Head(context.Background(), "k")
	if err != nil || made.VersionID == "" || !slices.Equal(tagged.versions, []string{made.VersionID}) {
		t.Errorf("tags were set on versions %q, want %q (%v)", tagged.versions, made.VersionID, err)
	}
	w.wantTags(c, "/data/k", "old")
	body := []byte("<Tagging><TagSet><Tag><Key>stage</Key><Value>new</Value></Tag></TagSet></Tagging>")
	w.do(c, http.MethodPut, "/data/k?tagging", body, "Content-MD5", contentMD5(body)).want(t, http.StatusOK, "")
	m.mustComplete(lines)
	w.wantTags(c, "/data/k", "new")
	use(withoutTag)
	m.mustComplete(lines) // sets none
}

// TestTagsAfterALostAnswer: an object that is found made has its tags, too.
func TestTagsAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k", "x-amz-tagging", "stage=old")
	lines := []string{m.part(1, []byte("x"))}
	w.store.Add(storetest.Rule{Op: storetest.CompleteMultipart, Times: 1, Lost: errBackend})
	w.store.Add(storetest.Rule{Op: storetest.Head, Times: 1, Err: errBackend})
	m.complete(lines).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	m.mustComplete(lines)
	w.wantTags(m.c, "/data/k", "old")
}
