// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

const smallSize = 200_000

func putOld(tr *trial) {
	tr.old = random(smallSize)
	tr.must(http.StatusOK, http.MethodPut, tr.path(), tr.old)
}

func reads(tr *trial, r *http.Request) bool {
	return tr.at(r, http.MethodGet, "models", tr.key) && r.URL.RawQuery == ""
}

// partOf wants no byte but those of want, and all of them where the end is clean.
func partOf(tr *trial, a gate.Answer, want []byte) {
	tr.t.Helper()
	if a.Status/100 == 2 && (!bytes.HasPrefix(want, a.Body) || a.Err == nil && len(a.Body) != len(want)) {
		tr.t.Errorf("got %d bytes, which are not those of the object, or a clean end (%v) before its end", len(a.Body), a.Err)
	}
}

func writes(tr *trial, r *http.Request) bool {
	return tr.at(r, http.MethodPut, "models", tr.key) && r.URL.RawQuery == ""
}

func putNew(tr *trial) gate.Answer { return tr.do(http.MethodPut, tr.path(), tr.new) }

// oneOrOther: whatever became of a change, the object is what it was, or what
// it should become.
func oneOrOther(tr *trial, _ gate.Answer) {
	tr.t.Helper()
	tr.whole(false)
}

// asTold: likewise, and what the client was told is made.
func asTold(tr *trial, a gate.Answer) {
	tr.t.Helper()
	tr.whole(verdict(a) == "200")
}

// done: after the change was made again, it is made, and nothing else is there.
func done(tr *trial) {
	tr.t.Helper()
	tr.whole(true)
	tr.only(tr.key, tr.key+"-source")
}

func noKeys(tr *trial) {
	tr.t.Helper()
	tr.only()
}

func putParts(tr *trial) {
	beginUpload(tr)
	for n, b := range [][]byte{tr.new[:5<<20], random(70_000)} {
		if err := tr.u.part(n+1, b); err != nil {
			tr.t.Fatal(err)
		}
		tr.old = append(tr.old, b...)
	}
	if err := tr.u.complete(); err != nil {
		tr.t.Fatal(err)
	}
}

func putSource(tr *trial) {
	tr.new = random(smallSize)
	for _, bucket := range []string{"models", "datasets"} {
		tr.must(http.StatusOK, http.MethodPut, "/"+bucket+"/"+tr.key+"-source", tr.new)
	}
}

func copySource(bucket string) func(*trial) gate.Answer {
	return func(tr *trial) gate.Answer {
		return tr.do(http.MethodPut, tr.path(), nil, "X-Amz-Copy-Source", bucket+"/"+tr.key+"-source")
	}
}

// beginUpload begins one of a single part, which lies also elsewhere.
func beginUpload(tr *trial) {
	tr.new = random(5 << 20)
	tr.must(http.StatusOK, http.MethodPut, "/datasets/"+tr.key+"-source", tr.new)
	var err error
	if tr.u, err = begin(tr.Gate, tr.client, tr.key, ""); err != nil {
		tr.t.Fatal(err)
	}
}

func partSent(tr *trial) {
	beginUpload(tr)
	if err := tr.u.part(1, tr.new); err != nil {
		tr.t.Fatal(err)
	}
}

func partOne(tr *trial, r *http.Request) bool {
	return tr.at(r, http.MethodPut, "models", tr.key) && r.URL.Query().Get("partNumber") == "1"
}

func (tr *trial) noted(a gate.Answer, etag string) gate.Answer {
	if a.Status == http.StatusOK && a.Err == nil {
		tr.u.lines = []string{"<Part><PartNumber>1</PartNumber><ETag>" + etag + "</ETag></Part>"}
	}
	return a
}

func sendPart(tr *trial) gate.Answer {
	a := tr.do(http.MethodPut, tr.u.target("&partNumber=1"), tr.new)
	return tr.noted(a, a.Header.Get("Etag"))
}

func copyPart(tr *trial) gate.Answer {
	a := tr.do(http.MethodPut, tr.u.target("&partNumber=1"), nil, "X-Amz-Copy-Source", "datasets/"+tr.key+"-source")
	_, rest, _ := strings.Cut(string(a.Body), "<ETag>")
	etag, _, _ := strings.Cut(rest, "</ETag>")
	return tr.noted(a, etag)
}

