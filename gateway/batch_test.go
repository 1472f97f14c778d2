// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// deleted is the answer to a DeleteObjects.
type deleted struct {
	Deleted []struct {
		Key, VersionID        string
		DeleteMarker          bool
		DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId"`
	}
	Error []struct{ Key, Code, Message, VersionID string }
}

func contentMD5(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (w *world) deleteAll(c *http.Client, quiet bool, keys ...string) deleted {
	w.t.Helper()
	r := w.tryDelete(c, quiet, keys...)
	var out deleted
	if err := xml.Unmarshal(r.body, &out); err != nil || r.status != 200 {
		w.t.Fatalf("got %d %s %v", r.status, r.body, err)
	}
	return out
}

func (w *world) tryDelete(c *http.Client, quiet bool, keys ...string) reply {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "<Delete><Quiet>%t</Quiet>", quiet)
	for _, k := range keys {
		b.WriteString("<Object><Key>")
		_ = xml.EscapeText(&b, []byte(k))
		b.WriteString("</Key></Object>")
	}
	b.WriteString("</Delete>")
	return w.do(c, http.MethodPost, "/data?delete", []byte(b.String()), "x-amz-checksum-crc32", crc32Of([]byte(b.String())))
}

func TestDeleteObjectsDecidesEachKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	owner, writer := w.client("/owner"), w.client("/writer")
	for _, key := range []string{"open/a", "open/b", "mine/c", "open/d&e"} {
		w.put(owner, "/data/"+strings.ReplaceAll(key, "&", "%26"), []byte("x"))
	}
	for _, quiet := range []bool{false, true} {
		before, denials := w.rec.count()
		got := w.deleteAll(writer, quiet, "open/a", "mine/c", "open/gone", ".sealgate/keyrings/x", "open/d&e", "a/../b")
		want := "[open/a open/gone open/d&e]"
		if quiet {
			want = "[]"
		}
		var names []string
		for _, d := range got.Deleted {
			names = append(names, d.Key)
		}
		if fmt.Sprint(names) != want {
			t.Errorf("quiet %t: deleted %v, want %s", quiet, names, want)
		}
		codes := map[string]string{}
		for _, e := range got.Error {
			codes[e.Key] = e.Code
		}
		if fmt.Sprint(codes) != "map[.sealgate/keyrings/x:AccessDenied a/../b:InvalidURI mine/c:AccessDenied]" {
			t.Errorf("quiet %t: errors %v", quiet, codes)
		}
		recorded := map[string]bool{}
		for _, r := range w.records(before) {
			if r.event.Event != "artifact.delete" || r.event.Action != "DeleteObjects" || !r.event.AwaitOutcome || r.event.Rule == "" || r.outcome.Status != 204 {
				t.Errorf("recorded %+v", r)
			}
			recorded[r.event.Key] = true
		}
		if len(recorded) != 3 || !recorded["open/a"] || !recorded["open/gone"] || !recorded["open/d&e"] {
			t.Errorf("one record a key: %v", recorded)
		}
		w.rec.mu.Lock()
		for i, key := range []string{".sealgate/keyrings/x", "a/../b", "mine/c"} {
			found := false
			for _, e := range w.rec.denials[denials:] {
				found = found || e.Key == key && e.Decision == "deny"
			}
			if !found {
				t.Errorf("refusal %d, %s, is not on the record", i, key)
			}
		}
		w.rec.mu.Unlock()
	}
	w.do(owner, http.MethodGet, "/data/mine/c", nil).wantBody(t, 200, []byte("x"))
	w.do(owner, http.MethodGet, "/data/open/a", nil).want(t, 404, "NoSuchKey")
	w.endedOnce()
}

func TestDeleteObjectsNeedsAGrantInTheBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	body := []byte("<Delete><Object><Key>k</Key></Object></Delete>")
	w.do(w.client("/stranger"), http.MethodPost, "/data?delete", body, "Content-MD5", contentMD5(body)).want(t, 403, "AccessDenied")
	c := w.client("/owner")
	w.do(c, http.MethodPost, "/data?delete", []byte("<Delete>"), "Content-MD5", contentMD5([]byte("<Delete>"))).want(t, 400, "MalformedXML")
	if e := w.lastDenial(); e.Event != "request.refused" || e.Action != "DeleteObjects" {
		t.Errorf("recorded %+v", e)
	}
}

func TestDeleteObjectsMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprintf("k%04d", i))
	}
	for _, k := range keys[:50] {
		w.put(c, "/data/"+k, []byte("x"))
	}
	if got := w.deleteAll(c, false, keys...); len(got.Deleted) != 1000 || got.Deleted[999].Key != "k0999" || len(got.Error) != 0 {
		t.Errorf("%d deleted, %v", len(got.Deleted), got.Error)
	}
	if r := w.do(c, http.MethodGet, "/data?list-type=2", nil); bytes.Contains(r.body, []byte("<Contents>")) {
		t.Errorf("something is left: %s", r.body)
	}
}

