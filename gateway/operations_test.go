// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestObjectLifeOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	plain := noise(1, 200_000)
	put := w.put(c, "/data/a/one", plain, "Content-Type", "model/x", "x-amz-meta-run", "42")
	if rec := w.last(); rec.event.Object != put.header.Get("X-Sealgate-Object") || rec.event.Object == "" || !rec.event.AwaitOutcome {
		t.Errorf("intent of the PUT: object %q, want the answer's %q", rec.event.Object, put.header.Get("X-Sealgate-Object"))
	}
	if rec := w.last(); rec.outcome.BytesReceived != int64(len(plain)) || rec.outcome.Status != 200 || rec.outcome.Keyring == "" {
		t.Errorf("outcome of the PUT: %+v", rec.outcome)
	}
	get := w.do(c, http.MethodGet, "/data/a/one", nil)
	get.wantBody(t, http.StatusOK, plain)
	for name, want := range map[string]string{
		"Etag": put.header.Get("Etag"), "Content-Type": "model/x", "X-Amz-Meta-Run": "42", "X-Sealgate-Object": put.header.Get("X-Sealgate-Object"),
		"Content-Length": "200000", "X-Sealgate-Reason": "", "X-Amz-Meta-Sg1": "",
	} {
		if got := get.header.Get(name); got != want {
			t.Errorf("GET %s: got %q, want %q", name, got, want)
		}
	}
	if rec := w.last(); rec.outcome.BytesSent != int64(len(plain)) || rec.outcome.Object != put.header.Get("X-Sealgate-Object") {
		t.Errorf("outcome of the GET: %+v", rec.outcome)
	}
	head := w.do(c, http.MethodHead, "/data/a/one", nil)
	if head.status != 200 || head.header.Get("Content-Length") != "200000" || head.header.Get("Etag") != put.header.Get("Etag") {
		t.Errorf("HEAD: got %d %v", head.status, head.header)
	}
	if list := w.do(c, http.MethodGet, "/data?list-type=2", nil); list.status != 200 || !bytes.Contains(list.body, []byte("<Key>a/one</Key>")) || !bytes.Contains(list.body, []byte("<Size>200000</Size>")) {
		t.Errorf("list: got %d %s", list.status, list.body)
	}
	w.do(c, http.MethodDelete, "/data/a/one", nil).want(t, http.StatusNoContent, "")
	w.do(c, http.MethodGet, "/data/a/one", nil).want(t, http.StatusNotFound, "NoSuchKey")
	w.endedOnce()
}

func TestBucketOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	writer, reader, stranger := w.client("/writer"), w.client("/reader"), w.client("/stranger")
	if r := w.do(writer, http.MethodHead, "/data", nil); r.status != 200 || r.header.Get("X-Amz-Bucket-Region") != region {
		t.Errorf("HeadBucket: got %d %v", r.status, r.header)
	}
	if r := w.do(writer, http.MethodGet, "/data?location", nil); r.status != 200 {
		t.Errorf("GetBucketLocation: got %d %s", r.status, r.body)
	}
	all, some := w.do(writer, http.MethodGet, "/", nil), w.do(reader, http.MethodGet, "/", nil)
	if !bytes.Contains(all.body, []byte("<Name>plain</Name>")) || bytes.Contains(all.body, []byte("ghost")) {
		t.Errorf("ListBuckets of the writer: %s", all.body)
	}
	if !bytes.Contains(some.body, []byte("<Name>data</Name>")) || bytes.Contains(some.body, []byte("plain")) {
		t.Errorf("ListBuckets of the reader: %s", some.body)
	}
	w.do(stranger, http.MethodGet, "/", nil).want(t, http.StatusForbidden, "AccessDenied")
	for _, target := range []string{"/ghost", "/ghost?location"} {
		w.do(writer, http.MethodGet, target, nil).want(t, http.StatusNotFound, "NoSuchBucket")
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
		w.do(writer, method, "/ghost/k", nil).want(t, http.StatusNotFound, "NoSuchBucket")
		if e := w.lastDenial(); e.Event != "request.refused" || e.Bucket != "ghost" || e.Detail["s3_error"] != "NoSuchBucket" {
			t.Errorf("%s in a bucket that is not there: recorded %+v", method, e)
		}
	}
}

// example is a request for a served operation.
type example struct {
	method, target string
	body           string
	headers        []string
	status         int // with rights; 0 stands for any of 2xx
}

