// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

const lockPolicy = `version: 1
trust_domain: test.sealgate
identities:
  owner: spiffe://test.sealgate/owner
  job: spiffe://test.sealgate/job
roles:
  owner:
    who: [owner]
    can:
      - {do: [read, list, write, delete], paths: ["**"]}
      - {do: [bucket-create, bucket-delete], paths: ["gateway/buckets/**"]}
  job: # writes, and deletes nothing
    who: [job]
    can:
      - {do: [read, list, write, create], paths: ["**"]}
`

// lockGate is a gateway in front of a storage that locks objects.
func lockGate(t *testing.T) (*gate.Gate, *servers.Server) {
	t.Helper()
	s := servers.MinIO(t)
	text, err := json.Marshal(map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey})
	credential := filepath.Join(t.TempDir(), "credential")
	if err == nil {
		err = os.WriteFile(credential, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return gate.Start(t, gate.Options{Policy: lockPolicy, Config: map[string]string{
		"backends":          fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}}}", s.Endpoint, s.Region, credential),
		"buckets":           fmt.Sprintf("{locking: {backend: store, bucket: %s}, plain: {backend: store, bucket: %s}}", s.NewLockingBucket(t), s.NewBucket(t)),
		"keyrings":          "[{scope: locking/, kek: local}, {scope: plain/, kek: local}]",
		"buckets_on_demand": "{enabled: true}",
	}}), s
}

const (
	lockUntil = "2090-04-25T14:00:00Z"
	lockLines = "x-amz-object-lock-mode: GOVERNANCE\r\nx-amz-object-lock-retain-until-date: " + lockUntil + "\r\n"
	bypass    = "x-amz-bypass-governance-retention: true\r\n"
	retention = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>"
)

// request is one request with headers and a body.
func request(line, headers, body string) string {
	return fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", line, headers, len(body), body)
}

// Whoever deletes nothing locks nothing, by any way that creates or keeps an
// object: its locks would fill the storage with what nobody gets rid of.
func TestLocksOfWhoMayNotDelete(t *testing.T) {
	t.Parallel()
	g, _ := lockGate(t)
	put(t, g, "/owner", "/locking/k", []byte(text))
	l := newLedger(t, g)
	for name, headers := range map[string]string{"retention": lockLines, "hold": "x-amz-object-lock-legal-hold: ON\r\n"} {
		l.add("PUT with "+name, "/job", raw(t, g, "/job", request("PUT /locking/new", headers, text)), denied("PutObject", "locking/new"))
		l.add("copy with "+name, "/job", raw(t, g, "/job", request("PUT /locking/new", headers+"x-amz-copy-source: /locking/k\r\n", "")), denied("CopyObject", "locking/new"))
		l.add("upload with "+name, "/job", raw(t, g, "/job", request("POST /locking/new?uploads", headers, "")), denied("CreateMultipartUpload", "locking/new"))
	}
	l.add("retention", "/job", raw(t, g, "/job", request("PUT /locking/k?retention", bypass, fmt.Sprintf(retention, lockUntil))), denied("PutObjectRetention", "locking/k"))
	l.add("nothing was written", "/owner", raw(t, g, "/owner", get("/locking/new")), want{status: 404, code: "NoSuchKey", decision: "allow", outcome: 404})
	l.check()
	if a := raw(t, g, "/owner", get("/locking/k?retention")); errorOf(a).Code != "NoSuchObjectLockConfiguration" {
		t.Errorf("the object is kept: %d %s", a.Status, a.Body)
	}
}

