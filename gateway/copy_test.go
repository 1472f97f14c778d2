// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

const copyPolicy = `version: 1
trust_domain: acme.ai
identities:
  owner: spiffe://acme.ai/owner
  writer: spiffe://acme.ai/writer
  reader: spiffe://acme.ai/reader
  creator: spiffe://acme.ai/creator
roles:
  owner:
    who: [owner]
    can: [{do: [read, list, write, delete, tag], paths: ["data/**", "plain/**"]}]
  writer:
    who: [writer]
    can:
      - {do: [write, delete], paths: ["data/open/**"]}
      - {do: [read, list], paths: ["data/mine/**"]}
  reader:
    who: [reader]
    can: [{do: [read], paths: ["data/**"]}]
  creator:
    who: [creator]
    can: [{do: [create, read], paths: ["data/**"]}]
`

// copy sends a CopyObject; source and target are BUCKET/KEY.
func (w *world) copy(c *http.Client, source, target string, headers ...string) reply {
	w.t.Helper()
	return w.do(c, http.MethodPut, "/"+target, nil, append([]string{"x-amz-copy-source", source}, headers...)...)
}

// records gives the intents from the n-th on, once each has its outcome.
func (w *world) records(n int) []record {
	w.t.Helper()
	var out []record
	w.eventually("an outcome of every intent", func() bool {
		w.rec.mu.Lock()
		defer w.rec.mu.Unlock()
		out = nil
		for _, r := range w.rec.intents[n:] {
			if r.ends == 0 {
				return false
			}
			out = append(out, *r)
		}
		return true
	})
	return out
}

func TestCopyInsideOneKeyring(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	plain := noise(1, 300_000)
	put := w.put(c, "/data/mine/a b", plain, "Content-Type", "model/x", "x-amz-meta-run", "42", "x-amz-checksum-crc32", crc32Of(plain), "x-amz-tagging", "team=fraud")
	before, _ := w.rec.count()
	r := w.copy(c, "data/mine/a%20b", "data/open/copy")
	var result struct{ ETag, LastModified, ChecksumCRC32, ChecksumType string }
	if err := xml.Unmarshal(r.body, &result); err != nil || r.status != 200 || result.ETag == "" || result.LastModified == "" ||
		result.ChecksumCRC32 != crc32Of(plain) || result.ChecksumType != "FULL_OBJECT" {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if w.store.Calls(storetest.Copy) != 1 || w.store.Calls(storetest.Put) != 1 {
		t.Errorf("%d copies and %d puts reached the store: the body was to stay where it is", w.store.Calls(storetest.Copy), w.store.Calls(storetest.Put))
	}
	get := w.do(c, http.MethodGet, "/data/open/copy", nil, "x-amz-checksum-mode", "ENABLED")
	get.wantBody(t, 200, plain)
	for name, want := range map[string]string{
		"Content-Type": "model/x", "X-Amz-Meta-Run": "42", "X-Amz-Checksum-Crc32": crc32Of(plain), "Etag": result.ETag,
		"X-Sealgate-Object": put.header.Get("X-Sealgate-Object"),
	} {
		if got := get.header.Get(name); got != want {
			t.Errorf("GET of the copy: %s is %q, want %q", name, got, want)
		}
	}
	if tags := w.do(c, http.MethodGet, "/data/open/copy?tagging", nil); !bytes.Contains(tags.body, []byte("<Key>team</Key><Value>fraud</Value>")) {
		t.Errorf("tags of the copy: %s", tags.body)
	}

	recs := w.records(before)
	read, written := recs[0], recs[1]
	if e := read.event; e.Event != "artifact.read" || e.Action != "CopyObject" || e.Bucket != "data" || e.Key != "mine/a b" || e.Rule == "" ||
		e.Decision != "allow" || e.Detail["copied_to_key"] != "open/copy" || read.outcome.Status != 200 || read.outcome.Object == "" {
		t.Errorf("the source's record: %+v", read)
	}
	if e := written.event; e.Event != "artifact.copy" || e.Key != "open/copy" || e.Object != put.header.Get("X-Sealgate-Object") || !e.AwaitOutcome ||
		e.Detail["source_bucket"] != "data" || e.Detail["source_key"] != "mine/a b" || e.Detail["how"] != "rewrap" || e.BytesPlanned != 300_000 ||
		written.outcome.Status != 200 || written.outcome.Keyring == "" {
		t.Errorf("the copy's record: %+v", written)
	}
	w.endedOnce()
}

func (r *recorder) count() (intents, denials int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.intents), len(r.denials)
}

