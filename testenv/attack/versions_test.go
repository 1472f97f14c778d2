// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"testing"
)

// Subresources of an object and a bucket are as closed as the object itself:
// nothing of a forbidden key, not even its length, comes out of one.
func TestSubresourcesOfForbiddenKeys(t *testing.T) {
	t.Parallel()
	writer, stranger := "/writer/subs", "/fraud/subs"
	put(t, shared, writer, "/datasets/subs/there", []byte(text))
	l := newLedger(t, shared)
	for _, tt := range []struct{ name, method, query, action string }{
		{"tags", "GET", "?tagging", "GetObjectTagging"},
		{"setting tags", "PUT", "?tagging", "PutObjectTagging"},
		{"removing tags", "DELETE", "?tagging", "DeleteObjectTagging"},
		{"attributes", "GET", "?attributes", "GetObjectAttributes"},
		{"access list", "GET", "?acl", "GetObjectAcl"},
		{"setting the access list", "PUT", "?acl", "PutObjectAcl"},
		{"retention", "GET", "?retention", "GetObjectRetention"},
		{"setting a retention", "PUT", "?retention", "PutObjectRetention"},
		{"legal hold", "GET", "?legal-hold", "GetObjectLegalHold"},
		{"a version", "GET", "?versionId=null", "GetObject"},
		{"HEAD of a version", "HEAD", "?versionId=null", "HeadObject"},
		{"removing a version", "DELETE", "?versionId=null", "DeleteObject"},
	} {
		answers := map[string]string{}
		for _, key := range []string{"there", "none0"} {
			extra := map[string]string{"GetObjectAttributes": "x-amz-object-attributes: ObjectSize\r\n", "PutObjectAcl": "x-amz-acl: private\r\nContent-Length: 0\r\n", "PutObjectRetention": "Content-Length: 0\r\n", "PutObjectTagging": "Content-MD5: 4vRzFpVFySiAYZtwlvgFBw==\r\nContent-Length: 0\r\n"}[tt.action]
			a := raw(t, shared, stranger, tt.method+" /datasets/subs/"+key+tt.query+" HTTP/1.1\r\nHost: x\r\n"+extra+"\r\n")
			l.add(tt.name+" of "+key, stranger, a, denied(tt.action, "datasets/subs/"+key))
			body := bytes.ReplaceAll(a.Body, []byte(a.Header.Get("X-Amz-Request-Id")), []byte("ID"))
			answers[key] = string(bytes.ReplaceAll(body, []byte(key), []byte("KEY")))
		}
		if answers["there"] != answers["none0"] {
			t.Errorf("%s: the answers differ:\n%s\n%s", tt.name, answers["there"], answers["none0"])
		}
	}
	for _, q := range []string{"?versions", "?versions&prefix=subs/", "?versions&prefix=subs", "?uploads", "?versions&delimiter=/"} {
		action := "ListObjectVersions"
		if q == "?uploads" {
			action = "ListMultipartUploads"
		}
		l.add(q, stranger, raw(t, shared, stranger, get("/datasets"+q)), want{status: 403, code: "AccessDenied", action: action})
	}
	l.check()
}

// A listing of versions is made from the grants, as every listing is.
func TestVersionsShowOnlyGrants(t *testing.T) {
	t.Parallel()
	writer := "/writer/versions"
	for _, key := range []string{"models/fraud/versions/a", "models/fraud-x/versions/b", "models/guarded/versions/c"} {
		put(t, shared, writer, "/"+key, []byte(text))
	}
	for _, q := range []string{"", "&prefix=fraud", "&prefix=fraud/", "&delimiter=/", "&key-marker=a", "&prefix=f&delimiter=d", "&encoding-type=url"} {
		a := raw(t, shared, "/fraud/versions", get("/models?versions"+q))
		if a.Status != 200 || !bytes.Contains(a.Body, []byte("fraud")) {
			t.Errorf("%q: got %d %s", q, a.Status, a.Body)
		}
		for _, hidden := range []string{"fraud-x", "guarded", ".sealgate", "2Esealgate"} {
			if bytes.Contains(a.Body, []byte(hidden)) {
				t.Errorf("%q shows %s: %s", q, hidden, a.Body)
			}
		}
	}
}

// Buckets are not made where the configuration does not allow it, and asking
// tells only those who may know that there is one.
func TestBucketsAreNotMade(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	bucket := func(method, name string) string {
		return method + " /" + name + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	}
	l.add("its own", "/writer/buckets", raw(t, shared, "/writer/buckets", bucket("PUT", "models")), refused(409, "BucketAlreadyOwnedByYou"))
	l.add("a new one", "/writer/buckets", raw(t, shared, "/writer/buckets", bucket("PUT", "brand-new")), denied("CreateBucket", "brand-new"))
	l.add("another's", "/nobody/buckets", raw(t, shared, "/nobody/buckets", bucket("PUT", "models")), denied("CreateBucket", "models"))
	l.add("removing its own", "/writer/buckets", raw(t, shared, "/writer/buckets", bucket("DELETE", "models")), refused(501, "NotImplemented"))
	l.add("removing another's", "/nobody/buckets", raw(t, shared, "/nobody/buckets", bucket("DELETE", "models")), denied("DeleteBucket", "models"))
	l.check()
}
