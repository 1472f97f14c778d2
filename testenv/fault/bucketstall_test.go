// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// hold is a fault that keeps an exchange until it is let go, and then does as it
// should.
type hold struct {
	arrived, open chan struct{}
	once          sync.Once
	end           func() int
}

// holdBack keeps every exchange that is hit.
func (b *behind) holdBack(t *testing.T, hits func(*http.Request) bool) *hold {
	t.Helper()
	h := &hold{arrived: make(chan struct{}), open: make(chan struct{})}
	var first sync.Once
	h.end = b.spoiler.spoil(-1, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		first.Do(func() { close(h.arrived) })
		select {
		case <-h.open:
			pass.ServeHTTP(w, r)
		case <-r.Context().Done(): // the gateway gave up
		}
	}, hits)
	t.Cleanup(h.letGo)
	return h
}

func (h *hold) letGo() {
	h.once.Do(func() {
		h.end()
		close(h.open)
	})
}

// reached waits until the backend has been asked and keeps still.
func (h *hold) reached(t *testing.T) {
	t.Helper()
	select {
	case <-h.arrived:
	case <-time.After(60 * time.Second):
		t.Fatal("the backend was not asked")
	}
}

// asking is a request that is under way.
type asking struct {
	done chan struct{}
	gate.Answer
	err error
}

func (b *behind) ask(t *testing.T, method, target string) *asking {
	t.Helper()
	a, c := &asking{done: make(chan struct{})}, b.Client(t, "/writer")
	go func() {
		defer close(a.done)
		a.Answer, a.err = b.Try(c, method, target, nil, 0, nil)
	}()
	return a
}

// over reports whether there is an answer.
func (a *asking) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

func (a *asking) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(2 * time.Minute):
		t.Fatal("no answer")
	}
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.Status
}

// reload has the gateway read its configuration again, and says what came of it.
func (b *behind) reload(t *testing.T) error {
	t.Helper()
	if r := b.CLI(t, "config", "reload"); r.Code != 0 {
		return errors.New(r.Stderr)
	}
	return nil
}

// use writes and reads an object of a bucket and deletes it again.
func (b *behind) use(t *testing.T, bucket string) {
	t.Helper()
	tr := &trial{behind: b, t: t}
	tr.client = b.Client(t, "/writer")
	target, body := "/"+bucket+"/used", []byte("something")
	tr.must(http.StatusOK, http.MethodPut, target, body)
	if a := tr.must(http.StatusOK, http.MethodGet, target, nil); !bytes.Equal(a.Body, body) {
		t.Errorf("%s: got %q", target, a.Body)
	}
	tr.must(http.StatusNoContent, http.MethodDelete, target, nil)
}

