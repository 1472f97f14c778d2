// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

const lockPolicy = `version: 1
trust_domain: acme.ai
identities: {owner: spiffe://acme.ai/owner, job: spiffe://acme.ai/job, reader: spiffe://acme.ai/reader}
roles:
  owner:
    who: [owner]
    can: [{do: [read, list, write, delete], paths: ["data/**", "plain/**"]}]
  job: # writes, and deletes nothing
    who: [job]
    can: [{do: [read, list, write], paths: ["data/**"]}]
  reader:
    who: [reader]
    can: [{do: [read, delete], paths: ["data/**"]}]
`

// lockWorld has a bucket "data" that locks objects.
func lockWorld(t *testing.T, rule store.LockRule) *world {
	t.Helper()
	w := newUploads(t, worldOptions{policy: lockPolicy})
	w.mem = &storetest.Mem{Locks: true, Rule: rule}
	w.store = storetest.NewFaulty(w.mem, 1)
	w.use(lockPolicy)
	return w
}

const lockDate = "2090-04-25T14:00:00Z"

var (
	lockHeaders = []string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", lockDate, "x-amz-object-lock-legal-hold", "ON"}
	lockWanted  = store.Lock{Retention: store.Retention{Mode: store.Governance, Until: time.Date(2090, 4, 25, 14, 0, 0, 0, time.UTC)}, Hold: store.HoldOn}
)

func (w *world) wantLock(key, version string, want store.Lock) {
	w.t.Helper()
	o, err := w.mem.HeadVersion(w.t.Context(), key, version)
	if err != nil || o.Lock != want {
		w.t.Errorf("%s lies there with %+v, %v, want %+v", key, o.Lock, err, want)
	}
}

// Each way to create an object locks it, and says so on the record.
func TestObjectsAreLocked(t *testing.T) {
	t.Parallel()
	w := lockWorld(t, store.LockRule{})
	c := w.client("/owner")
	recorded := func(event string) {
		t.Helper()
		rec := w.last()
		if d := rec.event.Detail; rec.event.Event != event || d["lock_mode"] != "GOVERNANCE" || d["lock_until"] != lockDate || d["legal_hold"] != "ON" {
			t.Errorf("recorded %s %v, want %s with its lock", rec.event.Event, d, event)
		}
	}
	put := w.put(c, "/data/put", []byte("body"), lockHeaders...)
	recorded("artifact.write")
	w.wantLock("put", "", lockWanted)

	w.do(c, http.MethodPut, "/data/same", nil, append(lockHeaders, "x-amz-copy-source", "/data/put")...).want(t, 200, "")
	recorded("artifact.copy")
	w.wantLock("same", "", lockWanted)
	w.do(c, http.MethodPut, "/data/sealed", nil, append(lockHeaders, "x-amz-copy-source", "/data/put", "x-amz-checksum-algorithm", "SHA256")...).want(t, 200, "")
	w.wantLock("sealed", "", lockWanted)
	w.do(c, http.MethodPut, "/data/free", nil, "x-amz-copy-source", "/data/put").want(t, 200, "")
	w.wantLock("free", "", store.Lock{})

	m := w.create(c, "/data/parts", lockHeaders...)
	recorded("upload.create")
	w.do(c, http.MethodPost, m.query(""), []byte("<CompleteMultipartUpload>"+m.part(1, []byte("x"))+"</CompleteMultipartUpload>")).want(t, 200, "")
	w.wantLock("parts", "", lockWanted)

	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r := w.do(c, method, "/data/put", nil)
		for name, want := range map[string]string{"X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date": "2090-04-25T14:00:00.000Z", "X-Amz-Object-Lock-Legal-Hold": "ON"} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s %s: %q, want %q", method, name, got, want)
			}
		}
	}
	version := put.header.Get("X-Amz-Version-Id")
	w.do(c, http.MethodDelete, "/data/put?versionId="+version, nil, "x-amz-bypass-governance-retention", "true").want(t, 403, "AccessDenied")
	if rec := w.last(); rec.event.Event != "artifact.delete" || rec.outcome.Status != 403 || rec.outcome.S3Error != "AccessDenied" {
		t.Errorf("recorded %+v", rec)
	}
	batch := "<Delete><Object><Key>put</Key><VersionId>" + version + "</VersionId></Object></Delete>"
	if r := w.do(c, http.MethodPost, "/data?delete", []byte(batch), "x-amz-bypass-governance-retention", "true"); r.status != 200 || !strings.Contains(string(r.body), "<Code>AccessDenied</Code>") {
		t.Errorf("DeleteObjects: got %d %s", r.status, r.body)
	}
	w.wantLock("put", version, lockWanted)
	w.endedOnce()
}