// exampleOf gives a request for a served operation; part is one of the upload m
// as a Complete lists it.
func exampleOf(op s3api.Op, m *mpu, part string) (example, bool) {
	switch op := op.(type) {
	case *s3api.ListObjects:
		if op.Version == 2 {
			return example{method: http.MethodGet, target: "/data?list-type=2&prefix=a/"}, true
		}
		return example{method: http.MethodGet, target: "/data?prefix=a/"}, true
	case *s3api.UploadPart:
		return example{method: http.MethodPut, target: m.query("&partNumber=2"), body: "x"}, true
	case *s3api.UploadPartCopy:
		return example{method: http.MethodPut, target: m.query("&partNumber=3"), headers: []string{"x-amz-copy-source", "/data/a/k"}}, true
	case *s3api.CompleteMultipartUpload:
		return example{method: http.MethodPost, target: m.query(""), body: "<CompleteMultipartUpload>" + part + "</CompleteMultipartUpload>"}, true
	case *s3api.AbortMultipartUpload:
		return example{method: http.MethodDelete, target: m.query("")}, true
	case *s3api.ListParts:
		return example{method: http.MethodGet, target: m.query("")}, true
	case *s3api.CopyObject:
		return example{method: http.MethodPut, target: "/data/a/copy", headers: []string{"x-amz-copy-source", "/data/a/k"}}, true
	}
	e, ok := examples[op.Action()]
	return e, ok
}

