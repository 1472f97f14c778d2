// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/gate"
)

// parts is an upload as a client sees it.
type parts struct {
	t      *testing.T
	g      *gate.Gate
	who    string
	target string
	id     string
	lines  string
}

func beginParts(t *testing.T, g *gate.Gate, who, target string, headers ...string) *parts {
	t.Helper()
	p := &parts{t: t, g: g, who: who, target: target}
	a := p.do(http.MethodPost, "?uploads", "", headers...)
	var doc struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(a.Body, &doc); err != nil || a.Status != http.StatusOK || doc.UploadID == "" {
		t.Fatalf("creating an upload: got %d %s", a.Status, a.Body)
	}
	p.id = doc.UploadID
	return p
}

// do sends one request to the upload's key; headers are NAME, VALUE, ...
func (p *parts) do(method, query, body string, headers ...string) gate.Answer {
	p.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return p.g.Do(p.t, client(p.t, p.g, p.who), method, p.target+query, strings.NewReader(body), int64(len(body)), h)
}

func (p *parts) query(more string) string { return "?uploadId=" + url.QueryEscape(p.id) + more }

func (p *parts) put(number int, body string) gate.Answer {
	p.t.Helper()
	a := p.do(http.MethodPut, p.query(fmt.Sprintf("&partNumber=%d", number)), body)
	p.lines += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, a.Header.Get("Etag"))
	return a
}

func (p *parts) complete(headers ...string) gate.Answer {
	p.t.Helper()
	return p.do(http.MethodPost, p.query(""), "<CompleteMultipartUpload>"+p.lines+"</CompleteMultipartUpload>", headers...)
}

// An upload id does nothing in other hands, under another key or in another
// bucket, whatever is asked of it; what it was made for still works.
func TestUploadIDInOtherHands(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	key := "mpu/" + rand.Text()
	mine := beginParts(t, shared, "/writer/mine", "/models/"+key)
	mine.put(1, text)
	for name, p := range map[string]*parts{
		"identity": {t, shared, "/writer/thief", mine.target, mine.id, mine.lines},
		"key":      {t, shared, "/writer/mine", "/models/" + key + "2", mine.id, mine.lines},
		"bucket":   {t, shared, "/writer/mine", "/datasets/" + key, mine.id, mine.lines},
		"made up":  {t, shared, "/writer/mine", mine.target, strings.Repeat("A", len(mine.id)), mine.lines},
		"one bit":  {t, shared, "/writer/mine", mine.target, mine.id[:20] + string(mine.id[20]^1) + mine.id[21:], mine.lines},
	} {
		w := refused(http.StatusNotFound, "NoSuchUpload")
		w.path = strings.TrimPrefix(p.target, "/")
		l.add(name+": part", p.who, p.put(1, "stolen"), w)
		l.add(name+": copy", p.who, p.do(http.MethodPut, p.query("&partNumber=2"), "", "X-Amz-Copy-Source", "/models/x"), w)
		l.add(name+": list", p.who, p.do(http.MethodGet, p.query(""), ""), w)
		l.add(name+": complete", p.who, p.complete(), w)
		l.add(name+": abort", p.who, p.do(http.MethodDelete, p.query(""), ""), w)
	}
	l.add("its own", mine.who, mine.complete(), want{
		status: http.StatusOK, decision: "allow", event: "upload.complete", action: "CompleteMultipartUpload", path: "models/" + key, outcome: http.StatusOK,
	})
	if a := mine.do(http.MethodGet, "", ""); string(a.Body) != text {
		t.Errorf("got %d %q", a.Status, a.Body)
	}
	l.check()
}

// Each step of an upload needs its right at that moment: what a policy takes
// away between Create and Complete is gone at Complete.
func TestUploadRightsAreTakenAway(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	p := beginParts(t, g, "/writer/was", "/models/taken")
	if a := p.put(1, text); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	swap(t, g, empty)
	soon(t, func() bool { return p.do(http.MethodHead, "", "").Status == http.StatusForbidden })
	l := newLedger(t, g)
	l.add("part", p.who, p.do(http.MethodPut, p.query("&partNumber=2"), text), denied("UploadPart", "models/taken"))
	l.add("complete", p.who, p.complete(), denied("CompleteMultipartUpload", "models/taken"))
	l.add("list", p.who, p.do(http.MethodGet, p.query(""), ""), denied("ListParts", "models/taken"))
	l.add("abort", p.who, p.do(http.MethodDelete, p.query(""), ""), denied("AbortMultipartUpload", "models/taken"))
	l.check()
	swap(t, g, policyText)
	soon(t, func() bool { return p.do(http.MethodGet, p.query(""), "").Status == http.StatusOK })
	if a := p.do(http.MethodGet, "", ""); a.Status != http.StatusNotFound {
		t.Errorf("something is there: %d", a.Status)
	}
}

// soon waits until something holds.
func soon(t *testing.T, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatal("waited in vain for the policy")
}