// finish completes the upload of what was sent after the fault.
func finish(tr *trial) {
	tr.t.Helper()
	if err := tr.u.complete(); err != nil {
		tr.t.Error(err)
	}
	done(tr)
}

func abort(tr *trial) gate.Answer { return tr.do(http.MethodDelete, tr.u.target(""), nil) }

// abortedAgain: an upload that is aborted is not there.
func abortedAgain(tr *trial) gate.Answer {
	a := abort(tr)
	if verdict(a) == "404 NoSuchUpload" {
		a.Status, a.Body = http.StatusNoContent, nil
	}
	return a
}

// noParts: of an upload that was aborted the server holds nothing.
func noParts(tr *trial) {
	tr.t.Helper()
	for u := range tr.server.Client(tr.t).ListIncompleteUploads(tr.t.Context(), tr.buckets["models"], tr.key, true) {
		tr.t.Errorf("the server holds an upload of %s (%v)", u.Key, u.Err)
	}
	noKeys(tr)
}

func complete(tr *trial) gate.Answer {
	body := "<CompleteMultipartUpload>" + strings.Join(tr.u.lines, "") + "</CompleteMultipartUpload>"
	return tr.do(http.MethodPost, tr.u.target(""), []byte(body))
}

func putThree(tr *trial) {
	for _, name := range []string{"/a", "/b", "/c"} {
		tr.must(http.StatusOK, http.MethodPut, tr.path()+name, []byte(name))
	}
}

func deleteThree(tr *trial) gate.Answer {
	doc := "<Delete>"
	for _, name := range []string{"/a", "/b", "/c"} {
		doc += "<Object><Key>" + tr.key + name + "</Key></Object>"
	}
	return tr.do(http.MethodPost, "/models?delete", []byte(doc+"</Delete>"))
}

// othersGone: what went well is done, what did not is there and is named.
func othersGone(tr *trial, a gate.Answer) {
	tr.t.Helper()
	failed := bytes.Contains(a.Body, []byte("<Error><Code>ServiceUnavailable</Code><Key>"+tr.key+"/b</Key>"))
	if failed {
		tr.only(tr.key + "/b")
		return
	}
	noKeys(tr)
}

// eachEnded: each key of a batch has an end of its own on the record.
func eachEnded(a gate.Answer, ends []audit.Record) error {
	count := map[int]int{}
	for _, r := range ends {
		count[r.Status]++
	}
	failed := bytes.Count(a.Body, []byte("<Error>"))
	if count[http.StatusNoContent] != 3-failed || count[http.StatusServiceUnavailable] != failed {
		return fmt.Errorf("%d keys of 3 failed; on the record they ended as %v", failed, count)
	}
	return nil
}

func lists(tr *trial, r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Query().Get("prefix"), tr.key)
}

func list(query string) func(*trial) gate.Answer {
	return func(tr *trial) gate.Answer { return tr.do(http.MethodGet, "/models"+query+tr.key+"/", nil) }
}

// allThree: a listing is never shorter than what is there.
func allThree(tr *trial, a gate.Answer) {
	if n := bytes.Count(a.Body, []byte("<Key>")); a.Status == http.StatusOK && n != 3 {
		tr.t.Errorf("a listing of success has %d keys of 3: %s", n, a.Body)
	}
}

func putTagged(tr *trial) {
	tr.old = []byte("tagged")
	tr.must(http.StatusOK, http.MethodPut, tr.path(), tr.old, "X-Amz-Tagging", "run=7")
}

func tagging(method string) func(*trial, *http.Request) bool {
	return func(tr *trial, r *http.Request) bool {
		return tr.at(r, method, "models", tr.key) && r.URL.Query().Has("tagging")
	}
}

func setTags(tr *trial) gate.Answer {
	return tr.do(http.MethodPut, tr.path()+"?tagging", []byte("<Tagging><TagSet><Tag><Key>run</Key><Value>8</Value></Tag></TagSet></Tagging>"))
}
