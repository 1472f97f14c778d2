// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestNothingWithoutAnIntent(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/a/k", []byte("x"))
	m := w.create(c, "/data/a/parts")
	part := m.part(1, []byte("x"))
	calls := w.store.Calls(storetest.Any)
	w.rec.fail(recorderFault{begin: audit.ErrClosed})
	for _, row := range s3api.Operations() {
		e, ok := exampleOf(row.Op, m, part)
		if !ok {
			continue
		}
		r := w.try(c, e)
		if row.Name == "DeleteObjects" { // each key has an intent of its own
			if !strings.Contains(string(r.body), "<Code>ServiceUnavailable</Code>") || strings.Contains(string(r.body), "<Deleted>") {
				t.Errorf("%s without a log: got %d %s", row.Name, r.status, r.body)
			}
			continue
		}
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" || r.header.Get("X-Sealgate-Audit") != "" || strings.Contains(string(r.body), "audit is") {
			t.Errorf("%s without a log: got %d %v", row.Name, r.status, r.header)
		}
		if r.header.Get("Etag")+r.header.Get("X-Sealgate-Object")+r.header.Get("X-Amz-Bucket-Region") != "" {
			t.Errorf("%s without a log disclosed %v", row.Name, r.header)
		}
	}
	if got := w.store.Calls(storetest.Any) - calls; got != 0 {
		t.Errorf("%d calls to the store without a record, want none", got)
	}
}

func bodyOf(method string) string {
	if method == http.MethodPut {
		return "new content"
	}
	return ""
}

// TestIntentComesBeforeTheStore looks at the order, not only at failures.
func TestIntentComesBeforeTheStore(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/a/k", []byte("x"))
	before := 0
	w.rec.mu.Lock()
	w.rec.onBegin = func() {
		if before < 0 { // a copy has two intents: the first one counts
			before = w.store.Calls(storetest.Any)
		}
	}
	w.rec.mu.Unlock()
	for _, row := range s3api.Operations() {
		m := w.create(c, "/data/a/parts")
		e, ok := exampleOf(row.Op, m, m.part(1, []byte("x")))
		if !ok {
			continue
		}
		calls := w.store.Calls(storetest.Any)
		before = -1
		w.try(c, e)
		if before != calls {
			t.Errorf("%s: the store had been called %d times when the intent was written, want %d", row.Name, before, calls)
		}
		w.put(c, "/data/a/k", []byte("x"))
	}
}

func TestRefusalNeedsItsRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	stranger, writer := w.client("/stranger"), w.client("/writer")
	w.rec.fail(recorderFault{deny: audit.ErrClosed})
	w.do(stranger, http.MethodGet, "/data/k", nil).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	w.do(writer, http.MethodGet, "/data?website", nil).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	w.rec.fail(recorderFault{})
	w.rec.tooMany = true
	r := w.do(stranger, http.MethodGet, "/data/k", nil)
	r.want(t, http.StatusForbidden, "AccessDenied")
	if _, there := r.header["X-Sealgate-Audit"]; there {
		t.Error("a refusal that was only counted names a receipt")
	}
}

func TestChangeIsAcknowledgedAfterItsOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("old"))
	w.rec.fail(recorderFault{end: audit.ErrDeadline})
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		r := w.do(c, method, "/data/k", []byte(bodyOf(method)))
		r.want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
		if r.header.Get("Etag") != "" {
			t.Errorf("%s: an answer that is no success names an ETag", method)
		}
	}
	if rec := w.last(); rec.ends != 1 {
		t.Errorf("the outcome was ended %d times, want once", rec.ends)
	}
}

func TestReadNeedsNoOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("content"))
	w.rec.fail(recorderFault{end: audit.ErrDeadline})
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("content"))
	w.endedOnce()
	if !strings.Contains(w.log.String(), "audit record refused") {
		t.Error("a lost outcome of a read is not in the log")
	}
}

func TestMalformedRequestsAreRecordedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	tests := []struct {
		name, method, target string
		header               []string
		status               int
		code                 string
	}{
		{"unsupported", http.MethodGet, "/data/k?torrent", nil, 501, "NotImplemented"},
		{"dot segment", http.MethodGet, "/data/a/%2e%2e/k", nil, 400, "InvalidURI"},
		{"no method", "BREW", "/data/k", nil, 405, "MethodNotAllowed"},
		{"foreign token", http.MethodGet, "/data?list-type=2&continuation-token=AAAA", nil, 400, "InvalidArgument"},
		{"metadata", http.MethodPut, "/data/k", []string{"x-amz-meta-a", strings.Repeat("m", 1300)}, 400, "MetadataTooLarge"},
	}
	for _, tt := range tests {
		r := w.do(c, tt.method, tt.target, nil, tt.header...)
		if r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, r.status, r.body, tt.status, tt.code)
		}
		if e := w.lastDenial(); e.Event != "request.refused" || e.Detail["s3_error"] != tt.code || e.Actor != "spiffe://acme.ai/writer" || e.RequestID != r.header.Get("X-Amz-Request-Id") {
			t.Errorf("%s: recorded %+v", tt.name, e)
		}
	}
	if n := w.store.Calls(storetest.Any); n != 0 {
		t.Errorf("the store was called %d times", n)
	}
	if intents, _ := w.counts(); intents != 0 {
		t.Errorf("%d intents of requests that were refused", intents)
	}
}

// TestHostileNamesStayData: a key with line breaks forges no log line.
func TestHostileNamesStayData(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.do(c, http.MethodGet, "/data/"+`a%22%20level=ERROR%20msg=forged`, nil)
	w.eventually("the line of the request", func() bool { return strings.Contains(w.log.String(), "forged") })
	if strings.Contains(w.log.String(), "\" level=ERROR") && !strings.Contains(w.log.String(), `\" level=ERROR`) {
		t.Errorf("a key ends its own field: %s", w.log.String())
	}
}