// Whoever may only create replaces nothing by way of an upload, and reads
// nothing by way of a copied part.
func TestUploadsGiveNoOtherRight(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	key := "new/" + rand.Text()
	put(t, shared, "/writer/holder", "/models/"+key, []byte("held"))
	put(t, shared, "/writer/holder", "/models/secret-of-others", []byte("sealed"))
	p := beginParts(t, shared, "/creator/c", "/models/"+key)
	p.put(1, "replaced")
	l.add("without a condition", p.who, p.complete(), denied("CompleteMultipartUpload", "models/"+key))
	l.add("with one", p.who, p.complete("If-None-Match", "*"), want{
		status: http.StatusPreconditionFailed, code: "PreconditionFailed", decision: "allow", event: "upload.complete", outcome: http.StatusPreconditionFailed,
	})
	for name, source := range map[string]string{
		"plain": "/models/secret-of-others", "no slash": "models/secret-of-others", "encoded": "models%2Fsecret-of-others", "version": "models/secret-of-others?versionId=null",
	} {
		a := p.do(http.MethodPut, p.query("&partNumber=2"), "", "X-Amz-Copy-Source", source)
		l.add("source "+name, p.who, a, denied("UploadPartCopy", "models/secret-of-others"))
	}
	l.add("reserved source", p.who, p.do(http.MethodPut, p.query("&partNumber=2"), "", "X-Amz-Copy-Source", "models/.sealgate/staging/x"),
		want{status: http.StatusForbidden, code: "AccessDenied", reason: "reserved_name"})
	for name, source := range map[string]string{"dots": "models/new/../secret-of-others", "encoded dots": "models/new/%2e%2e/secret-of-others", "empty segment": "models//secret-of-others"} {
		a := p.do(http.MethodPut, p.query("&partNumber=2"), "", "X-Amz-Copy-Source", source)
		if a.Status != http.StatusBadRequest && a.Status != http.StatusForbidden {
			t.Errorf("source with %s: got %d %s", name, a.Status, a.Body)
		}
	}
	if a := p.do(http.MethodGet, "", ""); string(a.Body) != "held" {
		t.Errorf("the object is %q", a.Body)
	}
	l.check()
}

// Listings of uploads show granted subtrees alone.
func TestListedUploadsAreGranted(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a/shown", "a/secret/hidden", "q/hidden", "b-/x/shown", "topmost-hidden"} {
		beginParts(t, shared, "/writer/lister", "/raw/"+key)
	}
	l := newLedger(t, shared)
	p := &parts{t: t, g: shared, who: "/tree/uploads", target: "/raw"}
	listed := func(path string) want {
		w := went(http.StatusOK, "", "ListMultipartUploads")
		w.event, w.path = "upload.list", path
		return w
	}
	hidden := denied("ListMultipartUploads", "raw/a/secret/")
	hidden.reason = "role_cannot"
	for query, w := range map[string]want{
		"?uploads": listed("raw"), "?uploads&prefix=a": listed("raw/a"), "?uploads&delimiter=/": listed("raw"), "?uploads&max-uploads=1": listed("raw"),
		"?uploads&prefix=top": listed("raw/top"), "?uploads&key-marker=a/secret/hiddem": listed("raw"), "?uploads&prefix=q/": listed("raw/q/"), // below it may be an x/
		"?uploads&prefix=a/secret/": hidden, "?uploads&prefix=q/y/": denied("ListMultipartUploads", "raw/q/y/"),
		"?uploads&prefix=a/../q/": refused(http.StatusBadRequest, "InvalidArgument"),
	} {
		a := p.do(http.MethodGet, query, "")
		if l.add(query, p.who, a, w); bytes.Contains(a.Body, []byte("hidden")) {
			t.Errorf("%s: shows what is hidden: %s", query, a.Body)
		}
	}
	if a := p.do(http.MethodGet, "?uploads", ""); !bytes.Contains(a.Body, []byte("a/shown")) || !bytes.Contains(a.Body, []byte("b-/x/shown")) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	fetcher := &parts{t: t, g: shared, who: "/fetcher/uploads", target: "/raw"}
	l.add("without list", fetcher.who, fetcher.do(http.MethodGet, "?uploads", ""), denied("ListMultipartUploads", "raw"))
	l.check()
}

// Lists of parts that no client sends: none is a way to make the gateway grow
// or guess.
func TestHostileCompletes(t *testing.T) {
	t.Parallel()
	p := beginParts(t, shared, "/writer/hostile", "/models/hostile/"+rand.Text())
	p.put(1, text)
	one := p.lines
	var many strings.Builder
	for i := range 10_001 {
		fmt.Fprintf(&many, `<Part><PartNumber>%d</PartNumber><ETag>"0123456789abcdef0123456789abcdef-1"</ETag></Part>`, i+1)
	}
	document := func(inner string) string {
		return "<CompleteMultipartUpload>" + inner + "</CompleteMultipartUpload>"
	}
	l := newLedger(t, shared)
	for name, c := range map[string]struct{ body, code string }{
		"nothing": {"", "MissingRequestBodyError"}, "no xml": {"{}", "MalformedXML"}, "no parts": {document(""), "MalformedXML"},
		"other root": {"<Delete>" + one + "</Delete>", "MalformedXML"}, "10,001 parts": {document(many.String()), "MalformedXML"},
		"bomb": {`<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("b", 1000) + `">]>` + document(strings.Repeat("&b;", 1000)), "MalformedXML"},
		"deep": {strings.Repeat("<a>", 10_000), "MalformedXML"}, "huge": {document(strings.Repeat(" ", 3<<20) + one), "MaxMessageLengthExceeded"},
		"twice": {document(one + one), "InvalidPartOrder"}, "negative": {document(strings.Replace(one, ">1<", ">-1<", 1)), "InvalidArgument"},
		"trailing":    {document(one) + "<x/>", "MalformedXML"},
		"two numbers": {document(strings.Replace(one, "<ETag>", "<PartNumber>2</PartNumber><ETag>", 1)), "MalformedXML"},
	} {
		w := refused(http.StatusBadRequest, c.code)
		w.path = strings.TrimPrefix(p.target, "/")
		l.add(name, p.who, p.do(http.MethodPost, p.query(""), c.body), w)
	}
	if a := p.do(http.MethodGet, "", ""); a.Status != http.StatusNotFound {
		t.Errorf("an object is there: %d", a.Status)
	}
	p.lines = one
	l.add("the honest list", p.who, p.complete(), went(http.StatusOK, "", "CompleteMultipartUpload"))
	l.check()
}