// Who may not delete may not take from others the means to: nothing is written,
// and nothing is asked of the store.
func TestLockingNeedsDelete(t *testing.T) {
	t.Parallel()
	w := lockWorld(t, store.LockRule{})
	w.put(w.client("/owner"), "/data/k", []byte("body"))
	job, reader := w.client("/job"), w.client("/reader")
	calls := w.store.Calls(storetest.Any)
	for name, send := range map[string]func(headers ...string) reply{
		"PutObject": func(h ...string) reply { return w.do(job, http.MethodPut, "/data/new", []byte("x"), h...) },
		"CopyObject": func(h ...string) reply {
			return w.do(job, http.MethodPut, "/data/new", nil, append(h, "x-amz-copy-source", "/data/k")...)
		},
		"CreateMultipartUpload": func(h ...string) reply { return w.do(job, http.MethodPost, "/data/new?uploads", nil, h...) },
	} {
		for _, h := range [][]string{lockHeaders, lockHeaders[4:], {"x-amz-object-lock-legal-hold", "OFF"}} {
			send(h...).want(t, 403, "AccessDenied")
			if e := w.lastDenial(); e.Action != name || e.Decision != "deny" || e.Reason != "no_grant" || e.Key != "new" {
				t.Errorf("%s: recorded %+v", name, e)
			}
		}
	}
	retention := []byte("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>" + lockDate + "</RetainUntilDate></Retention>")
	for who, c := range map[string]*http.Client{"without delete": job, "without write": reader} {
		w.do(c, http.MethodPut, "/data/k?retention", retention).want(t, 403, "AccessDenied")
		if e := w.lastDenial(); e.Action != "PutObjectRetention" || e.Event != "artifact.lock" || e.Decision != "deny" {
			t.Errorf("%s: recorded %+v", who, e)
		}
	}
	if got := w.store.Calls(storetest.Any); got != calls {
		t.Errorf("%d calls to the store", got-calls)
	}
	w.wantLock("k", "", store.Lock{})
}

func TestRetentionOfAnObject(t *testing.T) {
	t.Parallel()
	w := lockWorld(t, store.LockRule{Mode: store.Compliance, Years: 2})
	c := w.client("/owner")
	first := w.put(c, "/data/k", []byte("first")).header.Get("X-Amz-Version-Id")
	second := w.put(c, "/data/k", []byte("second")).header.Get("X-Amz-Version-Id")
	w.do(c, http.MethodGet, "/data/k?retention", nil).want(t, 404, "NoSuchObjectLockConfiguration")
	w.do(c, http.MethodGet, "/data/k?legal-hold", nil).want(t, 404, "NoSuchObjectLockConfiguration")
	retain := func(query, mode, until string) reply {
		t.Helper()
		return w.do(c, http.MethodPut, "/data/k?retention"+query, []byte("<Retention><Mode>"+mode+"</Mode><RetainUntilDate>"+until+"</RetainUntilDate></Retention>"), "x-amz-bypass-governance-retention", "true")
	}
	if r := retain("&versionId="+first, "GOVERNANCE", lockDate); r.status != 200 || r.header.Get("X-Amz-Version-Id") != first {
		t.Errorf("got %d %v %s", r.status, r.header, r.body)
	}
	if rec := w.last(); rec.event.Event != "artifact.lock" || rec.event.VersionID != first || !rec.event.AwaitOutcome || rec.event.Detail["lock_until"] != lockDate || rec.outcome.Status != 200 {
		t.Errorf("recorded %+v", rec)
	}
	w.wantLock("k", first, store.Lock{Retention: lockWanted.Retention})
	w.wantLock("k", second, store.Lock{})
	retain("&versionId="+first, "GOVERNANCE", "2089-01-01T00:00:00Z").want(t, 403, "AccessDenied")
	retain("", "GOVERNANCE", "2001-01-01T00:00:00Z").want(t, 400, "InvalidArgument")
	retain("&versionId=none", "GOVERNANCE", lockDate).want(t, 404, "NoSuchVersion")
	w.do(c, http.MethodPut, "/data/k?retention", []byte("<Retention/>")).want(t, 400, "MalformedXML")
	w.do(c, http.MethodPut, "/data/late", []byte("x"), "x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", "2001-01-01T00:00:00Z").want(t, 400, "InvalidArgument")
	if r := w.do(c, http.MethodGet, "/data/k?retention&versionId="+first, nil); r.status != 200 || !strings.Contains(string(r.body), "<Mode>GOVERNANCE</Mode><RetainUntilDate>2090-04-25T14:00:00.000Z</RetainUntilDate>") {
		t.Errorf("retention: got %d %s", r.status, r.body)
	}
	if r := w.do(c, http.MethodGet, "/data?object-lock", nil); r.status != 200 || !strings.Contains(string(r.body), "<Mode>COMPLIANCE</Mode><Years>2</Years>") {
		t.Errorf("configuration: got %d %s", r.status, r.body)
	}
	w.put(c, "/data/held", []byte("x"), lockHeaders[4:]...)
	if r := w.do(c, http.MethodGet, "/data/held?legal-hold", nil); r.status != 200 || !strings.Contains(string(r.body), "<Status>ON</Status>") {
		t.Errorf("hold: got %d %s", r.status, r.body)
	}
	w.rec.fail(recorderFault{begin: errors.New("closed")})
	retain("", "GOVERNANCE", lockDate).want(t, 503, "ServiceUnavailable")
	w.wantLock("k", second, store.Lock{}) // nothing without a record
}