// examples are of the operations that need nothing but a key.
var examples = map[string]example{
	"GetObject":                       {method: http.MethodGet, target: "/data/a/k"},
	"HeadObject":                      {method: http.MethodHead, target: "/data/a/k"},
	"PutObject":                       {method: http.MethodPut, target: "/data/a/k"},
	"DeleteObject":                    {method: http.MethodDelete, target: "/data/a/k"},
	"HeadBucket":                      {method: http.MethodHead, target: "/data"},
	"GetBucketLocation":               {method: http.MethodGet, target: "/data?location"},
	"ListBuckets":                     {method: http.MethodGet, target: "/"},
	"CreateMultipartUpload":           {method: http.MethodPost, target: "/data/a/more?uploads"},
	"ListMultipartUploads":            {method: http.MethodGet, target: "/data?uploads"},
	"GetObjectAttributes":             {method: http.MethodGet, target: "/data/a/k?attributes", headers: []string{"x-amz-object-attributes", "ObjectSize"}},
	"GetObjectTagging":                {method: http.MethodGet, target: "/data/a/k?tagging"},
	"DeleteObjectTagging":             {method: http.MethodDelete, target: "/data/a/k?tagging"},
	"ListObjectVersions":              {method: http.MethodGet, target: "/data?versions"},
	"GetBucketVersioning":             {method: http.MethodGet, target: "/data?versioning"},
	"GetBucketAcl":                    {method: http.MethodGet, target: "/data?acl"},
	"GetObjectAcl":                    {method: http.MethodGet, target: "/data/a/k?acl"},
	"GetBucketEncryption":             {method: http.MethodGet, target: "/data?encryption"},
	"GetBucketPolicyStatus":           {method: http.MethodGet, target: "/data?policyStatus"},
	"GetPublicAccessBlock":            {method: http.MethodGet, target: "/data?publicAccessBlock"},
	"GetBucketCors":                   {method: http.MethodGet, target: "/data?cors", status: 404},
	"GetBucketLifecycleConfiguration": {method: http.MethodGet, target: "/data?lifecycle", status: 404},
	"GetBucketOwnershipControls":      {method: http.MethodGet, target: "/data?ownershipControls"},
	"GetBucketPolicy":                 {method: http.MethodGet, target: "/data?policy", status: 404},
	"GetBucketTagging":                {method: http.MethodGet, target: "/data?tagging", status: 404},
	"GetObjectLockConfiguration":      {method: http.MethodGet, target: "/data?object-lock", status: 404},
	"PutBucketVersioning":             {method: http.MethodPut, target: "/data?versioning", body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", status: 501},
	"GetObjectRetention":              {method: http.MethodGet, target: "/data/a/k?retention", status: 400},
	"GetObjectLegalHold":              {method: http.MethodGet, target: "/data/a/k?legal-hold", status: 400},
	"PutObjectRetention":              {method: http.MethodPut, target: "/data/a/k?retention", body: "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2090-01-01T00:00:00Z</RetainUntilDate></Retention>", status: 400},
	"PutObjectAcl":                    {method: http.MethodPut, target: "/data/a/k?acl", headers: []string{"x-amz-acl", "private"}},
	"DeleteObjects":                   {method: http.MethodPost, target: "/data?delete", body: "<Delete><Object><Key>a/k</Key></Object></Delete>", headers: []string{"Content-MD5", md5Of("<Delete><Object><Key>a/k</Key></Object></Delete>")}},
	"PutObjectTagging":                {method: http.MethodPut, target: "/data/a/k?tagging", body: "<Tagging><TagSet/></Tagging>", headers: []string{"Content-MD5", md5Of("<Tagging><TagSet/></Tagging>")}},
}

func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestEveryOperationHasARowAndNeedsARight(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	granted, revoked := w.client("/writer"), w.client("/writer")
	w.put(granted, "/data/a/k", []byte("x"))
	served := 0
	for _, row := range s3api.Operations() {
		_, unsupported := row.Op.(*s3api.Unsupported)
		if _, has := actionOf(row.Op); has == unsupported {
			t.Errorf("%s: has an action row: %t, is served: %t", row.Name, has, !unsupported)
			continue
		}
		if unsupported {
			continue
		}
		served++
		m := w.create(granted, "/data/a/parts")
		e, ok := exampleOf(row.Op, m, m.part(1, []byte("x")))
		if !ok {
			if !slices.Contains([]string{"CreateBucket", "DeleteBucket"}, row.Name) { // they need buckets that are made on demand
				t.Errorf("%s has an action row, but no example in this test", row.Name)
			}
			continue
		}
		if r := w.try(granted, e); r.status != e.status && (e.status != 0 || r.status/100 != 2) {
			t.Errorf("%s %s (%s) with rights: got %d %s", e.method, e.target, row.Name, r.status, r.body)
		}
		w.put(granted, "/data/a/k", []byte("x"))
	}
	if served < 30 {
		t.Fatalf("only %d operations are served", served)
	}
	m := w.create(granted, "/data/a/parts")
	part := m.part(1, []byte("x"))
	w.use("version: 1\ntrust_domain: acme.ai\n")
	calls := w.store.Calls(storetest.Any)
	for _, row := range s3api.Operations() {
		if e, ok := exampleOf(row.Op, m, part); ok {
			w.checkRevoked(revoked, row.Name, e)
		}
	}
	if got := w.store.Calls(storetest.Any); got != calls {
		t.Errorf("refused operations made %d calls to the store", got-calls)
	}
}

func (w *world) try(c *http.Client, e example) reply {
	w.t.Helper()
	return w.do(c, e.method, e.target, []byte(e.body), e.headers...)
}

// checkRevoked demands a refusal, and its record.
func (w *world) checkRevoked(c *http.Client, name string, e example) {
	w.t.Helper()
	r := w.try(c, e)
	if name == "DeleteObjects" { // each key is decided by itself
		if r.status != http.StatusOK && r.status != http.StatusForbidden || r.status == http.StatusOK && !strings.Contains(string(r.body), "<Code>AccessDenied</Code>") {
			w.t.Errorf("%s without rights: got %d %s", name, r.status, r.body)
		}
		return
	}
	if r.status != http.StatusForbidden || r.header.Get("X-Sealgate-Reason") != "no_grant" || r.header.Get("X-Sealgate-Audit") == "" {
		w.t.Errorf("%s without rights: got %d %v, want 403 no_grant with a receipt", name, r.status, r.header)
	}
	if e := w.lastDenial(); e.Action != name || e.Decision != "deny" {
		w.t.Errorf("%s without rights: recorded %+v", name, e)
	}
}

func TestMissingAndForbiddenLookAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.put(w.client("/writer"), "/data/there", []byte("x"))
	reader, stranger := w.client("/reader"), w.client("/stranger")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		missing := w.do(reader, method, "/data/gone", nil)
		forbidden := w.do(stranger, method, "/data/gone", nil)
		exists := w.do(stranger, method, "/data/there", nil)
		if m, f := shape(missing, "/reader"), shape(forbidden, "/stranger"); m != f {
			t.Errorf("%s: missing and forbidden differ:\n%s\n%s", method, m, f)
		}
		if f, e := shape(forbidden, "/stranger"), strings.ReplaceAll(shape(exists, "/stranger"), "there", "gone"); f != e {
			t.Errorf("%s: a forbidden key that exists and one that does not differ:\n%s\n%s", method, f, e)
		}
	}
	if rec := w.last(); rec.outcome.Error == "" || rec.event.Decision != "allow" {
		t.Errorf("the record does not say that the key is missing: %+v", rec)
	}
	// The same rule where a condition names the key (S3.md, "Errors").
	if r := w.do(w.client("/blind"), http.MethodPut, "/data/drop/gone", []byte("x"), "If-Match", `"abc"`); r.status != http.StatusForbidden {
		t.Errorf("If-Match on a missing key by who may not list: got %d %s, want 403", r.status, r.body)
	}
}