func TestCopyAcrossKeyrings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	for i, size := range []int{0, 1, 65_536, 300_000} {
		plain, key := noise(uint64(i), size), fmt.Sprintf("k%d", i)
		put := w.put(c, "/data/"+key, plain, "x-amz-meta-a", "b", "x-amz-tagging", "a=b&c=d")
		if r := w.copy(c, "/data/"+key, "plain/"+key); r.status != 200 {
			t.Fatalf("%d bytes: got %d %s", size, r.status, r.body)
		}
		get := w.do(c, http.MethodGet, "/plain/"+key, nil)
		get.wantBody(t, 200, plain)
		if get.header.Get("X-Amz-Meta-A") != "b" || get.header.Get("X-Sealgate-Object") == put.header.Get("X-Sealgate-Object") {
			t.Errorf("metadata %q, object %s: the DEK of one keyring must not be wrapped by another", get.header.Get("X-Amz-Meta-A"), get.header.Get("X-Sealgate-Object"))
		}
		if tags := w.do(c, http.MethodGet, "/plain/"+key+"?tagging", nil); !bytes.Contains(tags.body, []byte("<Key>c</Key><Value>d</Value>")) {
			t.Errorf("tags of the copy: %s", tags.body)
		}
		if rec := w.copyRecord(key); rec.event.Detail["how"] != "reseal" || rec.event.Object != get.header.Get("X-Sealgate-Object") {
			t.Errorf("recorded %+v", rec.event)
		}
	}
	if n := w.store.Calls(storetest.Copy); n != 0 {
		t.Errorf("%d copies inside a store", n)
	}
	w.endedOnce()
}

// copyRecord gives the newest record of a copy to a key.
func (w *world) copyRecord(key string) record {
	w.t.Helper()
	var found record
	for _, r := range w.records(0) {
		if r.event.Event == "artifact.copy" && r.event.Key == key {
			found = r
		}
	}
	return found
}

func TestCopyDirectives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	plain := noise(5, 100_000)
	w.put(c, "/data/k", plain, "Content-Type", "model/x", "x-amz-meta-run", "42", "x-amz-checksum-crc32", crc32Of(plain), "x-amz-tagging", "a=b")
	for _, bucket := range []string{"data", "plain"} {
		target := bucket + "/new"
		r := w.copy(c, "data/k", target, "x-amz-metadata-directive", "REPLACE", "Content-Type", "text/x", "x-amz-meta-other", "1",
			"x-amz-tagging-directive", "REPLACE", "x-amz-tagging", "c=d")
		if r.status != 200 || !bytes.Contains(r.body, []byte("<ChecksumCRC32>"+crc32Of(plain))) {
			t.Fatalf("%s: got %d %s", bucket, r.status, r.body)
		}
		get := w.do(c, http.MethodGet, "/"+target, nil, "x-amz-checksum-mode", "ENABLED")
		get.wantBody(t, 200, plain)
		if h := get.header; h.Get("Content-Type") != "text/x" || h.Get("X-Amz-Meta-Other") != "1" || h.Get("X-Amz-Meta-Run") != "" || h.Get("X-Amz-Checksum-Crc32") != crc32Of(plain) {
			t.Errorf("%s: headers of the copy: %v", bucket, h)
		}
		if tags := w.do(c, http.MethodGet, "/"+target+"?tagging", nil); !bytes.Contains(tags.body, []byte("<TagSet><Tag><Key>c</Key><Value>d</Value></Tag></TagSet>")) {
			t.Errorf("%s: tags of the copy: %s", bucket, tags.body)
		}
		r = w.copy(c, "data/k", target, "x-amz-checksum-algorithm", "SHA256", "x-amz-tagging-directive", "REPLACE")
		if r.status != 200 || !bytes.Contains(r.body, []byte("<ChecksumSHA256>"+sha256Of(plain))) {
			t.Errorf("%s: another checksum: got %d %s", bucket, r.status, r.body)
		}
		get = w.do(c, http.MethodHead, "/"+target, nil, "x-amz-checksum-mode", "ENABLED")
		if h := get.header; h.Get("X-Amz-Checksum-Sha256") != sha256Of(plain) || h.Get("X-Amz-Meta-Run") != "42" {
			t.Errorf("%s: headers with another checksum: %v", bucket, h)
		}
		if tags := w.do(c, http.MethodGet, "/"+target+"?tagging", nil); !bytes.Contains(tags.body, []byte("<TagSet></TagSet>")) {
			t.Errorf("%s: tags were to go: %s", bucket, tags.body)
		}
	}
	// Onto itself: the attributes change, and nothing else may.
	w.copy(c, "data/k", "data/k").want(t, 400, "InvalidRequest")
	if r := w.copy(c, "data/k", "data/k", "x-amz-metadata-directive", "REPLACE", "x-amz-meta-z", "z"); r.status != 200 {
		t.Fatalf("onto itself: got %d %s", r.status, r.body)
	}
	get := w.do(c, http.MethodGet, "/data/k", nil)
	get.wantBody(t, 200, plain)
	if get.header.Get("X-Amz-Meta-Z") != "z" || get.header.Get("X-Amz-Meta-Run") != "" {
		t.Errorf("onto itself: %v", get.header)
	}
}

func TestCopyOfMultipartObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	one, two := noise(1, 5<<20), noise(2, 70_000)
	w.putMultipart("big", envelope.Attr{ContentType: "model/x"}, one, two)
	whole := append(bytes.Clone(one), two...)
	for _, target := range []string{"data/copy", "data/copy2"} {
		source := "data/big"
		if target == "data/copy2" {
			source = "data/copy" // a copy of a copy
		}
		if r := w.copy(c, source, target); r.status != 200 {
			t.Fatalf("%s: got %d %s", target, r.status, r.body)
		}
		get := w.do(c, http.MethodGet, "/"+target, nil)
		get.wantBody(t, 200, whole)
		if get.header.Get("Content-Type") != "model/x" {
			t.Errorf("%s: %v", target, get.header)
		}
		w.do(c, http.MethodGet, "/"+target, nil, "Range", "bytes=5242870-5242889").wantBody(t, 206, whole[5242870:5242890])
	}
	// The sum in its manifest is a made up one: sealed anew, that is noticed.
	w.copy(c, "data/big", "plain/copy").want(t, 500, "InternalError")
	w.do(c, http.MethodGet, "/plain/copy", nil).want(t, 404, "NoSuchKey")
}

// TestCopyNeedsBothRights: each case names the record that says why.
func TestCopyNeedsBothRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	owner := w.client("/owner")
	w.put(owner, "/data/secret/k", []byte("x"))
	w.put(owner, "/data/mine/k", []byte("x"))
	calls := w.store.Calls(storetest.Any)
	for _, tt := range []struct {
		name, who, source, target, key, reason string
	}{
		{"no right to read", "/writer", "data/secret/k", "data/open/k", "secret/k", "no_grant"},
		{"no right to read what is not there", "/writer", "data/secret/gone", "data/open/k", "secret/gone", "no_grant"},
		{"read and write, but not of the source", "/writer", "data/open/k", "data/open/k2", "open/k", "no_grant"},
		{"no right to write", "/reader", "data/mine/k", "data/open/k", "open/k", "no_grant"},
		{"create is not write", "/creator", "data/mine/k", "data/open/k", "open/k", "no_grant"},
		{"reserved source", "/owner", "data/.sealgate/keyrings/x", "data/open/k", ".sealgate/keyrings/x", "reserved_name"},
		{"reserved source, escaped", "/owner", "data/%2esealgate/x", "data/open/k", ".sealgate/x", "reserved_name"},
		{"reserved target", "/owner", "data/mine/k", "data/.sealgate/x", ".sealgate/x", "reserved_name"},
	} {
		r := w.copy(w.client(tt.who), tt.source, tt.target)
		if r.status != 403 || r.code() != "AccessDenied" || r.header.Get("X-Sealgate-Reason") != tt.reason {
			t.Errorf("%s: got %d %s %s", tt.name, r.status, r.header.Get("X-Sealgate-Reason"), r.body)
		}
		if e := w.lastDenial(); e.Action != "CopyObject" || e.Key != tt.key || e.Reason != tt.reason {
			t.Errorf("%s: recorded %+v", tt.name, e)
		}
	}
	r := w.copy(w.client("/writer"), "data/mine/k", "data/open/k", "x-amz-tagging-directive", "REPLACE", "x-amz-tagging", "a=b")
	r.want(t, 403, "AccessDenied")
	if e := w.lastDenial(); e.Key != "open/k" || !strings.Contains(string(r.body), "may not tag data/open/k") {
		t.Errorf("tags without the right: %s, recorded %+v", r.body, e)
	}
	if got := w.store.Calls(storetest.Any); got != calls {
		t.Errorf("refused copies made %d calls to the store", got-calls)
	}
	if n := w.store.Calls(storetest.Copy); n != 0 {
		t.Errorf("%d copies were made", n)
	}
	if r := w.copy(w.client("/creator"), "data/mine/k", "data/new/k", "If-None-Match", "*"); r.status != 200 {
		t.Errorf("create with If-None-Match: got %d %s", r.status, r.body)
	}
	// What the caller may read and not list looks alike, there or not.
	w.copy(w.client("/creator"), "data/mine/gone", "data/new/k2", "If-None-Match", "*").want(t, 403, "AccessDenied")
	w.copy(owner, "data/mine/gone", "data/new/k2").want(t, 404, "NoSuchKey")
	w.copy(owner, "ghost/k", "data/new/k2").want(t, 403, "AccessDenied")
}

func TestCopyConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	etag := w.put(c, "/data/a", []byte("one")).header.Get("Etag")
	other := w.put(c, "/data/b", []byte("two")).header.Get("Etag")
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"source has the tag", []string{"x-amz-copy-source-if-match", etag}, 200},
		{"source has another tag", []string{"x-amz-copy-source-if-match", other}, 412},
		{"source has not the tag", []string{"x-amz-copy-source-if-none-match", other}, 200},
		{"source has the tag it must not have", []string{"x-amz-copy-source-if-none-match", etag}, 412},
		{"source is older", []string{"x-amz-copy-source-if-unmodified-since", future}, 200},
		{"source is newer", []string{"x-amz-copy-source-if-unmodified-since", past}, 412},
		{"source is not newer", []string{"x-amz-copy-source-if-modified-since", future}, 412},
		{"target is there", []string{"If-None-Match", "*"}, 412},
		{"target has another tag", []string{"If-Match", etag}, 412},
		{"target has the tag", []string{"If-Match", other}, 200},
	} {
		for _, source := range []string{"data/a", "plain/a"} { // one is rewrapped, one sealed anew
			w.put(c, "/data/b", []byte("two"))
			other = w.do(c, http.MethodHead, "/data/b", nil).header.Get("Etag")
			etag = w.put(c, "/"+source, []byte("one")).header.Get("Etag")
			headers := append([]string(nil), tt.headers...)
			switch tt.name {
			case "source has the tag", "source has the tag it must not have", "target has another tag":
				headers[1] = etag
			case "source has another tag", "source has not the tag", "target has the tag":
				headers[1] = other
			}
			r := w.copy(c, source, "data/b", headers...)
			want := "two"
			if tt.status == 200 {
				want = "one"
			}
			if r.status != tt.status || tt.status == 412 && r.code() != "PreconditionFailed" {
				t.Errorf("%s, %s: got %d %s, want %d", source, tt.name, r.status, r.body, tt.status)
			}
			w.do(c, http.MethodGet, "/data/b", nil).wantBody(t, 200, []byte(want))
		}
	}
	w.copy(c, "data/a", "data/gone", "If-Match", etag).want(t, 404, "NoSuchKey")
	w.copy(c, "data/a", "plain/b", "If-None-Match", "*").want(t, 501, "NotImplemented")
	w.endedOnce()
}

