// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

var faults = map[string]fault{
	"busy": busy, "hangs up": hangUp, "takes half": halfRequest, "answer lost": lost, "half an answer": halfAnswer, "short answer": shortAnswer,
	"a bit flipped": flipped, "wrong tag": wrongTag, "no tag": noTag, "error in 200": errorInside, "absent in 200": absentInside, "a page in 200": pageInside,
	"late": late,
}

// operation is one thing that clients do, and what comes of it by fault.
type operation struct {
	name    string
	prepare func(*trial)
	hits    func(*trial, *http.Request) bool // which requests of the gateway the fault is about
	do      func(*trial) gate.Answer
	want    map[string]string // fault, for ever or once -> verdict

	check  func(*trial, gate.Answer)               // with the fault over
	ended  func(gate.Answer, []audit.Record) error // nil: endedAlike
	became map[string]string                       // fault -> what the record says became of a change
	again  func(*trial) gate.Answer                // nil: do
	after  func(*trial)                            // when it was done again
}

// away is the answer when the backend is.
const away = "503 ServiceUnavailable"

// retried are the verdicts of what the gateway asks again by itself.
func retried(ok string, more map[string]string) map[string]string {
	m := map[string]string{
		"busy, once": ok, "busy": away, "hangs up, once": ok, "hangs up": away, "late, once": ok, "answer lost, once": ok,
	}
	maps.Copy(m, more)
	return m
}

// sentOnce are the verdicts of what has a body: it is sent again only as long as
// nothing of it was.
func sentOnce(ok string, more map[string]string) map[string]string {
	m := retried(ok, map[string]string{"takes half, once": away, "answer lost, once": away, "error in 200, once": away, "no tag": away, "wrong tag": ok})
	maps.Copy(m, more)
	return m
}

// wordless are the verdicts of what is answered with no body: one that comes with a
// body all the same is no success, whatever it says.
func wordless(ok string, more map[string]string) map[string]string {
	m := retried(ok, map[string]string{
		"error in 200, once": ok, "error in 200": away, "absent in 200, once": ok, "absent in 200": away, "a page in 200, once": ok, "a page in 200": away,
	})
	maps.Copy(m, more)
	return m
}

// notDone is what became of a change that no answer told of.
var notDone = map[string]string{"busy": "present", "hangs up": "present", "error in 200": "present", "absent in 200": "present", "a page in 200": "present"}

var notWritten = map[string]string{"busy": "absent", "hangs up": "absent", "takes half, once": "absent", "error in 200, once": "absent", "answer lost, once": "present", "no tag": "present"}