// shape is all that a client can see of an answer, without what names the
// request and the asker.
func shape(r reply, who string) string {
	var b strings.Builder
	id := r.header.Get("X-Amz-Request-Id")
	for _, name := range []string{"X-Sealgate-Reason", "Content-Type", "Connection", "Etag", "Last-Modified", "Content-Range"} {
		fmt.Fprintf(&b, "%s=%q ", name, r.header.Get(name))
	}
	text := strings.NewReplacer(id, "ID", "acme.ai"+who, "WHO").Replace(string(r.body))
	fmt.Fprintf(&b, "audit=%t status=%d %s", r.header.Get("X-Sealgate-Audit") != "", r.status, text)
	return b.String()
}

func TestReservedNamesAreRefusedToAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		for _, key := range []string{".sealgate", ".sealgate/keyrings/x", "%2esealgate/x"} {
			r := w.do(c, method, "/data/"+key, nil)
			if r.status != http.StatusForbidden || r.header.Get("X-Sealgate-Reason") != "reserved_name" {
				t.Errorf("%s %s: got %d %s", method, key, r.status, r.header.Get("X-Sealgate-Reason"))
			}
		}
	}
	if n := w.store.Calls(storetest.Any); n != 0 {
		t.Errorf("the store was called %d times", n)
	}
}

func TestConditionsOfWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c, creator := w.client("/writer"), w.client("/creator")
	etag := w.put(c, "/data/k", []byte("one")).header.Get("Etag")
	w.do(c, http.MethodPut, "/data/k", []byte("two"), "If-None-Match", "*").want(t, http.StatusPreconditionFailed, "PreconditionFailed")
	w.do(c, http.MethodPut, "/data/k", []byte("two"), "If-Match", `"0000-1"`).want(t, http.StatusPreconditionFailed, "PreconditionFailed")
	w.do(c, http.MethodPut, "/data/gone", []byte("two"), "If-Match", etag).want(t, http.StatusNotFound, "NoSuchKey")
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, 200, []byte("one"))
	w.put(c, "/data/k", []byte("two"), "If-Match", etag)
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, 200, []byte("two"))

	w.put(creator, "/data/new/k", []byte("x"), "If-None-Match", "*")
	w.do(creator, http.MethodPut, "/data/new/k", []byte("y"), "If-None-Match", "*").want(t, http.StatusPreconditionFailed, "PreconditionFailed")
	w.do(creator, http.MethodPut, "/data/new/k", []byte("y")).want(t, http.StatusForbidden, "AccessDenied")
	// A store that does not keep conditions must not be asked to.
	w.do(creator, http.MethodPut, "/plain/new/k", []byte("x"), "If-None-Match", "*").want(t, http.StatusNotImplemented, "NotImplemented")
	w.do(c, http.MethodPut, "/plain/new/k", []byte("x"), "If-Match", etag).want(t, http.StatusNotImplemented, "NotImplemented")
	w.endedOnce()
}

func TestConditionsOfReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	put := w.put(c, "/data/k", noise(3, 100_000), "x-amz-meta-a", "b")
	etag := put.header.Get("Etag")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		not := w.do(c, method, "/data/k", nil, "If-None-Match", etag)
		if not.status != http.StatusNotModified || not.header.Get("Etag") != etag || len(not.body) != 0 || not.header.Get("X-Amz-Meta-A") != "" {
			t.Errorf("%s If-None-Match: got %d %v", method, not.status, not.header)
		}
		failed := w.do(c, method, "/data/k", nil, "If-Match", `"ff-1"`)
		if failed.status != http.StatusPreconditionFailed || failed.header.Get("X-Amz-Meta-A") != "" || failed.header.Get("X-Sealgate-Object") != "" {
			t.Errorf("%s If-Match: got %d %v", method, failed.status, failed.header)
		}
		if r := w.do(c, method, "/data/k", nil, "Range", "bytes=5-9", "If-Match", `"ff-1"`); r.status != http.StatusPreconditionFailed {
			t.Errorf("%s range with If-Match: got %d", method, r.status)
		}
	}
	w.endedOnce()
}

func TestPolicyOrKeysAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	snap := w.g.Current()
	w.g.Use(&Snapshot{})
	w.do(c, http.MethodGet, "/data/k", nil).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	w.g.Use(&Snapshot{Policy: snap.Policy, Buckets: snap.Buckets})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		w.do(c, method, "/data/k", nil).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	}
	w.do(c, http.MethodGet, "/data?list-type=2", nil).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	if n := w.store.Calls(storetest.Any); n != 0 {
		t.Errorf("the store was called %d times", n)
	}
}