// TestCopyIsProvedBeforeItIsTold: a store that says that it copied, and did
// not, or something else, is found out before the client hears of success.
func TestCopyIsProvedBeforeItIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		rule   storetest.Rule
		status int
		code   string
	}{
		{"the header of the source", storetest.Rule{Op: storetest.Get, Key: "to", Object: func(o *store.Object) { o.Metadata = o.Metadata[:300] + "~" + o.Metadata[301:] }}, 503, "SlowDown"},
		{"no header", storetest.Rule{Op: storetest.Get, Key: "to", Object: func(o *store.Object) { o.Metadata = "" }}, 503, "SlowDown"},
		{"another size", storetest.Rule{Op: storetest.Get, Key: "to", Object: func(o *store.Object) { o.Size += 32 }}, 500, "InternalError"},
		{"a changed first segment", storetest.Rule{Op: storetest.Get, Key: "to", Times: 1, Body: storetest.Flip(40, 1)}, 500, "InternalError"},
		{"a changed manifest", storetest.Rule{Op: storetest.Get, Key: "to", Skip: 1, Body: storetest.Flip(300_000+5*32+112+256-40, 1)}, 500, "InternalError"},
		{"no object", storetest.Rule{Op: storetest.Get, Key: "to", Err: store.ErrNotFound}, 503, "SlowDown"},
		{"another object", storetest.Rule{Op: storetest.Get, Key: "to", Err: store.ErrPrecondition}, 503, "SlowDown"},
		{"nothing", storetest.Rule{Op: storetest.Get, Key: "to", Err: store.ErrUnavailable}, 503, "ServiceUnavailable"},
		{"its answer is lost", storetest.Rule{Op: storetest.Copy, Lost: store.ErrUnavailable}, 503, "ServiceUnavailable"},
		{"the source changed meanwhile", storetest.Rule{Op: storetest.Copy, Err: store.ErrPrecondition}, 503, "SlowDown"},
		{"the source is gone meanwhile", storetest.Rule{Op: storetest.Copy, Err: store.ErrNotFound}, 503, "SlowDown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{policy: copyPolicy})
			c := w.client("/owner")
			w.put(c, "/data/from", noise(1, 300_000))
			w.store.Add(tt.rule)
			w.copy(c, "data/from", "data/to").want(t, tt.status, tt.code)
			if rec := w.copyRecord("to"); rec.outcome.Status != tt.status || rec.outcome.S3Error != tt.code {
				t.Errorf("recorded %+v", rec.outcome)
			}
			w.endedOnce()
		})
	}
}

func TestCopyOfDamagedSource(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"data/to", "plain/to"} {
		w := newWorld(t, worldOptions{policy: copyPolicy})
		c := w.client("/owner")
		w.put(c, "/data/from", noise(1, 300_000))
		w.store.Add(storetest.Rule{Op: storetest.Head, Key: "from", Object: func(o *store.Object) { o.Metadata = o.Metadata[:100] }})
		w.copy(c, "data/from", target).want(t, 500, "InternalError")
		if e := w.last(); e.event.Event != "artifact.read" || e.event.Key != "from" || e.outcome.Abort != audit.AbortIntegrity {
			t.Errorf("%s: recorded %+v", target, e)
		}
		w.store.Clear()
		w.store.Add(storetest.Rule{Op: storetest.Get, Key: "from", Body: storetest.Flip(3*65568+40, 1)})
		if target == "plain/to" { // sealed anew, it is read: nothing of it may appear
			w.copy(c, "data/from", target).want(t, 500, "InternalError")
			w.do(c, http.MethodGet, "/"+target, nil).want(t, 404, "NoSuchKey")
		}
		w.endedOnce()
	}
}

func TestCopyIsRecordedFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	w.put(c, "/data/from", []byte("x"))
	calls := w.store.Calls(storetest.Any)
	w.rec.fail(recorderFault{begin: audit.ErrClosed})
	w.copy(c, "data/from", "data/to").want(t, 503, "ServiceUnavailable")
	if n := w.store.Calls(storetest.Any) - calls; n != 0 {
		t.Errorf("%d calls to the store without a record", n)
	}
	w.rec.fail(recorderFault{end: audit.ErrDeadline})
	w.copy(c, "data/from", "data/to").want(t, 503, "ServiceUnavailable")
}

func TestLateCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	w.g.lateAfter = time.Millisecond
	c := w.client("/owner")
	w.put(c, "/data/from", []byte("x"))
	w.store.Add(storetest.Rule{Op: storetest.Copy, Key: "to", Delay: 200 * time.Millisecond})
	r := w.copy(c, "data/from", "data/to")
	if r.err != nil || r.status != 200 || !bytes.HasPrefix(r.body, []byte(xml.Header)) || !bytes.Contains(r.body, []byte("<CopyObjectResult")) || bytes.Count(r.body, []byte("<?xml")) != 1 {
		t.Fatalf("got %d %s %v", r.status, r.body, r.err)
	}
	w.do(c, http.MethodGet, "/data/to", nil).wantBody(t, 200, []byte("x"))
	w.store.Clear()
	w.store.Add(storetest.Rule{Op: storetest.Copy, Key: "to", Delay: 200 * time.Millisecond, Err: store.ErrUnavailable})
	r = w.copy(c, "data/from", "data/to")
	if r.err != nil || r.status != 200 || r.code() != "ServiceUnavailable" {
		t.Fatalf("an error in the body: got %d %s %v", r.status, r.body, r.err)
	}
	if rec := w.copyRecord("to"); rec.outcome.Status != 200 || rec.outcome.S3Error != "ServiceUnavailable" {
		t.Errorf("recorded %+v", rec.outcome)
	}
	// The connection serves on.
	w.do(c, http.MethodGet, "/data/to", nil).wantBody(t, 200, []byte("x"))
	w.endedOnce()
}

// TestLateCopyHidesMissingKeys: a key that a condition needs and that is not
// there is hidden from who may not list it, on time and late; the work itself
// touches no answer.
func TestLateCopyHidesMissingKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/writer")
	w.put(w.client("/owner"), "/data/mine/from", []byte("x"))
	r := w.copy(c, "data/mine/from", "data/open/gone", "If-Match", `"abc"`)
	r.want(t, 403, "AccessDenied")
	if r.header.Get("X-Sealgate-Reason") != "no_grant" {
		t.Errorf("reason %q", r.header.Get("X-Sealgate-Reason"))
	}
	w.g.lateAfter = time.Millisecond
	w.store.Add(storetest.Rule{Op: storetest.Head, Key: "open/gone", Delay: 200 * time.Millisecond})
	r = w.copy(c, "data/mine/from", "data/open/gone", "If-Match", `"abc"`)
	if r.err != nil || r.status != 200 || r.code() != "AccessDenied" {
		t.Errorf("late: got %d %s %v", r.status, r.body, r.err)
	}
	w.store.Clear()
	w.store.Add(storetest.Rule{Op: storetest.Head, Err: store.ErrNotFound})
	work := copying{
		x: &exchange{g: w.g, snap: w.g.Current()}, op: &s3api.CopyObject{IfMatch: "abc"},
		rd: reader{bucket: "data", store: w.store},
	}
	if err := work.run(context.Background()); !isNotFound(err) || asS3(err) != nil {
		t.Errorf("the work says %v; it is not the one to answer", err)
	}
}

// TestPanicInLateWork: what panics beside the request ends that request alone.
func TestPanicInLateWork(t *testing.T) {
	t.Parallel()
	x := &exchange{g: &Gateway{lateAfter: time.Hour}}
	defer func() {
		if p := recover(); p != "boom" {
			t.Errorf("recovered %v, want the panic of the work", p)
		}
	}()
	_ = x.late(func() error { panic("boom") })
	t.Error("late returned")
}

// TestReconcileCopy: all copies of an object have its id, so only the header
// tells whether the one that a crash cut off was made.
func TestReconcileCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	w.put(c, "/data/k", []byte("x"))
	before := w.meta("k")
	if r := w.copy(c, "data/k", "data/k", "x-amz-metadata-directive", "REPLACE", "x-amz-meta-a", "b"); r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	made := w.copyRecord("k")
	for name, tt := range map[string]struct{ header, want string }{
		"the copy that was made":     {made.event.Detail[headerDetail], audit.ReconciledPresent},
		"the one that was not":       {headerDigest(before), audit.ReconciledAbsent},
		"a write, by object id only": {"", audit.ReconciledPresent},
	} {
		log := &crashed{results: map[string]string{}, open: []audit.Unfinished{{Record: audit.Record{
			Event: "artifact.copy", Bucket: "data", Key: "k", Object: made.event.Object, Detail: map[string]string{headerDetail: tt.header},
		}}}}
		if err := w.g.Reconcile(t.Context(), log); err != nil {
			t.Fatal(err)
		}
		if got := log.results["k"]; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func crc32Of(b []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)))
}

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (w *world) meta(key string) string {
	w.t.Helper()
	o, err := w.mem.Head(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return o.Metadata
}
