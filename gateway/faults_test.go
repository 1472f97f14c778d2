// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// secretWord stands in errors of the store that must not reach a client.
const secretWord = "10.1.2.3:9000"

var errBackend = fmt.Errorf("dialing %s: %w", secretWord, store.ErrUnavailable)

func TestStoreFaultsOfReads(t *testing.T) {
	t.Parallel()
	// Each object has a body of 300,000 bytes: five segments. A fault in the
	// first is answered, one in a later one cuts the connection.
	tests := []struct {
		name   string
		rule   storetest.Rule
		status int // of GET; 0: cut after the status line
		code   string
		abort  string
		head   int // of HEAD, -1: not looked at
	}{
		{"unavailable", storetest.Rule{Err: errBackend}, 503, "ServiceUnavailable", "", 503},
		{"answer lost", storetest.Rule{Lost: errBackend}, 503, "ServiceUnavailable", "", 503},
		{"damaged", storetest.Rule{Err: store.ErrDamaged}, 500, "InternalError", audit.AbortIntegrity, 500},
		{"no metadata", storetest.Rule{Object: func(o *store.Object) { o.Metadata = "" }}, 403, "AccessDenied", "", 403},
		{"cut metadata", storetest.Rule{Object: func(o *store.Object) { o.Metadata = o.Metadata[:100] }}, 500, "InternalError", audit.AbortIntegrity, 500},
		{"wrong size", storetest.Rule{Object: func(o *store.Object) { o.Size += 32 }}, 500, "InternalError", audit.AbortIntegrity, 500},
		{"size of another object", storetest.Rule{Object: func(o *store.Object) { o.Size = 400 }}, 500, "InternalError", audit.AbortIntegrity, 500},
		{"flip in the first segment", storetest.Rule{Body: storetest.Flip(40, 1)}, 500, "InternalError", audit.AbortIntegrity, 200},
		{"flip in the last segment", storetest.Rule{Body: storetest.Flip(4*65568+9, 0x80)}, 0, "", audit.AbortIntegrity, 200},
		{"flip in the padding", storetest.Rule{Body: storetest.Flip(300_000+5*32+3, 1)}, 0, "", audit.AbortIntegrity, 200},
		{"flip in the footer", storetest.Rule{Body: storetest.Flip(300_000+5*32+112+256-1, 1)}, 0, "", audit.AbortIntegrity, 200},
		{"ends in the first segment", storetest.Rule{Body: storetest.Truncate(1000)}, 500, "InternalError", audit.AbortIntegrity, 200},
		{"ends in the third", storetest.Rule{Body: storetest.Truncate(2*65568 + 7)}, 0, "", audit.AbortIntegrity, 200},
		{"breaks in the first segment", storetest.Rule{Body: storetest.Cut(1000, errBackend)}, 503, "ServiceUnavailable", "", 200},
		{"breaks early without a word", storetest.Rule{Body: storetest.Cut(1000, errors.New("reset"))}, 500, "InternalError", "", 200},
		{"breaks in the third", storetest.Rule{Body: storetest.Cut(2*65568+7, errBackend)}, 0, "", audit.AbortBackend, 200},
		{"no body at all", storetest.Rule{Body: storetest.Truncate(0)}, 500, "InternalError", audit.AbortIntegrity, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			c, plain := w.client("/writer"), noise(11, 300_000)
			w.put(c, "/data/k", plain, "x-amz-meta-mine", "yes")
			w.store.Add(tt.rule)
			w.checkFault(c, tt.status, tt.code, tt.abort, plain)
			if head := w.do(c, http.MethodHead, "/data/k", nil); head.status != tt.head {
				t.Errorf("HEAD: got %d, want %d", head.status, tt.head)
			}
			w.endedOnce()
		})
	}
}