// Where nothing can be locked, nothing is written as if it could.
func TestNothingToLockWith(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{policy: lockPolicy})
	bare := &storetest.Mem{}
	snap := *w.g.Current()
	snap.Buckets = map[string]Bucket{"data": {Store: w.store}, "plain": {Store: struct{ store.Multiparter }{bare}}}
	w.g.Use(&snap)
	c := w.client("/owner")
	for _, bucket := range []string{"data", "plain"} {
		w.put(c, "/"+bucket+"/src", []byte("body"))
		w.do(c, http.MethodPut, "/"+bucket+"/k", []byte("x"), lockHeaders...).want(t, 400, "InvalidRequest")
		w.do(c, http.MethodPut, "/"+bucket+"/k", nil, append(lockHeaders, "x-amz-copy-source", "/"+bucket+"/src")...).want(t, 400, "InvalidRequest")
		w.do(c, http.MethodPost, "/"+bucket+"/k?uploads", nil, lockHeaders...).want(t, 400, "InvalidRequest")
		w.do(c, http.MethodGet, "/"+bucket+"/src?retention", nil).want(t, 400, "InvalidRequest")
		w.do(c, http.MethodGet, "/"+bucket+"?object-lock", nil).want(t, 404, "ObjectLockConfigurationNotFoundError")
		w.do(c, http.MethodGet, "/"+bucket+"/k", nil).want(t, 404, "NoSuchKey")
	}
	if rows, _, err := w.g.config.State.Uploads(t.Context(), state.UploadQuery{Bucket: "data", Max: 10}); err != nil || len(rows) > 0 {
		t.Errorf("uploads left: %v, %v", rows, err)
	}
}

func TestVersioningIsNotChanged(t *testing.T) {
	t.Parallel()
	w := lockWorld(t, store.LockRule{})
	doc := func(status string) []byte {
		return []byte("<VersioningConfiguration><Status>" + status + "</Status></VersioningConfiguration>")
	}
	for _, who := range []string{"/owner", "/reader"} {
		c := w.client(who)
		w.do(c, http.MethodPut, "/data?versioning", doc("Enabled")).want(t, 200, "")
		w.do(c, http.MethodPut, "/data?versioning", doc("Suspended")).want(t, 501, "NotImplemented")
		if rec := w.last(); rec.event.Action != "PutBucketVersioning" || rec.outcome.Status != 501 {
			t.Errorf("recorded %+v", rec)
		}
		w.do(c, http.MethodPut, "/data?versioning", doc("enabled")).want(t, 400, "IllegalVersioningConfigurationException")
	}
	w.do(w.client("/owner"), http.MethodPut, "/plain?versioning", doc("Enabled")).want(t, 501, "NotImplemented")
	w.do(w.client("/nobody"), http.MethodPut, "/data?versioning", doc("Enabled")).want(t, 403, "AccessDenied")
}