// stalledSteps are what the gateway asks the backend about a bucket that it makes
// or removes.
var stalledSteps = []struct {
	name   string
	method string // of the client's request
	hits   func(bucket string, r *http.Request) bool
}{
	{"make, looking", http.MethodPut, func(b string, r *http.Request) bool { return r.Method == http.MethodHead && r.URL.Path == "/"+b+"/" }},
	{"make, making", http.MethodPut, func(b string, r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Path == "/"+b+"/" }},
	{"make, probing", http.MethodPut, func(b string, r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/"+b+"/.sealgate/probe/") }},
	{"remove, looking", http.MethodDelete, func(b string, r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Path == "/"+b+"/" }},
	{"remove, clearing", http.MethodDelete, func(b string, r *http.Request) bool {
		return r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, "/"+b+"/.sealgate/")
	}},
	{"remove, removing", http.MethodDelete, func(b string, r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.Path == "/"+b+"/" }},
}

// A backend that stands still while a bucket is made or removed keeps nobody but
// who asked: the configuration is read again, other buckets are made, used and
// removed, and a second request about the same bucket waits its turn.
func TestBucketChangeStandsStill(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	for i, step := range stalledSteps {
		t.Run(step.name, func(t *testing.T) { // one by one: the gateway waits for its backend half a minute and no longer
			name, other := fmt.Sprintf("still-%d", i), fmt.Sprintf("other-%d", i)
			if step.method == http.MethodDelete {
				b.changed(t, http.MethodPut, name, http.StatusOK)
				b.use(t, name)
			}
			h := b.holdBack(t, func(r *http.Request) bool { return step.hits(name, r) })
			first := b.ask(t, step.method, "/"+name)
			h.reached(t)
			again := b.ask(t, step.method, "/"+name)
			if err := b.reload(t); err != nil {
				t.Errorf("a reload: %s", err)
			}
			b.changed(t, http.MethodPut, other, http.StatusOK)
			b.use(t, other)
			b.use(t, "models")
			b.changed(t, http.MethodDelete, other, http.StatusNoContent)
			if first.over() || again.over() {
				t.Error("the others waited for the backend, or two changes of one bucket were under way at once")
			}
			h.letGo()
			got := []int{first.wait(t), again.wait(t)}
			for _, a := range []*asking{first, again} {
				b.note(due{name: step.method + " " + name, answer: a.Answer, ended: endedAlike})
			}
			if want := map[string][]int{http.MethodPut: {200, 409}, http.MethodDelete: {204, 404}}[step.method]; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if step.method == http.MethodPut {
				b.use(t, name)
				if err := b.reload(t); err != nil {
					t.Errorf("a reload: %s", err)
				}
				b.use(t, name)
				return
			}
			b.changed(t, http.MethodPut, name, http.StatusOK) // nothing is left in its way
			b.use(t, name)
		})
	}
	b.settle(t)
}

// changed makes or removes a bucket.
func (b *behind) changed(t *testing.T, method, bucket string, want int) {
	t.Helper()
	b.changedWith(t, method, bucket, want, endedAlike)
}

func (b *behind) changedWith(t *testing.T, method, bucket string, want int, ended func(gate.Answer, []audit.Record) error) {
	t.Helper()
	a, err := b.Try(b.Client(t, "/writer"), method, "/"+bucket, nil, 0, nil)
	if err != nil || a.Status != want {
		t.Fatalf("%s %s: got %d %s %v, want %d", method, bucket, a.Status, a.Body, err, want)
	}
	b.note(due{name: method + " " + bucket, answer: a, ended: ended})
}

// What is made and what is removed take turns: of a bucket that is asked for while
// it is being removed, and the other way round, each answer is true when it is
// given.
func TestMakeAgainstRemove(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	made := b.holdBack(t, func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Path == "/turns/" })
	first := b.ask(t, http.MethodPut, "/turns")
	made.reached(t)
	second := b.ask(t, http.MethodDelete, "/turns")
	if err := b.reload(t); err != nil {
		t.Error(err)
	}
	if first.over() || second.over() {
		t.Error("a bucket was removed that was being made")
	}
	made.letGo()
	if got := []int{first.wait(t), second.wait(t)}; !slices.Equal(got, []int{200, 204}) {
		t.Fatalf("made and removed: got %v", got)
	}
	b.changed(t, http.MethodPut, "turns", http.StatusOK)
	removed := b.holdBack(t, func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.Path == "/turns/" })
	first = b.ask(t, http.MethodDelete, "/turns")
	removed.reached(t)
	second = b.ask(t, http.MethodPut, "/turns")
	if err := b.reload(t); err != nil {
		t.Error(err)
	}
	if first.over() || second.over() {
		t.Error("a bucket was made that was being removed")
	}
	removed.letGo()
	if got := []int{first.wait(t), second.wait(t)}; !slices.Equal(got, []int{204, 200}) {
		t.Fatalf("removed and made: got %v", got)
	}
	b.use(t, "turns")
}

// No reload puts a bucket where another is being made, or removed with all that is
// the gateway's own in it; it can when that has failed or is over.
func TestReloadAgainstTheSamePlace(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	text, err := os.ReadFile(b.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	named := bytes.Replace(text, []byte("datasets: {"), []byte("mine: {backend: store, bucket: place}, datasets: {"), 1)
	named = bytes.Replace(named, []byte("keyrings: ["), []byte("keyrings: [{scope: mine/, kek: local}, "), 1)
	reload := func(config []byte) error {
		if err := os.WriteFile(b.ConfigFile(), config, 0o600); err != nil {
			t.Fatal(err)
		}
		return b.reload(t)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		h := b.holdBack(t, func(r *http.Request) bool { return r.Method == method && r.URL.Path == "/place/" })
		a := b.ask(t, method, "/place")
		h.reached(t)
		if err := reload(named); err == nil || !strings.Contains(err.Error(), "would lie in one place") {
			t.Errorf("%s: a reload put another bucket in the same place: %v", method, err)
		}
		if a.over() {
			t.Errorf("%s: the reload waited for the backend", method)
		}
		h.letGo()
		if got := a.wait(t); got/100 != 2 {
			t.Fatalf("%s: got %d %s", method, got, a.Body)
		}
		if err := reload(text); err != nil {
			t.Error(err)
		}
	}
	if err := b.server.Client(t).MakeBucket(t.Context(), "place", minio.MakeBucketOptions{Region: b.server.Region}); err != nil {
		t.Fatal(err)
	}
	if err := reload(named); err != nil {
		t.Errorf("with the bucket gone: %v", err)
	}
	b.use(t, "mine")
}
