// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

func deleteRequest(bucket, document string) string {
	return fmt.Sprintf("POST /%s?delete HTTP/1.1\r\nHost: x\r\nContent-MD5: %s\r\nContent-Length: %d\r\n\r\n%s",
		bucket, md5sum(document), len(document), document)
}

func deleteDocument(quiet bool, keys ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<Delete><Quiet>%t</Quiet>", quiet)
	for _, k := range keys {
		b.WriteString("<Object><Key>")
		_ = xml.EscapeText(&b, []byte(k))
		b.WriteString("</Key></Object>")
	}
	return b.String() + "</Delete>"
}

// A batch of a thousand keys with mixed rights: a verdict for each, errors
// although it was asked to be quiet, and each key on the record.
func TestBatchOfMixedRights(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	writer, guarded := "/writer/batch", "/guarded/batch"
	for i := range 20 {
		put(t, g, writer, fmt.Sprintf("/models/guarded/k%03d", i), []byte(text))
		put(t, g, writer, fmt.Sprintf("/models/guarded-x/k%03d", i), []byte(text))
	}
	var keys []string
	refusedKeys := map[string]bool{}
	for i := range 250 {
		k := fmt.Sprintf("k%03d", i)
		mine := []string{"guarded/" + k}
		others := []string{"guarded-x/" + k, "guarded/golden/" + k, ".sealgate/keyrings/" + k}
		keys = append(append(keys, mine...), others...)
		for _, o := range others {
			refusedKeys[o] = true
		}
	}
	a := raw(t, g, guarded, deleteRequest("models", deleteDocument(true, keys...)))
	var got struct {
		Deleted []struct{ Key string }
		Error   []struct{ Key, Code string }
	}
	if err := xml.Unmarshal(a.Body, &got); err != nil || a.Status != 200 || len(got.Deleted) != 0 || len(got.Error) != len(refusedKeys) {
		t.Fatalf("got %d, %d deleted, %d errors, want %d (%v)", a.Status, len(got.Deleted), len(got.Error), len(refusedKeys), err)
	}
	for _, e := range got.Error {
		if e.Code != "AccessDenied" || !refusedKeys[e.Key] {
			t.Errorf("%s: %s", e.Key, e.Code)
		}
	}
	if left := storedKeys(t, g, "models", "guarded/k"); len(left) != 0 {
		t.Errorf("not deleted: %q", left)
	}
	if left := storedKeys(t, g, "models", "guarded-x/"); len(left) != 20 {
		t.Errorf("%d keys of others are left, want 20", len(left))
	}
	// Each allowed key has a record with its outcome; of refusals that come by
	// the hundred the ones beyond the rate are counted.
	var allowed, single, counted int
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		allowed, single, counted = 0, 0, 0
		for _, r := range g.Records(t, audit.SearchQuery{Who: id(guarded)}) {
			switch {
			case r.Phase == audit.PhaseIntent && r.Event == "artifact.delete" && r.Action == "DeleteObjects" && strings.HasPrefix(r.Key, "guarded/k"):
				allowed++
			case r.Phase == audit.PhaseDeny && refusedKeys[r.Key]:
				single++
			case r.Phase == audit.PhaseSummary:
				counted += int(r.Count)
			}
		}
		if allowed == 250 && single+counted == len(refusedKeys) {
			break
		}
	}
	if allowed != 250 || single+counted != len(refusedKeys) || single == 0 {
		t.Errorf("on the record: %d deleted, %d refused one by one, %d counted; want 250 and %d", allowed, single, counted, len(refusedKeys))
	}
}

func TestBadBatches(t *testing.T) {
	t.Parallel()
	who := "/writer/batches"
	put(t, shared, who, "/models/batches/k", []byte(text))
	l := newLedger(t, shared)
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("batches/%d", i)
	}
	for _, tt := range []struct {
		name, request string
		want          want
	}{
		{"1,001 keys", deleteRequest("models", deleteDocument(false, many...)), refused(400, "MalformedXML")},
		{"no key", deleteRequest("models", "<Delete></Delete>"), refused(400, "MalformedXML")},
		{"an entity bomb", deleteRequest("models", `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>`), refused(400, "MalformedXML")},
		{"deeply nested", deleteRequest("models", strings.Repeat("<Delete>", 10_000)), refused(400, "MalformedXML")},
		{"two keys in one object", deleteRequest("models", "<Delete><Object><Key>a</Key><Key>batches/k</Key></Object></Delete>"), refused(400, "MalformedXML")},
		{"a document behind the document", deleteRequest("models", deleteDocument(false, "x")+deleteDocument(false, "batches/k")), refused(400, "MalformedXML")},
		{"three megabytes", "POST /models?delete HTTP/1.1\r\nHost: x\r\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 3145728\r\n\r\n", refused(400, "MaxMessageLengthExceeded")},
		{"a wrong digest", strings.Replace(deleteRequest("models", deleteDocument(false, "batches/k")), "Content-MD5: ", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Was: ", 1), refused(400, "BadDigest")},
		{"by a stranger", deleteRequest("models", deleteDocument(false, "batches/k")), denied("DeleteObjects", "models")},
	} {
		as := who
		if tt.name == "by a stranger" {
			as = "/nobody/batches"
		}
		l.add(tt.name, as, raw(t, shared, as, tt.request), tt.want)
	}
	l.check()
	if left := storedKeys(t, shared, "models", "batches/"); len(left) != 1 {
		t.Errorf("left are %q", left)
	}
}
