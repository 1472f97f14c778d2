// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

// copyRequest is a CopyObject as it stands on the wire.
func copyRequest(target, source string, headers ...string) string {
	return "PUT " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nx-amz-copy-source: " + source + "\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
}

// A copy needs the right to read its source and the right to write its target,
// however the source is spelled; what is refused does not reach the store.
func TestCopySourceIsAuthorized(t *testing.T) {
	t.Parallel()
	writer := "/writer/copies"
	put(t, shared, writer, "/datasets/closed/secret", []byte(text))
	put(t, shared, writer, "/models/fraud/mine", []byte(text))
	put(t, shared, writer, "/models/fraud-x/k", []byte(text))
	put(t, shared, writer, "/features/blue/k", []byte(text))
	before := storedKeys(t, shared, "models", "fraud/stolen")
	l := newLedger(t, shared)
	fraud := "/fraud/copies"
	read := func(path string) want { return denied("CopyObject", path) }
	reserved := want{status: 403, code: "AccessDenied", reason: "reserved_name", action: "CopyObject"}
	for i, tt := range []struct {
		name, source string
		want         want
	}{
		{"no read on the source", "/datasets/closed/secret", read("datasets/closed/secret")},
		{"without its slash", "datasets/closed/secret", read("datasets/closed/secret")},
		{"escaped", "/datasets/closed%2Fsecret", read("datasets/closed/secret")},
		{"escaped whole", "datasets%2Fclosed%2Fsecret", read("datasets/closed/secret")},
		{"letters escaped", "/d%61tasets/%63losed/secret", read("datasets/closed/secret")},
		{"with a version", "/datasets/closed/secret?versionId=null", read("datasets/closed/secret")},
		{"one that is not there", "/datasets/closed/none", read("datasets/closed/none")},
		{"a bucket that is not there", "/nowhere/k", read("nowhere/k")},
		{"the neighbour of a prefix", "/models/fraud-x/k", read("models/fraud-x/k")},
		{"secrets", "/secrets/db/train-reader", read("secrets/db/train-reader")},
		{"the audit trail", "/audit/records", read("audit/records")},
		{"a keyring record", "/models/.sealgate/keyrings/x", reserved},
		{"a keyring record, escaped", "/models/%2Esealgate/keyrings/x", reserved},
		{"a keyring record, all escaped", "models%2F.sealgate%2Fkeyrings%2Fx", reserved},
		{"dot segments", "/models/fraud/../../datasets/closed/secret", refused(400, "InvalidArgument")},
		{"dot segments, escaped", "/models/fraud/%2e%2e/%2e%2e/datasets/closed/secret", refused(400, "InvalidArgument")},
		{"dot segments, twice escaped", "/models/fraud/%252e%252e/x", want{status: 404, code: "NoSuchKey", action: "CopyObject", decision: "allow", path: "models/fraud/%2e%2e/x", event: "artifact.read"}},
		{"no key", "/datasets", refused(400, "InvalidArgument")},
		{"a broken escape", "/datasets/closed/secre%7", refused(400, "InvalidArgument")},
		{"a NUL", "/datasets/closed/secret%00", refused(400, "InvalidArgument")},
		{"two queries", "/datasets/closed/secret?versionId=null&x=y", refused(400, "InvalidArgument")},
		{"another query", "/datasets/closed/secret?acl", refused(400, "InvalidArgument")},
	} {
		a := raw(t, shared, fraud, copyRequest(fmt.Sprintf("/models/fraud/stolen%d", i), tt.source))
		l.add(tt.name, fraud, a, tt.want)
		if bytes.Contains(a.Body, []byte(text)) {
			t.Errorf("%s: the answer holds the source", tt.name)
		}
	}
	// Both rights, but not of these two keys; and the other way round.
	l.add("target of another team", "/team/blue", raw(t, shared, "/team/blue", copyRequest("/features/red/k", "/features/blue/k")), denied("CopyObject", "features/red/k"))
	l.add("onto itself without write", "/reader/copies", raw(t, shared, "/reader/copies", copyRequest("/datasets/open/k", "/datasets/open/k", "x-amz-metadata-directive: REPLACE")), denied("CopyObject", "datasets/open/k"))
	l.add("guarded", "/guarded/copies", raw(t, shared, "/guarded/copies", copyRequest("/models/guarded/golden/k", "/models/guarded/k")), want{status: 403, reason: "guardrail", action: "CopyObject", path: "models/guarded/golden/k"})
	l.add("reserved target", writer, raw(t, shared, writer, copyRequest("/models/.sealgate/keyrings/x", "/models/fraud/mine")), reserved)
	l.check()
	if after := storedKeys(t, shared, "models", "fraud/stolen"); len(after) != len(before) {
		t.Errorf("stored afterwards: %q, want %q", after, before)
	}
}

// What came of a copy opens under its own name alone, and the store cannot
// exchange it with its source although both have the same bytes.
func TestCopiesAreBoundToTheirNames(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	who := "/writer/bound"
	put(t, g, who, "/models/from", []byte(text))
	if a := raw(t, g, who, copyRequest("/models/to", "/models/from", "x-amz-metadata-directive: REPLACE", "x-amz-meta-of: the copy")); a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	l := newLedger(t, g)
	from, to := takeApart(t, fileOf(g, "models", "from")), takeApart(t, fileOf(g, "models", "to"))
	if from.metadata == to.metadata {
		t.Fatal("the copy has the header of its source")
	}
	swapped := from
	swapped.metadata = to.metadata
	swapped.write(t)
	l.add("the copy's header at the source", who, ask(t, g, who, http.MethodGet, "from", nil), tampered)
	swapped = to
	swapped.metadata = from.metadata
	swapped.write(t)
	l.add("the source's header at the copy", who, ask(t, g, who, http.MethodGet, "to", nil), tampered)
	l.check()
}

// Many copies of one key at once, over a target that is written meanwhile: the
// target is always one of them, whole.
func TestConcurrentCopies(t *testing.T) {
	t.Parallel()
	who := "/writer/races"
	var bodies [][]byte
	for i := range 4 {
		b := bytes.Repeat([]byte{byte('a' + i)}, 100_000+i)
		bodies = append(bodies, b)
		put(t, shared, who, fmt.Sprintf("/models/races/s%d", i), b)
	}
	put(t, shared, who, "/models/races/t", bodies[0])
	c := client(t, shared, who)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			h := http.Header{"X-Amz-Copy-Source": {fmt.Sprintf("/models/races/s%d", i%4)}}
			if i%8 == 7 {
				h = nil
			}
			body := []byte(nil)
			if h == nil {
				body = bodies[i%4]
			}
			a := shared.Do(t, c, http.MethodPut, "/models/races/t", bytes.NewReader(body), int64(len(body)), h)
			if a.Status != 200 && a.Status != 503 { // 503: replaced before it was checked, try again
				t.Errorf("copy %d: got %d %s", i, a.Status, a.Body)
			}
			got := shared.Do(t, c, http.MethodGet, "/models/races/t", nil, 0, nil)
			if got.Status == 503 || got.Err != nil {
				return // replaced while it was being read
			}
			whole := false
			for _, b := range bodies {
				whole = whole || bytes.Equal(b, got.Body)
			}
			if got.Status != 200 || !whole {
				t.Errorf("read %d: got %d and %d bytes that nobody wrote", i, got.Status, len(got.Body))
			}
		})
	}
	wg.Wait()
}
