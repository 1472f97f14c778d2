// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// versionedWorld has a bucket "data" that keeps versions.
func versionedWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	w.mem = &storetest.Mem{Versioned: true}
	w.store = storetest.NewFaulty(w.mem, 1)
	w.use(copyPolicy)
	return w
}

// versionList is the answer to ListObjectVersions, in its order.
type versionList struct {
	IsTruncated                        bool
	NextKeyMarker, NextVersionIdMarker string
	Entries                            []struct {
		XMLName        xml.Name
		Key, VersionId string
		IsLatest       bool
		Size           int64
		ETag           string
		Prefix         string
	} `xml:",any"`
}

func (w *world) listVersions(c *http.Client, q url.Values) (versionList, []string) {
	w.t.Helper()
	q.Set("versions", "")
	r := w.do(c, http.MethodGet, "/data?"+q.Encode(), nil)
	var l versionList
	if err := xml.Unmarshal(r.body, &l); err != nil || r.status != 200 {
		w.t.Fatalf("%v: got %d %s", q, r.status, r.body)
	}
	var names []string
	for _, e := range l.Entries {
		switch e.XMLName.Local {
		case "Version", "DeleteMarker":
			names = append(names, fmt.Sprintf("%s %s latest=%t", e.XMLName.Local, e.Key, e.IsLatest))
		case "CommonPrefixes":
			names = append(names, "prefix "+e.Prefix)
		}
	}
	return l, names
}

func TestVersionsOfAnObject(t *testing.T) {
	t.Parallel()
	w := versionedWorld(t)
	c := w.client("/owner")
	first := w.put(c, "/data/k", []byte("first")).header.Get("X-Amz-Version-Id")
	second := w.put(c, "/data/k", noise(2, 70_000)).header.Get("X-Amz-Version-Id")
	if first == "" || second == "" || first == second {
		t.Fatalf("versions %q and %q", first, second)
	}
	old := w.do(c, http.MethodGet, "/data/k?versionId="+first, nil)
	old.wantBody(t, 200, []byte("first"))
	if old.header.Get("X-Amz-Version-Id") != first {
		t.Errorf("GET of a version: %v", old.header)
	}
	if rec := w.last(); rec.event.VersionID != first {
		t.Errorf("recorded %+v", rec.event)
	}
	w.do(c, http.MethodGet, "/data/k?versionId="+second, nil, "Range", "bytes=69999-").wantBody(t, 206, noise(2, 70_000)[69_999:])
	if r := w.do(c, http.MethodHead, "/data/k?versionId="+first, nil); r.header.Get("Content-Length") != "5" {
		t.Errorf("HEAD of a version: %v", r.header)
	}
	if r := w.do(c, http.MethodGet, "/data/k", nil); r.header.Get("X-Amz-Version-Id") != second {
		t.Errorf("GET of the newest: %v", r.header)
	}
	w.do(c, http.MethodGet, "/data/k?versionId=nonesuch", nil).want(t, 404, "NoSuchVersion")
	w.do(w.client("/reader"), http.MethodGet, "/data/k?versionId=nonesuch", nil).want(t, 403, "AccessDenied")
	w.do(w.client("/stranger"), http.MethodGet, "/data/k?versionId="+first, nil).want(t, 403, "AccessDenied")

	// A copy of an older version brings it back.
	if r := w.copy(c, "data/k?versionId="+first, "data/k"); r.status != 200 || r.header.Get("X-Amz-Copy-Source-Version-Id") != first || r.header.Get("X-Amz-Version-Id") == "" {
		t.Fatalf("copy of a version: got %d %v %s", r.status, r.header, r.body)
	}
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, 200, []byte("first"))

	marker := w.do(c, http.MethodDelete, "/data/k", nil)
	marker.want(t, 204, "")
	if marker.header.Get("X-Amz-Delete-Marker") != "true" || marker.header.Get("X-Amz-Version-Id") == "" {
		t.Errorf("DELETE: %v", marker.header)
	}
	w.do(c, http.MethodGet, "/data/k", nil).want(t, 404, "NoSuchKey")
	w.do(c, http.MethodGet, "/data/k?versionId="+first, nil).wantBody(t, 200, []byte("first"))
	if r := w.do(c, http.MethodDelete, "/data/k?versionId="+first, nil); r.status != 204 || r.header.Get("X-Amz-Version-Id") != first || r.header.Get("X-Amz-Delete-Marker") != "" {
		t.Errorf("DELETE of a version: got %d %v", r.status, r.header)
	}
	w.do(c, http.MethodGet, "/data/k?versionId="+first, nil).want(t, 404, "NoSuchVersion")
	w.endedOnce()
}