var operations = []operation{
	{
		name: "get", prepare: putOld, hits: reads,
		do:    func(tr *trial) gate.Answer { return tr.do(http.MethodGet, tr.path(), nil) },
		check: func(tr *trial, a gate.Answer) { partOf(tr, a, tr.old) },
		want: retried("200", map[string]string{
			"half an answer": "200 cut", "short answer": broken, "a bit flipped": "200 cut", "wrong tag": "200", "no tag": away, "error in 200": away,
		}),
	},
	{
		name: "get range", prepare: putOld, hits: reads,
		do: func(tr *trial) gate.Answer {
			return tr.do(http.MethodGet, tr.path(), nil, "Range", "bytes=70000-180000")
		},
		check: func(tr *trial, a gate.Answer) { partOf(tr, a, tr.old[70000:180001]) },
		want: retried("206", map[string]string{
			"half an answer": "206 cut", "short answer": away, "a bit flipped": "206 cut", "wrong tag": "206", "no tag": away, "error in 200": away,
		}),
	},
	{
		name: "get of parts", prepare: putParts, hits: reads,
		do:    func(tr *trial) gate.Answer { return tr.do(http.MethodGet, tr.path(), nil, "Range", "bytes=5242000-") },
		check: func(tr *trial, a gate.Answer) { partOf(tr, a, tr.old[5242000:]) },
		want: retried("206", map[string]string{
			"half an answer": away, "short answer": away, "a bit flipped": broken, "wrong tag": "503 SlowDown", "no tag": away, "error in 200": away,
		}),
	},
	{
		name: "head", prepare: putOld, hits: func(tr *trial, r *http.Request) bool { return tr.at(r, http.MethodHead, "models", tr.key) },
		do: func(tr *trial) gate.Answer { return tr.do(http.MethodHead, tr.path(), nil) },
		check: func(tr *trial, a gate.Answer) {
			if a.Status == http.StatusOK && a.Header.Get("Content-Length") != fmt.Sprint(smallSize) {
				tr.t.Errorf("the size is %s", a.Header.Get("Content-Length"))
			}
		},
		want: retried("200", map[string]string{"busy": "503", "hangs up": "503", "short answer": "500", "wrong tag": "200", "no tag": "503", "error in 200": "503"}),
	},
	{
		name: "put over", prepare: func(tr *trial) { putOld(tr); tr.new = random(smallSize + 1) }, hits: writes, do: putNew, check: asTold, after: done,
		want: sentOnce("200", nil), became: notWritten,
	},
	{
		name: "put new", prepare: func(tr *trial) { tr.new = random(smallSize) }, hits: writes, do: putNew, check: asTold, after: done,
		want: sentOnce("200", nil), became: notWritten,
	},
	{
		name: "copy", prepare: putSource, hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodPut, "models", tr.key) && r.Header.Get("X-Amz-Copy-Source") != ""
		},
		do: copySource("models"), check: asTold, after: done,
		want: retried("200", map[string]string{
			"half an answer": away, "short answer": away, "error in 200": away, "wrong tag": "503 SlowDown", "no tag": away,
		}),
		became: map[string]string{"busy": "absent", "hangs up": "absent", "error in 200": "absent", "half an answer": "present", "no tag": "present"},
	},
	{
		name: "copy anew", prepare: putSource, hits: writes, do: copySource("datasets"), check: asTold, after: done,
		want: sentOnce("200", nil), became: notWritten,
	},
	{
		name: "copied from", prepare: putSource, hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodGet, "datasets", tr.key+"-source")
		},
		do: copySource("datasets"), check: asTold, after: done,
		want: retried("200", map[string]string{
			"half an answer": away, "short answer": away, "a bit flipped": broken, "wrong tag": away, "no tag": away, "error in 200": away,
		}),
	},
	{
		name: "create", prepare: func(*trial) {},
		hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodPost, "models", tr.key) && r.URL.Query().Has("uploads")
		},
		do: func(tr *trial) gate.Answer { return tr.do(http.MethodPost, tr.path()+"?uploads", nil) }, check: oneOrOther,
		// An upload whose name was lost is none: it is not asked for twice.
		want: retried("200", map[string]string{
			"hangs up, once": away, "answer lost, once": away, "half an answer": away, "short answer": away, "error in 200": away,
		}),
	},
	{
		name: "part", prepare: beginUpload, hits: partOne, do: sendPart, check: oneOrOther, after: finish,
		want: sentOnce("200", nil),
	},
	{
		name: "part copied", prepare: beginUpload, hits: partOne, do: copyPart, check: oneOrOther, after: finish,
		want: sentOnce("200", nil),
	},
	{
		name: "part copied from", prepare: beginUpload, hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodGet, "datasets", tr.key+"-source")
		},
		do: copyPart, check: oneOrOther, after: finish,
		want: retried("200", map[string]string{
			"half an answer": away, "short answer": away, "a bit flipped": broken, "wrong tag": away, "no tag": away, "error in 200": away,
		}),
	},
	{
		name: "complete", prepare: partSent, hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodPost, "models", tr.key) && r.URL.Query().Has("uploadId")
		},
		do: complete, check: asTold, after: done,
		want: sentOnce("200", map[string]string{"answer lost, once": "200", "half an answer": "200", "short answer": "200", "no tag": "200"}),
	},
	{
		name: "complete, its tail", prepare: partSent, hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodPut, "models", tr.key) && r.URL.Query().Get("partNumber") == "2"
		},
		do: complete, check: asTold, after: done,
		// It is small: sent from memory, and again as what has no body.
		want: sentOnce("200", map[string]string{"takes half, once": "200", "answer lost, once": "200", "error in 200, once": "200", "wrong tag": "400 InvalidPart"}),
	},
	{
		name: "complete, looking", prepare: partSent, hits: func(tr *trial, r *http.Request) bool { return tr.at(r, http.MethodHead, "models", tr.key) },
		do: complete, check: asTold, after: done,
		// Whose object it is, the tag does not tell: it may be found out or not.
		want: retried("200", map[string]string{"wrong tag": "200, or " + away, "no tag": away, "error in 200": away}),
	},
	{
		name: "abort", prepare: partSent, hits: func(tr *trial, r *http.Request) bool { return tr.at(r, http.MethodDelete, "models", tr.key) },
		do: abort, check: oneOrOther, again: abortedAgain, after: noParts, want: wordless("204", nil),
	},
	{
		name: "delete", prepare: putOld, hits: func(tr *trial, r *http.Request) bool { return tr.at(r, http.MethodDelete, "models", tr.key) },
		do: func(tr *trial) gate.Answer { return tr.do(http.MethodDelete, tr.path(), nil) }, after: noKeys,
		want: wordless("204", nil), became: notDone,
	},
	{
		name: "batch", prepare: putThree, hits: func(tr *trial, r *http.Request) bool {
			return tr.at(r, http.MethodDelete, "models", tr.key+"/b")
		},
		do: deleteThree, check: othersGone, ended: eachEnded, after: noKeys,
		want: wordless("200", map[string]string{"busy": "200", "hangs up": "200", "error in 200": "200", "absent in 200": "200", "a page in 200": "200"}),
	},
	{name: "list", prepare: putThree, hits: lists, do: list("?list-type=2&prefix="), check: allThree, want: ofLists},
	{name: "list of old", prepare: putThree, hits: lists, do: list("?prefix="), check: allThree, want: ofLists},
	{name: "list versions", prepare: putThree, hits: lists, do: list("?versions&prefix="), check: allThree, want: ofLists},
	{
		name: "tags", prepare: putTagged, hits: tagging(http.MethodGet), do: func(tr *trial) gate.Answer { return tr.do(http.MethodGet, tr.path()+"?tagging", nil) },
		want: retried("200", map[string]string{"half an answer": away, "short answer": away, "error in 200": away}),
	},
	{name: "set tags", prepare: putTagged, hits: tagging(http.MethodPut), do: setTags, want: wordless("200", map[string]string{"takes half, once": "200"})},
	{
		name: "remove tags", prepare: putTagged, hits: tagging(http.MethodDelete),
		do: func(tr *trial) gate.Answer { return tr.do(http.MethodDelete, tr.path()+"?tagging", nil) }, want: wordless("204", nil),
	},
}

// ofLists: a listing that is not right is none.
var ofLists = retried("200", map[string]string{"half an answer": away, "short answer": away, "error in 200": away, "no tag": away, "wrong tag": "200"})

// broken is the answer when a stored object is not what was stored.
const broken = "500 InternalError"
