// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// asked is a request with a body of known length, as it stands on the wire.
func asked(method, target, body string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + itoa(len(body)) + "\r\n" +
		strings.Join(append(headers, ""), "\r\n") + "\r\n" + body
}

// went is an operation that was allowed, and ended like this.
func went(status int, code, action string) want {
	return want{status: status, code: code, action: action, decision: "allow", outcome: status}
}

// What is wrong with the body of an object is wrong with that of a part: nothing
// of it counts, and the part that was there stays.
func TestBadParts(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	p := beginParts(t, shared, "/fraud/parts", "/models/fraud/parts/"+rand.Text())
	p.put(1, text)
	for _, c := range badUploads {
		if c.name == "larger than any object" { // from here on it is about headers of objects
			break
		}
		target := p.target + p.query("&partNumber=1")
		r := asked(http.MethodPut, target, c.body, c.header)
		if c.length < 0 {
			r = fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n", target, c.header)
			if c.body != "" {
				r += fmt.Sprintf("%x\r\n%s\r\n", len(c.body), c.body)
			}
			r += "0\r\n\r\n"
		}
		w := c.want
		if w.action = "UploadPart"; w.event == "" { // the intent was recorded, then the body came
			w.decision, w.outcome = "allow", w.status
		}
		l.add(c.name, p.who, raw(t, shared, p.who, r), w)
	}
	list := p.do(http.MethodGet, p.query(""), "")
	if n := bytes.Count(list.Body, []byte("<Part>")); n != 1 || !bytes.Contains(list.Body, []byte("<Size>"+itoa(len(text))+"</Size>")) {
		t.Errorf("the parts afterwards: %s", list.Body)
	}
	l.add("the part that was there", p.who, p.complete(), went(200, "", "CompleteMultipartUpload"))
	if a := p.do(http.MethodGet, "", ""); string(a.Body) != text {
		t.Errorf("the object is %d %q", a.Status, a.Body)
	}
	l.check()
}