func TestListObjectVersions(t *testing.T) {
	t.Parallel()
	w := versionedWorld(t)
	c := w.client("/owner")
	for _, key := range []string{"a/1", "a/1", "b", "mine/x", "mine/x", "open/y"} {
		w.put(c, "/data/"+key, []byte(key))
	}
	w.do(c, http.MethodDelete, "/data/b", nil)
	if _, err := w.mem.Put(t.Context(), ".sealgate/x", strings.NewReader("hidden"), putOf(6)); err != nil {
		t.Fatal(err)
	}
	all := []string{
		"Version a/1 latest=true", "Version a/1 latest=false", "DeleteMarker b latest=true", "Version b latest=false",
		"Version mine/x latest=true", "Version mine/x latest=false", "Version open/y latest=true",
	}
	if _, got := w.listVersions(c, url.Values{}); fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("got %q, want %q", got, all)
	}
	if _, got := w.listVersions(c, url.Values{"delimiter": {"/"}}); fmt.Sprint(got) != "[DeleteMarker b latest=true Version b latest=false prefix a/ prefix mine/ prefix open/]" {
		t.Errorf("rolled up: %q", got)
	}
	if _, got := w.listVersions(c, url.Values{"prefix": {"mine/"}}); fmt.Sprint(got) != fmt.Sprint(all[4:6]) {
		t.Errorf("below a prefix: %q", got)
	}
	for limit := 1; limit <= 8; limit++ {
		for _, delimiter := range []string{"", "1"} {
			var got []string
			q := url.Values{"max-keys": {fmt.Sprint(limit)}, "delimiter": {delimiter}}
			for {
				l, names := w.listVersions(c, q)
				if got = append(got, names...); !l.IsTruncated {
					break
				}
				q.Set("key-marker", l.NextKeyMarker)
				q.Set("version-id-marker", l.NextVersionIdMarker)
				if l.NextVersionIdMarker == "" {
					q.Del("version-id-marker")
				}
			}
			want := slices.Clone(all)
			if delimiter != "" {
				want = append([]string{"prefix a/1"}, all[2:]...)
				slices.Sort(want) // versions and prefixes stand in two lists
				slices.Sort(got)
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d by %q: %q", limit, delimiter, got)
			}
		}
	}
	// Only what may be listed shows; a stranger learns nothing.
	if _, got := w.listVersions(w.client("/writer"), url.Values{}); fmt.Sprint(got) != fmt.Sprint(all[4:6]) {
		t.Errorf("who may list mine/ sees %q", got)
	}
	w.do(w.client("/stranger"), http.MethodGet, "/data?versions", nil).want(t, 403, "AccessDenied")
	w.do(w.client("/writer"), http.MethodGet, "/data?versions&prefix=a/", nil).want(t, 403, "AccessDenied")
	w.endedOnce()
}