// TestDeleteObjectsFaults: a key whose record or deletion fails says so, and
// no other one.
func TestDeleteObjectsFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	for _, k := range []string{"a", "b", "c"} {
		w.put(c, "/data/"+k, []byte("x"))
	}
	w.store.Add(storetest.Rule{Op: storetest.Delete, Key: "b", Err: store.ErrUnavailable})
	got := w.deleteAll(c, true, "a", "b", "c")
	if len(got.Error) != 1 || got.Error[0].Key != "b" || got.Error[0].Code != "ServiceUnavailable" {
		t.Errorf("errors %+v", got.Error)
	}
	for _, r := range w.records(0) {
		if r.event.Event == "artifact.delete" && r.event.Key == "b" && (r.outcome.S3Error != "ServiceUnavailable" || r.outcome.Detail["reconciled"] != audit.ReconciledPresent) {
			t.Errorf("recorded %+v", r.outcome)
		}
	}
	w.store.Clear()
	w.rec.fail(recorderFault{begin: audit.ErrClosed})
	calls := w.store.Calls(storetest.Any)
	w.tryDelete(c, true, "a", "b").want(t, 503, "ServiceUnavailable")
	if n := w.store.Calls(storetest.Any) - calls; n != 0 {
		t.Errorf("%d calls to the store without a record", n)
	}
	if got := w.deleteAll(c, true, "b", ".sealgate/x"); len(got.Error) != 2 || got.Error[0].Code != "ServiceUnavailable" || got.Error[1].Code != "AccessDenied" {
		t.Errorf("without a record of one: %+v", got.Error)
	}
	w.rec.fail(recorderFault{deny: audit.ErrClosed})
	w.tryDelete(c, true, ".sealgate/x").want(t, 503, "ServiceUnavailable")
}

// TestDeleteObjectsOfNoVersion: a version that the store cannot have is refused
// on the record.
func TestDeleteObjectsOfNoVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	snap := *w.g.Current()
	snap.Buckets = map[string]Bucket{"data": {Store: struct{ store.Store }{w.store}}}
	w.g.Use(&snap)
	c := w.client("/owner")
	w.put(c, "/data/k", []byte("x"))
	body := []byte("<Delete><Object><Key>k</Key><VersionId>abc</VersionId></Object></Delete>")
	send := func() reply { return w.do(c, http.MethodPost, "/data?delete", body, "Content-MD5", contentMD5(body)) }
	r := send()
	if r.status != 200 || !bytes.Contains(r.body, []byte("<Code>InvalidArgument</Code>")) {
		t.Errorf("got %d %s", r.status, r.body)
	}
	if e := w.lastDenial(); e.Event != refused || e.Action != "DeleteObjects" || e.Key != "k" || e.VersionID != "abc" || e.Decision != "deny" || e.Detail["s3_error"] != "InvalidArgument" {
		t.Errorf("recorded %+v", e)
	}
	w.rec.fail(recorderFault{deny: audit.ErrClosed})
	send().want(t, 503, "ServiceUnavailable")
}

// panicky is a store in which deleting one key panics.
type panicky struct{ store.Store }

// Delete implements store.Store.
func (p panicky) Delete(ctx context.Context, key string) error {
	if key == "boom" {
		panic("boom")
	}
	return p.Store.Delete(ctx, key)
}

// TestPanicInABatch: it ends its request, once what was begun beside it is
// done, and nothing else.
func TestPanicInABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	snap := *w.g.Current()
	snap.Buckets = map[string]Bucket{"data": {Store: panicky{w.store}}}
	w.g.Use(&snap)
	c := w.client("/owner")
	w.put(c, "/data/k", []byte("x"))
	if r := w.tryDelete(c, true, "a", "boom", "k"); r.err == nil {
		t.Errorf("got %d %s, want a connection that is cut", r.status, r.body)
	}
	if w.metric("sealgate_panics_total") != 1 {
		t.Errorf("%v panics were counted", w.metric("sealgate_panics_total"))
	}
	w.do(c, http.MethodGet, "/data/k", nil).want(t, 404, "NoSuchKey")
	aborts := map[string]string{}
	for _, r := range w.records(0) {
		if r.event.Event == "artifact.delete" {
			aborts[r.event.Key] = r.outcome.Abort
		}
	}
	if fmt.Sprint(aborts) != "map[a: boom:panic k:]" {
		t.Errorf("outcomes %v", aborts)
	}
	w.endedOnce()
}

// TestWordsOfABatchTouchNoAnswer: what is wrong with one object is put into
// words beside the others, where there is no answer to write headers into.
func TestWordsOfABatchTouchNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	r := httptest.NewRequest(http.MethodPost, "/data?delete", nil)
	d := deletion{x: &exchange{g: w.g, snap: w.g.Current(), r: r, op: &s3api.DeleteObjects{Bucket: "data"}}, k: s3api.KeyVersion{Key: "k"}}
	for err, code := range map[error]string{
		errUnmanaged: "AccessDenied", errMixed: "InternalError", errBackend: "ServiceUnavailable", store.ErrNotFound: "NoSuchKey", store.ErrLocked: "AccessDenied",
	} {
		if e := d.say(err); e.Code != code {
			t.Errorf("%v is %s, want %s", err, e.Code, code)
		}
	}
}