// A framed body is for objects and parts alone: a document is never read through
// a framing that another reader might not know.
func TestFramedDocuments(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	who := "/writer/framed"
	put(t, shared, who, "/models/framed/k", []byte(text))
	p := beginParts(t, shared, who, "/models/framed/parts")
	p.put(1, text)
	completion := "<CompleteMultipartUpload>" + p.lines + "</CompleteMultipartUpload>"
	for target, document := range map[string]string{
		"/models?delete": deleteDocument(false, "framed/k"), p.target + p.query(""): completion,
	} {
		for _, mode := range []string{trailerMode, signedMode, "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding: aws-chunked"} {
			for name, body := range map[string]string{"framed": fmt.Sprintf("%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(document), document, crc(document)), "not framed": document} {
				r := asked(http.MethodPost, target, body, mode, "X-Amz-Decoded-Content-Length: "+itoa(len(document)))
				l.add(target[:12]+" "+name+" "+mode, who, raw(t, shared, who, r), refused(400, "InvalidRequest"))
			}
		}
	}
	l.check()
	if left := storedKeys(t, shared, "models", "framed/"); len(left) != 1 {
		t.Errorf("stored afterwards: %q", left)
	}
}

// A Complete that is refused makes nothing, ends nothing, and is on the record.
func TestRefusedCompletes(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	p := beginParts(t, shared, "/writer/refused", "/models/refused/"+rand.Text())
	p.put(1, text)
	one := p.lines
	two := strings.Replace(one, ">1<", ">2<", 1)
	tag := one[strings.Index(one, "<ETag>"):]
	p.put(2, text)
	small := p.lines
	document := func(lines string) string {
		return "<CompleteMultipartUpload>" + lines + "</CompleteMultipartUpload>"
	}
	var many strings.Builder
	for i := range 10_001 {
		many.WriteString(strings.Replace(one, ">1<", ">"+itoa(i+1)+"<", 1))
	}
	allowed := func(code string) want { return went(400, code, "CompleteMultipartUpload") }
	for _, c := range []struct {
		name, body, header string
		want               want
	}{
		{"nothing", "", "X-A: b", refused(400, "MissingRequestBodyError")},
		{"no parts", document(""), "X-A: b", refused(400, "MalformedXML")},
		{"another document", "<Delete>" + one + "</Delete>", "X-A: b", refused(400, "MalformedXML")},
		{"10,001 parts", document(many.String()), "X-A: b", refused(400, "MalformedXML")},
		{"part 0", document(strings.Replace(one, ">1<", ">0<", 1)), "X-A: b", refused(400, "InvalidArgument")},
		{"part 10,001", document(strings.Replace(one, ">1<", ">10001<", 1)), "X-A: b", refused(400, "InvalidArgument")},
		{"a number with a sign", document(strings.Replace(one, ">1<", ">+1<", 1)), "X-A: b", refused(400, "MalformedXML")},
		{"a part without a tag", document("<Part><PartNumber>1</PartNumber></Part>"), "X-A: b", refused(400, "MalformedXML")},
		{"the same part twice", document(one + one), "X-A: b", refused(400, "InvalidPartOrder")},
		{"out of order", document(two + one), "X-A: b", refused(400, "InvalidPartOrder")},
		{"a wrong digest", document(one), "Content-MD5: " + md5sum("other"), refused(400, "BadDigest")},
		{"a tag of nothing", document(strings.Replace(one, tag, "<ETag>\"0123456789abcdef0123456789abcdef-1\"</ETag></Part>", 1)), "X-A: b", allowed("InvalidPart")},
		{"the tag of another part", document(one + two), "X-A: b", allowed("InvalidPart")},
		{"a part that was not sent", document(one + strings.Replace(one, ">1<", ">3<", 1)), "X-A: b", allowed("InvalidPart")},
		{"a small part that is not the last", document(small), "X-A: b", allowed("EntityTooSmall")},
		{"another size", document(one), "X-Amz-Mp-Object-Size: 1", allowed("InvalidRequest")},
		{"a size that is none", document(one), "X-Amz-Mp-Object-Size: -1", refused(400, "InvalidRequest")},
		{"a mode of checksums that it was not begun with", document(one), "X-Amz-Checksum-Type: COMPOSITE", allowed("InvalidRequest")},
		{"two conditions", document(one), "If-Match: \"a-1\"\r\nIf-None-Match: *", refused(501, "NotImplemented")},
		{"a condition that does not hold", document(one), "If-Match: \"0123456789abcdef0123456789abcdef-1\"", went(404, "NoSuchKey", "CompleteMultipartUpload")},
	} {
		l.add(c.name, p.who, raw(t, shared, p.who, asked(http.MethodPost, p.target+p.query(""), c.body, c.header)), c.want)
		if a := p.do(http.MethodHead, "", ""); a.Status != http.StatusNotFound {
			t.Errorf("%s: then something is there: %d", c.name, a.Status)
		}
	}
	p.lines = one
	l.add("the honest list", p.who, p.complete(), went(200, "", "CompleteMultipartUpload"))
	l.check()
}

// A part copied is a part of its source, or none.
func TestBadPartCopies(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	who := "/writer/partcopies"
	etag := put(t, shared, who, "/datasets/partcopies/source", []byte(text)).Header.Get("Etag")
	p := beginParts(t, shared, who, "/models/partcopies/"+rand.Text())
	for _, number := range []string{"0", "10001", "-1", "%2B1", "1.0", "0x1", "", "1%00"} {
		w := refused(400, "InvalidArgument")
		if strings.Contains(number, "%00") {
			w.code = "InvalidURI"
		}
		l.add("part number "+number, who, raw(t, shared, who, asked(http.MethodPut, p.target+p.query("&partNumber="+number), "", "X-Amz-Copy-Source: datasets/partcopies/source")), w)
	}
	for _, r := range []string{"bytes=5-4", "bytes=-5", "bytes=0-", "bytes=0-1,3-4", "0-1", "items=0-1", "bytes=0x0-1", "bytes=18446744073709551616-18446744073709551617", "bytes=+0-1"} {
		a := raw(t, shared, who, asked(http.MethodPut, p.target+p.query("&partNumber=1"), "", "X-Amz-Copy-Source: datasets/partcopies/source", "X-Amz-Copy-Source-Range: "+r))
		l.add("range "+r, who, a, refused(400, "InvalidArgument"))
	}
	for header, w := range map[string]want{
		"X-Amz-Copy-Source-Range: bytes=0-" + itoa(len(text)):                                               {status: 400, code: "InvalidArgument"},
		"X-Amz-Copy-Source-Range: bytes=1000-1001":                                                          {status: 400, code: "InvalidArgument"},
		"X-Amz-Copy-Source-If-Match: \"0123456789abcdef0123456789abcdef-1\"":                                {status: 412, code: "PreconditionFailed"},
		"X-Amz-Copy-Source-If-None-Match: " + etag:                                                          {status: 412, code: "PreconditionFailed"},
		"X-Amz-Copy-Source-If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT":                                {status: 412, code: "PreconditionFailed"},
		"X-Amz-Copy-Source-If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT":                              {status: 412, code: "PreconditionFailed"},
		"X-Amz-Copy-Source-If-Match: " + etag + "\r\nX-Amz-Copy-Source-Range: bytes=0-" + itoa(len(text)-1): {status: 200, decision: "allow"},
	} {
		a := raw(t, shared, who, asked(http.MethodPut, p.target+p.query("&partNumber=2"), "", "X-Amz-Copy-Source: datasets/partcopies/source", header))
		w.decision = "allow"
		l.add(header, who, a, w)
	}
	l.check()
}

// An entity tag means the same in every way that clients write it.
func TestEntityTags(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	who := "/writer/etags"
	tag := put(t, shared, who, "/models/etags/k", []byte(text)).Header.Get("Etag")
	bare, other := strings.Trim(tag, `"`), `"0123456789abcdef0123456789abcdef-1"`
	if !strings.HasPrefix(tag, `"`) || strings.Count(bare, "-") != 1 {
		t.Fatalf("the tag is %s", tag)
	}
	for header, status := range map[string]int{
		"If-Match: " + tag: 200, "If-Match: " + bare: 200, "If-Match: *": 200, "If-Match: " + other + ", " + tag: 200, "If-Match: " + other: 412, "If-Match: W/" + tag: 412,
		"If-Match: " + strings.ToUpper(tag): 412, "If-Match: " + tag[:len(tag)-1]: 400, "If-Match: \"": 400, "If-Match: " + bare[:32]: 412, "If-Match: " + bare + "2": 412,
		"If-None-Match: " + tag: 304, "If-None-Match: " + bare: 304, "If-None-Match: *": 304, "If-None-Match: W/" + tag: 304, "If-None-Match: " + other + "," + tag: 304,
		"If-None-Match: " + other: 200, "If-None-Match: \"a\" \"b\"": 400,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := want{status: status, decision: "allow", outcome: status}
			if status == http.StatusBadRequest {
				w = refused(400, "InvalidArgument")
			}
			l.add(method+" "+header, who, raw(t, shared, who, method+" /models/etags/k HTTP/1.1\r\nHost: x\r\n"+header+"\r\n\r\n"), w)
		}
	}
	for header, w := range map[string]want{
		"If-Match: " + other:              went(412, "PreconditionFailed", "PutObject"),
		"If-Match: *":                     refused(400, "InvalidArgument"),
		"If-Match: W/" + tag:              refused(400, "InvalidArgument"),
		"If-Match: " + tag + ", " + other: refused(400, "InvalidArgument"),
		"If-None-Match: *":                went(412, "PreconditionFailed", "PutObject"),
		"If-Match: " + bare[:len(bare)-2]: went(412, "PreconditionFailed", "PutObject"),
	} {
		l.add("PUT "+header, who, raw(t, shared, who, asked(http.MethodPut, "/models/etags/k", "evil", header)), w)
	}
	if a := raw(t, shared, who, get("/models/etags/k")); string(a.Body) != text {
		t.Errorf("the object holds %q", a.Body)
	}
	l.add("PUT without quotes", who, raw(t, shared, who, asked(http.MethodPut, "/models/etags/k", "new", "If-Match: "+bare)), went(200, "", "PutObject"))
	l.check()
}