// TestStoreWithoutVersions: every object is its own null version there.
func TestStoreWithoutVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	p, _ := policy.Parse("p", []byte(copyPolicy))
	w.g.Use(&Snapshot{Policy: p, Keys: w.keys, Buckets: map[string]Bucket{"data": {Store: plainStore{w.mem}, Conditional: true}}})
	w.put(c, "/data/k", []byte("x"))
	if _, got := w.listVersions(c, url.Values{}); fmt.Sprint(got) != "[Version k latest=true]" {
		t.Errorf("got %q", got)
	}
	w.do(c, http.MethodGet, "/data/k?versionId=null", nil).wantBody(t, 200, []byte("x"))
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		w.do(c, method, "/data/k?versionId=other", nil).want(t, 400, "InvalidArgument")
	}
	if r := w.do(c, http.MethodGet, "/data?versioning", nil); r.status != 200 || bytes.Contains(r.body, []byte("<Status>")) {
		t.Errorf("versioning: got %d %s", r.status, r.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		w.do(c, method, "/data/k?tagging", nil).want(t, 501, "NotImplemented")
	}
	w.do(c, http.MethodPut, "/data/t", []byte("x"), "x-amz-tagging", "a=b").want(t, 501, "NotImplemented")
	if r := w.copy(c, "data/k", "data/copy"); r.status != 200 {
		t.Errorf("a store that cannot copy: got %d %s", r.status, r.body)
	}
	w.do(c, http.MethodGet, "/data/copy", nil).wantBody(t, 200, []byte("x"))
	w.do(c, http.MethodDelete, "/data/k?versionId=null", nil).want(t, 204, "")
	w.do(c, http.MethodGet, "/data/k", nil).want(t, 404, "NoSuchKey")
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c, writer, reader := w.client("/owner"), w.client("/writer"), w.client("/reader")
	w.put(c, "/data/open/k", []byte("x"), "x-amz-tagging", "z=1&a=%20b")
	want := "<TagSet><Tag><Key>a</Key><Value> b</Value></Tag><Tag><Key>z</Key><Value>1</Value></Tag></TagSet>"
	if r := w.do(reader, http.MethodGet, "/data/open/k?tagging", nil); r.status != 200 || !bytes.Contains(r.body, []byte(want)) {
		t.Errorf("got %d %s", r.status, r.body)
	}
	body := []byte("<Tagging><TagSet><Tag><Key>team</Key><Value>fraud</Value></Tag></TagSet></Tagging>")
	for _, who := range []*http.Client{writer, reader} { // who may write or read may not tag
		w.do(who, http.MethodPut, "/data/open/k?tagging", body, "Content-MD5", contentMD5(body)).want(t, 403, "AccessDenied")
		w.do(who, http.MethodDelete, "/data/open/k?tagging", nil).want(t, 403, "AccessDenied")
	}
	w.do(writer, http.MethodPut, "/data/open/k", []byte("y"), "x-amz-tagging", "a=b").want(t, 403, "AccessDenied")
	w.do(c, http.MethodGet, "/data/open/k", nil).wantBody(t, 200, []byte("x"))
	if r := w.do(c, http.MethodPut, "/data/open/k?tagging", body, "Content-MD5", contentMD5(body)); r.status != 200 {
		t.Errorf("PUT: got %d %s", r.status, r.body)
	}
	if rec := w.last(); rec.event.Event != "artifact.tag" || !rec.event.AwaitOutcome || rec.outcome.Status != 200 {
		t.Errorf("recorded %+v", rec)
	}
	if r := w.do(c, http.MethodGet, "/data/open/k?tagging", nil); !bytes.Contains(r.body, []byte("<TagSet><Tag><Key>team</Key><Value>fraud</Value></Tag></TagSet>")) {
		t.Errorf("after PUT: %s", r.body)
	}
	w.do(c, http.MethodDelete, "/data/open/k?tagging", nil).want(t, 204, "")
	if r := w.do(c, http.MethodGet, "/data/open/k?tagging", nil); !bytes.Contains(r.body, []byte("<TagSet></TagSet>")) {
		t.Errorf("after DELETE: %s", r.body)
	}
	w.do(c, http.MethodGet, "/data/open/gone?tagging", nil).want(t, 404, "NoSuchKey")
	w.do(c, http.MethodPut, "/data/open/gone?tagging", body, "Content-MD5", contentMD5(body)).want(t, 404, "NoSuchKey")
	w.do(reader, http.MethodGet, "/data/open/gone?tagging", nil).want(t, 403, "AccessDenied")
	w.endedOnce()
}

func TestObjectAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	put := w.put(c, "/data/k", []byte("123456789"), "x-amz-checksum-crc32", "y/Q5Jg==")
	const all = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"
	r := w.do(c, http.MethodGet, "/data/k?attributes", nil, "x-amz-object-attributes", all)
	for _, part := range []string{"<ETag>" + strings.Trim(put.header.Get("Etag"), `"`) + "</ETag>", "<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>", "<ObjectSize>9</ObjectSize>", "<StorageClass>STANDARD</StorageClass>"} {
		if r.status != 200 || !bytes.Contains(r.body, []byte(part)) || bytes.Contains(r.body, []byte("<ObjectParts>")) {
			t.Errorf("got %d %s, want %s and no parts", r.status, r.body, part)
		}
	}
	w.putMultipart("big", envelope.Attr{}, noise(1, 5<<20), noise(2, 5<<20), []byte("end"))
	r = w.do(c, http.MethodGet, "/data/big?attributes", nil, "x-amz-object-attributes", all, "x-amz-max-parts", "1", "x-amz-part-number-marker", "1")
	for _, part := range []string{"<PartsCount>3</PartsCount>", "<PartNumber>3</PartNumber>", "<Size>5242880</Size>", "<IsTruncated>true</IsTruncated>", "<ObjectSize>10485763</ObjectSize>"} {
		if r.status != 200 || !bytes.Contains(r.body, []byte(part)) {
			t.Errorf("got %d %s, want %s", r.status, r.body, part)
		}
	}
	w.do(w.client("/stranger"), http.MethodGet, "/data/k?attributes", nil, "x-amz-object-attributes", all).want(t, 403, "AccessDenied")
	w.do(c, http.MethodGet, "/data/gone?attributes", nil, "x-amz-object-attributes", all).want(t, 404, "NoSuchKey")
	// The manifest says how long the parts are: a store cannot.
	w.putMultipart("bad", envelope.Attr{}, noise(1, 5<<20), noise(2, 5<<20), []byte("end"))
	w.store.Add(storetest.Rule{Op: storetest.Get, Key: "bad", Body: storetest.Flip(10_485_763+161*32+3*112+256-40, 1)})
	w.do(c, http.MethodGet, "/data/bad?attributes", nil, "x-amz-object-attributes", all).want(t, 500, "InternalError")
	w.endedOnce()
}

func TestFixedAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	owner, writer, reader, stranger := w.client("/owner"), w.client("/writer"), w.client("/reader"), w.client("/stranger")
	w.put(owner, "/data/k", []byte("x"))
	for _, tt := range []struct {
		method, target string
		status         int
		code           string
	}{
		{http.MethodGet, "/data?acl", 200, ""},
		{http.MethodGet, "/data?encryption", 200, ""},
		{http.MethodGet, "/data?policyStatus", 200, ""},
		{http.MethodGet, "/data?publicAccessBlock", 200, ""},
		{http.MethodGet, "/data?cors", 404, "NoSuchCORSConfiguration"},
		{http.MethodGet, "/data?lifecycle", 404, "NoSuchLifecycleConfiguration"},
		{http.MethodGet, "/data?tagging", 404, "NoSuchTagSet"},
		{http.MethodGet, "/data?object-lock", 404, "ObjectLockConfigurationNotFoundError"},
		{http.MethodGet, "/data/k?acl", 200, ""},
		{http.MethodPut, "/data/k?acl", 200, ""},
		{http.MethodGet, "/data/gone?acl", 404, "NoSuchKey"},
	} {
		if r := w.do(owner, tt.method, tt.target, nil, "x-amz-acl", "private"); r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s %s: got %d %s, want %d %s", tt.method, tt.target, r.status, r.body, tt.status, tt.code)
		}
		if r := w.do(stranger, tt.method, tt.target, nil, "x-amz-acl", "private"); r.status != 403 {
			t.Errorf("%s %s by a stranger: got %d", tt.method, tt.target, r.status)
		}
	}
	w.do(writer, http.MethodGet, "/data?acl", nil).want(t, 200, "")
	w.do(writer, http.MethodGet, "/data/k?acl", nil).want(t, 403, "AccessDenied")
	w.do(reader, http.MethodPut, "/data/k?acl", nil, "x-amz-acl", "private").want(t, 403, "AccessDenied")
	w.endedOnce()
}

// plainStore hides every optional interface of a store.
type plainStore struct{ store.Store }

func putOf(size int64) store.PutOptions { return store.PutOptions{Size: size} }

// Copies to one key at once are each a version of their own, and each is proved by
// that: what came over it meanwhile is no fault of it.
func TestCopiesAtOnceAreVersions(t *testing.T) {
	t.Parallel()
	w := versionedWorld(t)
	c := w.client("/owner")
	w.put(c, "/data/src", noise(4, 5000))
	// Another copy lands between each copy and its proof.
	w.store.Add(storetest.Rule{Op: storetest.Get, Key: "dst", Delay: 50 * time.Millisecond})
	var all sync.WaitGroup
	var failed atomic.Int64
	const copies = 8
	for range copies {
		all.Go(func() {
			if r := w.do(c, http.MethodPut, "/data/dst", nil, "x-amz-copy-source", "/data/src"); r.status != 200 {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d copies failed", failed.Load(), copies)
	}
	if _, names := w.listVersions(c, url.Values{"prefix": {"dst"}}); len(names) != copies {
		t.Errorf("%d versions of %d copies: %v", len(names), copies, names)
	}
}