// No header and no right takes a lock off: the gateway's own rights at the
// storage would do it.
func TestLocksAreNotTakenOff(t *testing.T) {
	t.Parallel()
	g, _ := lockGate(t)
	l := newLedger(t, g)
	locked := raw(t, g, "/owner", request("PUT /locking/k", lockLines, text))
	l.add("a locked object", "/owner", locked, want{status: 200, event: "artifact.write", action: "PutObject", decision: "allow", outcome: 200})
	held := raw(t, g, "/owner", request("PUT /locking/held", "x-amz-object-lock-legal-hold: ON\r\n", text))
	l.add("a held object", "/owner", held, want{status: 200, event: "artifact.write", decision: "allow", outcome: 200})
	kept := func(action, path, event string) want {
		return want{status: http.StatusForbidden, code: "AccessDenied", action: action, path: path, event: event, decision: "allow", outcome: 403, cause: "object is locked"}
	}
	version := "?versionId=" + locked.Header.Get("X-Amz-Version-Id")
	l.add("DELETE", "/owner", raw(t, g, "/owner", request("DELETE /locking/k"+version, "", "")), kept("DeleteObject", "locking/k", "artifact.delete"))
	l.add("DELETE with a bypass", "/owner", raw(t, g, "/owner", request("DELETE /locking/k"+version, bypass, "")), kept("DeleteObject", "locking/k", "artifact.delete"))
	l.add("DELETE of what is held", "/owner", raw(t, g, "/owner", request("DELETE /locking/held?versionId="+held.Header.Get("X-Amz-Version-Id"), bypass, "")), kept("DeleteObject", "locking/held", "artifact.delete"))
	l.add("a shorter retention", "/owner", raw(t, g, "/owner", request("PUT /locking/k?retention&"+version[1:], bypass, fmt.Sprintf(retention, "2089-01-01T00:00:00Z"))), kept("PutObjectRetention", "locking/k", "artifact.lock"))
	l.add("no retention", "/owner", raw(t, g, "/owner", request("PUT /locking/k?retention&"+version[1:], bypass, "<Retention/>")), want{status: 400, code: "MalformedXML"})
	l.add("no hold", "/owner", raw(t, g, "/owner", request("PUT /locking/held?legal-hold", bypass, "<LegalHold><Status>OFF</Status></LegalHold>")), refused(501, "NotImplemented"))
	l.add("no rule", "/owner", raw(t, g, "/owner", request("PUT /locking?object-lock", "", "<ObjectLockConfiguration/>")), refused(501, "NotImplemented"))
	l.add("versions off", "/owner", raw(t, g, "/owner", request("PUT /locking?versioning", "", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")), want{status: 501, code: "NotImplemented", action: "PutBucketVersioning", decision: "allow", outcome: 501})
	batch := "<Delete><Object><Key>k</Key><VersionId>" + version[len("?versionId="):] + "</VersionId></Object></Delete>"
	if a := raw(t, g, "/owner", request("POST /locking?delete", bypass, batch)); a.Status != 200 || !strings.Contains(string(a.Body), "<Code>AccessDenied</Code>") {
		t.Errorf("DeleteObjects: got %d %s", a.Status, a.Body)
	}
	l.check()
	for _, target := range []string{"/locking/k" + version, "/locking/held"} {
		if a := raw(t, g, "/owner", get(target)); a.Status != 200 || string(a.Body) != text {
			t.Errorf("GET %s: %d %.100s", target, a.Status, a.Body)
		}
	}
}

// A lock that is not there is not promised; a bucket that was asked to lock
// does, and does not go while it keeps something.
func TestLocksArePromisedWhereTheyAre(t *testing.T) {
	t.Parallel()
	g, _ := lockGate(t)
	l := newLedger(t, g)
	noLock := func(action string) want {
		return want{status: 400, code: "InvalidRequest", action: action, decision: "allow", outcome: 400}
	}
	l.add("PUT", "/owner", raw(t, g, "/owner", request("PUT /plain/k", lockLines, text)), noLock("PutObject"))
	l.add("upload", "/owner", raw(t, g, "/owner", request("POST /plain/k?uploads", lockLines, "")), noLock("CreateMultipartUpload"))
	l.add("nothing was written", "/owner", raw(t, g, "/owner", get("/plain/k")), want{status: 404, code: "NoSuchKey", decision: "allow", outcome: 404})

	const asked = "x-amz-bucket-object-lock-enabled: true\r\n"
	l.add("a bucket, without the right", "/job", raw(t, g, "/job", request("PUT /made-to-lock", asked, "")), denied("CreateBucket", "made-to-lock"))
	l.add("a bucket", "/owner", raw(t, g, "/owner", request("PUT /made-to-lock", asked, "")), want{status: 200, action: "CreateBucket", event: "bucket.create", decision: "allow", outcome: 200})
	l.add("it keeps versions", "/owner", raw(t, g, "/owner", request("PUT /made-to-lock?versioning", "", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")), want{status: 200, action: "PutBucketVersioning", decision: "allow", outcome: 200})
	if a := raw(t, g, "/owner", get("/made-to-lock?object-lock")); a.Status != 200 {
		t.Errorf("it does not lock: %d %s", a.Status, a.Body)
	}
	free := raw(t, g, "/owner", request("PUT /made-to-lock/free", "", text))
	l.add("it holds a version", "/owner", raw(t, g, "/owner", request("DELETE /made-to-lock", "", "")), want{status: 409, code: "BucketNotEmpty", action: "DeleteBucket", decision: "allow", outcome: 409})
	l.add("the version goes", "/owner", raw(t, g, "/owner", request("DELETE /made-to-lock/free?versionId="+free.Header.Get("X-Amz-Version-Id"), "", "")), want{status: 204, action: "DeleteObject", decision: "allow", outcome: 204})
	l.add("and the bucket", "/owner", raw(t, g, "/owner", request("DELETE /made-to-lock", "", "")), want{status: 204, action: "DeleteBucket", event: "bucket.delete", decision: "allow", outcome: 204})
	l.check()
}