// Clients write the same request in several ways, and it is the same request:
// one operation, one key, one decision.
func TestSpellings(t *testing.T) {
	t.Parallel()
	l := newLedger(t, shared)
	writer, stranger := "/writer/spellings", "/fraud/spellings"
	put(t, shared, writer, "/datasets/spell/k", []byte(text))
	for target, action := range map[string]string{
		"/datasets/?list-type=2&prefix=spell/": "ListObjectsV2", "/datasets?prefix=spell/&list-type=2": "ListObjectsV2", "/datasets/?x-id=ListObjectsV2&list-type=2&prefix=spell%2F": "ListObjectsV2",
		"/datasets/?prefix=spell/": "ListObjects", "/datasets/?location=": "GetBucketLocation", "/datasets/?location": "GetBucketLocation", "/datasets/?uploads": "ListMultipartUploads",
		"/datasets/spell/k?x-id=GetObject": "GetObject", "/datasets/spell/k?": "GetObject", "/datasets/spell%2fk": "GetObject", "/datasets/spell/k?x-of-the-client=1": "GetObject",
		"/datasets/spell/k?tagging=": "GetObjectTagging", "/datasets/spell/k?x-id=PutObject": "GetObject",
	} {
		l.add(target, writer, raw(t, shared, writer, get(target)), want{status: 200, decision: "allow", action: action})
		l.add(target+" by a stranger", stranger, raw(t, shared, stranger, get(target)), want{status: 403, code: "AccessDenied", action: action})
	}
	l.check()
}