// checkFault reads the object k, of which plain went in.
func (w *world) checkFault(c *http.Client, status int, code, abort string, plain []byte) {
	w.t.Helper()
	r := w.do(c, http.MethodGet, "/data/k", nil)
	if status == 0 {
		if r.err == nil || r.status != http.StatusOK {
			w.t.Errorf("GET: got %d, %d bytes, error %v, want a connection that is cut", r.status, len(r.body), r.err)
		}
		if !bytes.HasPrefix(plain, r.body) || len(r.body) >= len(plain) {
			w.t.Errorf("GET: %d bytes that are no honest beginning of the object", len(r.body))
		}
	} else {
		r.want(w.t, status, code)
		for name := range r.header {
			if strings.HasPrefix(name, "X-Amz-Meta") || name == "Etag" || name == "X-Sealgate-Object" || strings.HasPrefix(name, "X-Amz-Checksum") {
				w.t.Errorf("an error carries %s of the object", name)
			}
		}
	}
	if strings.Contains(string(r.body), secretWord) || strings.Contains(fmt.Sprint(r.header), secretWord) {
		w.t.Errorf("the answer tells where the store is: %s", r.body)
	}
	rec := w.last()
	if rec.outcome.Abort != abort || (abort == audit.AbortIntegrity) != (w.metric("sealgate_integrity_failures_total") > 0) {
		w.t.Errorf("outcome: abort %q (error %q), want %q", rec.outcome.Abort, rec.outcome.Error, abort)
	}
}

// metric gives the sum of a counter's series.
func (w *world) metric(name string) (sum float64) {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// TestObjectsDoNotChangePlaces: whatever the store says an object is called,
// only what was sealed for the key asked for opens.
func TestObjectsDoNotChangePlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("mine"))
	w.put(c, "/data/other", []byte("another tenant's"))
	other, err := w.mem.Head(context.Background(), "other")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := w.mem.Get(context.Background(), "other", store.Whole())
	stored := make([]byte, other.Size)
	_, _ = body.Read(stored)
	tests := map[string]func(*store.Object){
		"under the key asked for": func(o *store.Object) { *o = other; o.Key = "k" },
		"under its own key":       func(o *store.Object) { *o = other },
	}
	for name, lie := range tests {
		w.store.Clear()
		w.store.Add(storetest.Rule{Key: "k", Object: lie, Body: storetest.Swap(stored)})
		for _, header := range [][]string{nil, {"Range", "bytes=0-3"}, {"Range", "bytes=-3"}} {
			r := w.do(c, http.MethodGet, "/data/k", nil, header...)
			if r.status != http.StatusInternalServerError || bytes.Contains(r.body, []byte("tenant")) {
				t.Errorf("%s, %v: got %d %s", name, header, r.status, r.body)
			}
		}
		if r := w.do(c, http.MethodHead, "/data/k", nil); r.status != http.StatusInternalServerError {
			t.Errorf("%s: HEAD %d", name, r.status)
		}
	}
	w.endedOnce()
}

// TestVersionsAreNotMixedUnderOneTag: a store that gives out two genuine
// versions under one ETag is found out (FORMAT.md §15).
func TestVersionsAreNotMixedUnderOneTag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("version one"))
	first, _ := w.mem.Head(context.Background(), "k")
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, 200, []byte("version one"))
	w.put(c, "/data/k", []byte("version two"))
	w.store.Add(storetest.Rule{Object: func(o *store.Object) { o.ETag = first.ETag }})
	w.do(c, http.MethodGet, "/data/k", nil).want(t, http.StatusInternalServerError, "InternalError")
	if rec := w.last(); rec.outcome.Abort != audit.AbortIntegrity {
		t.Errorf("outcome: %+v", rec.outcome)
	}
}

func TestReplacedWhileItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", noise(1, 100_000))
	w.store.Add(storetest.Rule{Op: storetest.Get, Err: store.ErrPrecondition})
	w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=-5").want(t, http.StatusServiceUnavailable, "SlowDown")
	w.store.Clear()
	w.store.Add(storetest.Rule{Op: storetest.Get, Err: store.ErrNotFound})
	w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=-5").want(t, http.StatusServiceUnavailable, "SlowDown")
}

func TestMultipartTailFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c, plain := w.client("/writer"), noise(4, 100_000)
	w.putMultipart("m", envelope.Attr{}, plain)
	tests := map[string]storetest.Rule{
		"flipped":    {Op: storetest.Get, Body: storetest.Flip(100_000+2*32+112+256-20, 1)},
		"cut clean":  {Op: storetest.Get, Body: storetest.Truncate(100_000 + 2*32 + 200)},
		"wrong size": {Object: func(o *store.Object) { o.Size -= 32 }},
	}
	for name, rule := range tests {
		w.store.Clear()
		w.store.Add(rule)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r := w.do(c, method, "/data/m", nil)
			if r.status != http.StatusInternalServerError || bytes.Contains(r.body, plain[:50]) {
				t.Errorf("%s %s: got %d %s", method, name, r.status, r.body)
			}
		}
		if rec := w.last(); rec.outcome.Abort != audit.AbortIntegrity {
			t.Errorf("%s: outcome %+v", name, rec.outcome)
		}
	}
}

func TestStoreFaultsOfWrites(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method string
		rule         storetest.Rule
		status       int
		code         string
		reconciled   string
		now          string // what the key holds in the end, "" nothing
	}{
		{"write lost", http.MethodPut, storetest.Rule{Op: storetest.Put, Err: errBackend}, 503, "ServiceUnavailable", audit.ReconciledAbsent, "old"},
		{"write applied, answer lost", http.MethodPut, storetest.Rule{Op: storetest.Put, Lost: errBackend}, 503, "ServiceUnavailable", audit.ReconciledPresent, "new content"},
		{"write lost, store gone", http.MethodPut, storetest.Rule{Err: errBackend, Times: 2}, 503, "ServiceUnavailable", audit.ReconciledUnknown, "old"},
		{"no space", http.MethodPut, storetest.Rule{Op: storetest.Put, Err: store.ErrNoSpace}, 503, "ServiceUnavailable", "", "old"},
		{"too large", http.MethodPut, storetest.Rule{Op: storetest.Put, Err: store.ErrTooLarge}, 400, "EntityTooLarge", "", "old"},
		{"bad key", http.MethodPut, storetest.Rule{Op: storetest.Put, Err: store.ErrKey}, 400, "InvalidRequest", "", "old"},
		{"delete lost", http.MethodDelete, storetest.Rule{Op: storetest.Delete, Err: errBackend}, 503, "ServiceUnavailable", audit.ReconciledPresent, "old"},
		{"delete applied, answer lost", http.MethodDelete, storetest.Rule{Op: storetest.Delete, Lost: errBackend}, 503, "ServiceUnavailable", audit.ReconciledAbsent, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			c := w.client("/writer")
			w.put(c, "/data/k", []byte("old"))
			w.store.Add(tt.rule)
			r := w.do(c, tt.method, "/data/k", []byte(bodyOf(tt.method)))
			r.want(t, tt.status, tt.code)
			if strings.Contains(string(r.body), secretWord) {
				t.Errorf("the answer tells where the store is: %s", r.body)
			}
			rec := w.last()
			if got := rec.outcome.Detail["reconciled"]; got != tt.reconciled || rec.outcome.Status != tt.status {
				t.Errorf("outcome: %+v, want reconciled %q", rec.outcome, tt.reconciled)
			}
			w.store.Clear()
			if tt.now == "" {
				w.do(c, http.MethodGet, "/data/k", nil).want(t, 404, "NoSuchKey")
			} else {
				w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, 200, []byte(tt.now))
			}
			w.endedOnce()
		})
	}
}

func TestListFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/good", []byte("x"))
	w.put(c, "/data/odd", []byte("x"))
	w.store.Add(storetest.Rule{Op: storetest.List, Times: 1, Err: errBackend})
	w.do(c, http.MethodGet, "/data?list-type=2", nil).want(t, 503, "ServiceUnavailable")
	w.store.Clear()
	w.store.Add(storetest.Rule{Op: storetest.List, Object: func(o *store.Object) {
		if o.Key == "odd" {
			o.Size = 399 // no plaintext has this stored size
		}
	}})
	r := w.do(c, http.MethodGet, "/data?list-type=2", nil)
	if r.status != 200 || !bytes.Contains(r.body, []byte("good")) || bytes.Contains(r.body, []byte("odd")) || w.metric("sealgate_unmanaged_objects_total") != 1 {
		t.Errorf("got %d %s, %v left out", r.status, r.body, w.metric("sealgate_unmanaged_objects_total"))
	}
}
