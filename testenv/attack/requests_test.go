// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Heads that two readers could read differently are refused, and the
// connection ends: whatever follows on it is never taken for a request.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	put(t, shared, "/writer/smuggle", "/models/fraud/smuggle", []byte(text))
	const hidden = "GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\n\r\n"
	l := newLedger(t, shared)
	for name, c := range map[string]struct {
		request string
		parser  bool // net/http itself refuses it, before any handler
	}{
		"CL and TE":            {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nX-Amz-Decoded-Content-Length: 0\r\n\r\n0\r\n\r\n" + hidden, false},
		"TE and CL":            {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, false},
		"CL and te":            {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nCONTENT-LENGTH: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, false},
		"bare LF header":       {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n" + hidden, false},
		"bare LF everywhere":   {"GET /models/fraud/smuggle HTTP/1.1\nHost: x\n\n" + hidden, false},
		"bare LF at the end":   {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\n\n" + hidden, false},
		"folded":               {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c: d\r\n\r\n" + hidden, false},
		"folded with a tab":    {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n" + hidden, false},
		"HTTP/1.0 with TE":     {"PUT /models/fraud/s1 HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n" + hidden, false},
		"two lengths":          {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nevil" + hidden, true},
		"a signed length":      {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nevil" + hidden, true},
		"a list of lengths":    {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nevil" + hidden, true},
		"a negative length":    {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\nevil" + hidden, true},
		"a hex length":         {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0x4\r\n\r\nevil" + hidden, true},
		"another encoding":     {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n" + hidden, true},
		"identity":             {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nevil" + hidden, true},
		"chunked, twice":       {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n" + hidden, true},
		"space before colon":   {"PUT /models/fraud/s1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n" + hidden, true},
		"NUL in a header":      {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n" + hidden, true},
		"CR in a header":       {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n" + hidden, true},
		"space in the name":    {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n" + hidden, true},
		"HTTP/2 preface":       {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, true},
		"HTTP/0.9":             {"GET /models/fraud/smuggle\r\n\r\n" + hidden, true},
		"a header over 32 KiB": {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n" + hidden, true},
		"headers over 32 KiB":  {"GET /models/fraud/smuggle HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 1100) + "\r\n" + hidden, true},
		"a target over 32 KiB": {"GET /models/" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n" + hidden, true},
	} {
		who := "/fraud/smuggle"
		w := open(t, shared, who)
		w.send(c.request)
		method, _, _ := strings.Cut(c.request, " ")
		a, err := w.answer(method)
		switch {
		case err != nil && c.parser:
		case err != nil:
			t.Errorf("%s: no answer: %v", name, err)
			continue
		case a.Status < 400 || a.Status > 505:
			t.Errorf("%s: got %d %s, want a refusal", name, a.Status, a.Body)
		case !c.parser:
			l.add(name, who, a, refused(http.StatusBadRequest, "InvalidRequest"))
		}
		if !w.closed() {
			t.Errorf("%s: the connection goes on: what followed was taken for a request", name)
		}
	}
	l.check()
	if a := raw(t, shared, "/writer/smuggle", get("/models/fraud/s1")); a.Status != http.StatusNotFound {
		t.Errorf("a refused PUT was stored: %d %q", a.Status, a.Body)
	}
}

// A second request sent before the first was answered may be refused, but is
// never taken for another one: its answer and its record are its own.
func TestPipelining(t *testing.T) {
	t.Parallel()
	who := "/fraud/pipeline"
	put(t, shared, who, "/models/fraud/p1", []byte("one"))
	put(t, shared, who, "/models/fraud/p2", []byte("two"))
	l := newLedger(t, shared)
	for range 10 {
		w := open(t, shared, who)
		w.send(get("/models/fraud/p1") + get("/models/fraud/p2") + get("/datasets/open/x"))
		for i, want := range []want{
			{status: http.StatusOK, decision: "allow", path: "models/fraud/p1"},
			{status: http.StatusOK, decision: "allow", path: "models/fraud/p2"},
			denied("GetObject", "datasets/open/x"),
		} {
			a, err := w.answer(http.MethodGet)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			if i > 0 && a.Status == http.StatusBadRequest {
				l.add(itoa(i), who, a, refused(http.StatusBadRequest, "InvalidRequest"))
				if !w.closed() {
					t.Error("the connection goes on after a refused request")
				}
				break
			}
			l.add(itoa(i), who, a, want)
		}
	}
	// Behind a chunked body: where it ends is not for the tap to know.
	w := open(t, shared, who)
	w.send("PUT /models/fraud/p4 HTTP/1.1\r\nHost: x\r\n" + trailerMode + "\r\nX-Amz-Decoded-Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get("/models/fraud/p1"))
	if _, err := w.answer(http.MethodPut); err != nil {
		t.Fatal(err)
	}
	if a, err := w.answer(http.MethodGet); err == nil {
		l.add("behind a chunked body", who, a, refused(http.StatusBadRequest, "InvalidRequest"))
		if !w.closed() {
			t.Error("the connection goes on after a refused request")
		}
	}
	// Behind a body of known length: the next request begins where it ends.
	w = open(t, shared, who)
	w.send(putRaw("/models/fraud/p3", "abc") + get("/models/fraud/p3"))
	if a, err := w.answer(http.MethodPut); err != nil || a.Status != http.StatusOK {
		t.Errorf("PUT: got %d %s, %v, want 200", a.Status, a.Body, err)
	}
	if a, err := w.answer(http.MethodGet); err != nil || string(a.Body) != "abc" {
		t.Errorf("GET behind the body: got %d %q, %v", a.Status, a.Body, err)
	}
	// A body on a GET is refused, and is not the next request.
	w = open(t, shared, who)
	evil := get("/models/fraud/p1")
	w.send("GET /models/fraud/p2 HTTP/1.1\r\nHost: x\r\nContent-Length: " + itoa(len(evil)) + "\r\n\r\n" + evil)
	a, err := w.answer(http.MethodGet)
	if err != nil {
		t.Fatal(err)
	}
	l.add("GET with a body", who, a, refused(http.StatusBadRequest, "InvalidRequest"))
	w.send(get("/models/fraud/p2"))
	if a, err = w.answer(http.MethodGet); err == nil && string(a.Body) != "two" {
		t.Errorf("after a GET with a body: got %d %q", a.Status, a.Body)
	}
	l.check()
}

// Headers and parameters that come twice are refused where they are read.
func TestTwice(t *testing.T) {
	t.Parallel()
	who := "/fraud/twice"
	put(t, shared, who, "/models/fraud/twice", []byte(text))
	l := newLedger(t, shared)
	for _, h := range []string{
		"Range: bytes=0-1\r\nRange: bytes=2-3", "If-Match: \"a-1\"\r\nIf-Match: \"b-1\"", "Authorization: AWS a:b\r\nAuthorization: AWS a:c",
		"X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nX-Amz-Content-Sha256: " + strings.Repeat("0", 64), "X-Amz-Meta-A: 1\r\nx-amz-meta-a: 2",
		"X-Amz-Copy-Source: /a/b\r\nX-Amz-Copy-Source: /a/c", "Content-Type: a/b\r\nContent-Type: c/d", "X-Amz-Date: 1\r\nX-Amz-Date: 1",
	} {
		l.add(h, who, raw(t, shared, who, "PUT /models/fraud/twice HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"+h+"\r\n\r\n"), refused(http.StatusBadRequest, "InvalidArgument"))
	}
	for _, q := range []string{"list-type=2&list-type=2", "list-type=2&prefix=fraud/&prefix=other/", "list-type=2&prefix=fraud/&%70refix=other/", "list-type=2&max-keys=1&max-keys=2"} {
		l.add(q, who, raw(t, shared, who, get("/models?"+q)), refused(http.StatusBadRequest, "InvalidArgument"))
	}
	l.add("uploads", who, raw(t, shared, who, get("/models?list-type=2&uploads")), refused(http.StatusNotImplemented, "NotImplemented"))
	for _, q := range []string{"acl&policy", "uploads&versions", "location&list-type=2&acl"} {
		l.add(q, who, raw(t, shared, who, get("/models?"+q)), refused(http.StatusBadRequest, "InvalidRequest"))
	}
	for _, q := range []string{"list-type=2&prefix=%00", "list-type=2&prefix=%ff", "list-type=2&prefix=%C0%AF", "list-type=2&prefix=%zz", "list-type=2&prefix=%"} {
		l.add(q, who, raw(t, shared, who, get("/models?"+q)), refused(http.StatusBadRequest, "InvalidURI"))
	}
	l.check()
}

// Signatures and keys of the client's own decide nothing and pretend nothing.
func TestSignatures(t *testing.T) {
	t.Parallel()
	who := "/fraud/signed"
	put(t, shared, who, "/models/fraud/signed", []byte(text))
	l := newLedger(t, shared)
	v4 := "AWS4-HMAC-SHA256 Credential=AKIA/20270101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)
	ok := want{status: http.StatusOK, decision: "allow", path: "models/fraud/signed"}
	for _, c := range []struct {
		name, target, header string
		want                 want
	}{
		{"SigV4", "", "Authorization: " + v4, ok},
		{"SigV2", "", "Authorization: AWS AKIA:c2lnbmF0dXJl", refused(400, "InvalidRequest")},
		{"basic", "", "Authorization: Basic d3JpdGVyOng=", refused(400, "InvalidArgument")},
		{"bearer", "", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.", refused(400, "InvalidArgument")},
		{"V4 without host", "", "Authorization: " + strings.Replace(v4, "host;", "", 1), refused(400, "AuthorizationHeaderMalformed")},
		{"V4 of another service", "", "Authorization: " + strings.Replace(v4, "/s3/", "/sts/", 1), refused(400, "AuthorizationHeaderMalformed")},
		{"V4 with two signatures", "", "Authorization: " + v4 + ", Signature=" + strings.Repeat("1", 64), refused(400, "AuthorizationHeaderMalformed")},
		{"presigned V4", "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=20270101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=0", "X-A: b", refused(400, "InvalidRequest")},
		{"presigned V4, lower case", "?x-amz-signature=0", "X-A: b", refused(400, "InvalidRequest")},
		{"presigned V2", "?AWSAccessKeyId=a&Signature=b&Expires=1", "X-A: b", refused(400, "InvalidRequest")},
		{"SSE-C", "", "X-Amz-Server-Side-Encryption-Customer-Algorithm: AES256", refused(400, "InvalidRequest")},
		{"SSE-C key", "", "X-Amz-Server-Side-Encryption-Customer-Key: AAAA", refused(400, "InvalidRequest")},
		{"SSE-C of a copy", "", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key: AAAA", refused(400, "InvalidRequest")},
		{"expected owner", "", "X-Amz-Expected-Bucket-Owner: 1", refused(403, "AccessDenied")},
		{"version", "?versionId=null", "X-A: b", ok},
		{"a parameter of tomorrow", "?newthing", "X-A: b", refused(501, "NotImplemented")},
	} {
		a := raw(t, shared, who, "GET /models/fraud/signed"+c.target+" HTTP/1.1\r\nHost: x\r\n"+c.header+"\r\n\r\n")
		l.add(c.name, who, a, c.want)
		if c.want.code != "" && strings.Contains(string(a.Body), text) {
			t.Errorf("%s: the object was given out", c.name)
		}
	}
	l.check()
	// The same on HEAD is 403: some clients would ask again without end.
	if a := raw(t, shared, who, "HEAD /models/fraud/signed HTTP/1.1\r\nHost: x\r\nAuthorization: AWS a:b\r\n\r\n"); a.Status != http.StatusForbidden {
		t.Errorf("SigV2 on HEAD: got %d, want 403", a.Status)
	}
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func crc(s string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))))
}

func md5sum(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

const (
	trailerMode = "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nContent-Encoding: aws-chunked\r\nX-Amz-Trailer: x-amz-checksum-crc32"
	signedMode  = "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Encoding: aws-chunked"
)

// uploads whose body is not what was announced. length -1 sends it chunked.
var badUploads = []struct {
	name, header, body string
	length             int
	want               want
}{
	{"wrong SHA-256", "X-Amz-Content-Sha256: " + sha("other"), text, len(text), want{status: 400, code: "XAmzContentSHA256Mismatch"}},
	{"wrong CRC32", "X-Amz-Checksum-Crc32: " + crc("other"), text, len(text), want{status: 400, code: "BadDigest"}},
	{"wrong MD5", "Content-Md5: " + md5sum("other"), text, len(text), want{status: 400, code: "BadDigest"}},
	{"MD5 of another length", "Content-Md5: AAAA", text, len(text), refused(400, "InvalidDigest")},
	{"checksum of another length", "X-Amz-Checksum-Crc32: AAAA", text, len(text), refused(400, "InvalidRequest")},
	{"two checksums", "X-Amz-Checksum-Crc32: " + crc(text) + "\r\nX-Amz-Checksum-Sha1: 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", text, len(text), refused(400, "InvalidRequest")},
	{"checksum of tomorrow", "X-Amz-Checksum-Blake3: AAAA", text, len(text), refused(400, "InvalidRequest")},
	{"announced checksum that is not sent", "X-Amz-Sdk-Checksum-Algorithm: SHA256", text, len(text), refused(400, "InvalidRequest")},
	{"no length", "X-A: b", text, -1, refused(411, "MissingContentLength")},
	{"trailer without framing", "X-Amz-Trailer: x-amz-checksum-crc32", text, len(text), refused(400, "InvalidRequest")},
	{"framing without its mode", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nContent-Encoding: aws-chunked", text, len(text), refused(400, "InvalidRequest")},
	{"mode of tomorrow", "X-Amz-Content-Sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", text, len(text), refused(501, "NotImplemented")},
	{"no mode", "X-Amz-Content-Sha256: abc", text, len(text), refused(400, "InvalidArgument")},
	{"chunk larger than announced", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 3", "4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"chunks smaller than announced", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 5", "4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"wrong trailer", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abce") + "\r\n\r\n", -1, want{status: 400, code: "BadDigest"}},
	{"no trailer", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nabcd\r\n0\r\n\r\n", -1, want{status: 400, code: "MalformedTrailerError"}},
	{"another trailer", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nabcd\r\n0\r\nx-amz-checksum-sha1:2jmj7l5rSw0yVb/vlWAYkK/YBwk=\r\n\r\n", -1, want{status: 400, code: "MalformedTrailerError"}},
	{"one more trailer", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\nx-amz-meta-a:b\r\n\r\n", -1, want{status: 400, code: "MalformedTrailerError"}},
	{"bytes after the end", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\nmore", -1, want{status: 400, code: "InvalidRequest"}},
	{"bare LF in the framing", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"chunk size with a sign", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "+4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"chunk size with 0x", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "0x4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"chunk size of 17 digits", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "00000000000000004\r\nabcd\r\n0\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"huge chunk", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "7fffffffffffffff\r\nabcd\r\n0\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"a chunk extension", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4;x=y\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"a chunk longer than its header", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "3\r\nabcd\r\n0\r\nx-amz-checksum-crc32:" + crc("abcd") + "\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"a line without end", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", strings.Repeat("4", 9000), -1, want{status: 400, code: "IncompleteBody"}},
	{"no framing at all", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 43", text, -1, want{status: 400}},
	{"cut framing", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nab", -1, want{status: 400, code: "IncompleteBody"}},
	{"decoded length that is none", trailerMode + "\r\nX-Amz-Decoded-Content-Length: x", "", -1, refused(411, "MissingContentLength")},
	{"negative decoded length", trailerMode + "\r\nX-Amz-Decoded-Content-Length: -1", "", -1, refused(411, "MissingContentLength")},
	{"no decoded length", trailerMode, "0\r\n\r\n", -1, refused(411, "MissingContentLength")},
	{"decoded length above the content length", trailerMode + "\r\nX-Amz-Decoded-Content-Length: 400", "4\r\nabcd\r\n0\r\n\r\n", 14, refused(400, "IncompleteBody")},
	{"signed mode without signatures", signedMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4\r\nabcd\r\n0\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"signed mode with a short signature", signedMode + "\r\nX-Amz-Decoded-Content-Length: 4", "4;chunk-signature=00\r\nabcd\r\n0;chunk-signature=00\r\n\r\n", -1, want{status: 400, code: "IncompleteBody"}},
	{"larger than any object", "X-A: b", "", 1 << 40, want{status: 400, code: "EntityTooLarge"}},
	{"metadata too large", "X-Amz-Meta-A: " + strings.Repeat("m", 1300), text, len(text), refused(400, "MetadataTooLarge")},
	{"reserved metadata", "X-Amz-Meta-Sg1: AAAA", text, len(text), refused(400, "InvalidArgument")},
	{"reserved metadata, upper case", "X-AMZ-META-SG1: AAAA", text, len(text), refused(400, "InvalidArgument")},
	{"metadata of the gateway", "X-Amz-Meta-Sealgate-X: AAAA", text, len(text), refused(400, "InvalidArgument")},
	{"metadata that is not UTF-8", "X-Amz-Meta-A: \xff\xfe", text, len(text), refused(400, "InvalidArgument")},
	{"public ACL", "X-Amz-Acl: public-read", text, len(text), refused(400, "AccessControlListNotSupported")},
	{"a granted ACL", "X-Amz-Grant-Read: id=1", text, len(text), refused(400, "AccessControlListNotSupported")},
	{"tagging", "X-Amz-Tagging: a=b", text, len(text), denied("PutObject", "")},
	{"half a lock", "X-Amz-Object-Lock-Mode: GOVERNANCE", text, len(text), refused(400, "InvalidArgument")},
	{"redirect to what is no location", "X-Amz-Website-Redirect-Location: javascript:evil", text, len(text), refused(400, "InvalidRedirectLocation")},
	{"redirect under the gateway's own name", "X-Amz-Meta-Sealgate-Redirect: https://evil.example", text, len(text), refused(400, "InvalidArgument")},
	{"append", "X-Amz-Write-Offset-Bytes: 3", text, len(text), refused(501, "NotImplemented")},
	{"storage class", "X-Amz-Storage-Class: GLACIER", text, len(text), refused(400, "InvalidStorageClass")},
	{"condition with a list", "If-Match: \"a-1\", \"b-1\"", text, len(text), refused(400, "InvalidArgument")},
	{"If-None-Match with a tag", "If-None-Match: \"a-1\"", text, len(text), refused(501, "NotImplemented")},
	{"If-Unmodified-Since", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", text, len(text), refused(501, "NotImplemented")},
	{"copy source", "X-Amz-Copy-Source: /datasets/open/x", "", 0, denied("CopyObject", "")},
	{"copy source that climbs", "X-Amz-Copy-Source: /models/fraud/../other/x", "", 0, refused(400, "InvalidArgument")},
}

// Uploads whose body is not what was announced change nothing: neither is
// anything stored, nor what was there replaced.
func TestBadUploads(t *testing.T) {
	t.Parallel()
	who := "/fraud/uploads"
	put(t, shared, who, "/models/fraud/up/there", []byte(text))
	l := newLedger(t, shared)
	for i, c := range badUploads {
		for _, key := range []string{"fraud/up/there", "fraud/up/new" + itoa(i)} {
			request := "PUT /models/" + key + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + c.header + "\r\n"
			if c.length >= 0 {
				request += "Content-Length: " + itoa(c.length) + "\r\n\r\n" + c.body
			} else {
				request += fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(c.body), c.body)
				request = strings.Replace(request, "\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n0\r\n\r\n", 1) // an empty body has one last chunk
			}
			w := c.want
			switch w.path = "models/" + key; c.name {
			case "metadata that is not UTF-8":
				w.path = "" // the request could not be read
			case "copy source":
				w.path = "datasets/open/x" // that is what may not be read
			}
			if w.event == "" && w.reason == "" && w.code != "EntityTooLarge" { // the intent was recorded, then the body came
				w.decision, w.outcome = "allow", w.status
			}
			if w.code == "EntityTooLarge" { // before the intent: nothing was begun
				a := raw(t, shared, who, request)
				if a.Status != 400 || errorOf(a).Code != w.code {
					t.Errorf("%s: got %d %s, want 400 %s", c.name, a.Status, a.Body, w.code)
				}
				continue
			}
			l.add(c.name+" at "+key, who, raw(t, shared, who, request), w)
		}
	}
	l.check()
	if got := storedKeys(t, shared, "models", "fraud/up/"); len(got) != 1 {
		t.Errorf("stored afterwards: %q, want what was there alone", got)
	}
	if a := raw(t, shared, who, get("/models/fraud/up/there")); string(a.Body) != text {
		t.Errorf("what was there is now %q", a.Body)
	}
}

// A body that ends early, and a client that just goes, leave nothing.
func TestShortBodies(t *testing.T) {
	t.Parallel()
	who := "/fraud/short"
	for name, request := range map[string]string{
		"length":  "PUT /models/fraud/short/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 200_000),
		"chunked": "PUT /models/fraud/short/b HTTP/1.1\r\nHost: x\r\n" + trailerMode + "\r\nX-Amz-Decoded-Content-Length: 1000000\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\nf4240\r\n" + strings.Repeat("x", 200_000-7),
	} {
		for _, how := range []string{"clean end", "reset"} {
			w := open(t, shared, who)
			w.send(request)
			if how == "clean end" {
				_ = w.CloseWrite()
				if a, err := w.answer(http.MethodPut); err == nil && a.Status < 400 {
					t.Errorf("%s, %s: got %d, want an error", name, how, a.Status)
				}
			}
			_ = w.NetConn().Close()
		}
	}
	expectSoon(t, func() bool {
		n := 0
		for _, r := range outcomes(t, shared, id(who), "PutObject") {
			if r.Status >= http.StatusBadRequest && r.ObjectDigest == "" {
				n++
			}
		}
		return n == 4
	}, "the failed outcomes of 4 uploads")
	if got := storedKeys(t, shared, "models", "fraud/short/"); len(got) > 0 {
		t.Errorf("stored afterwards: %q", got)
	}
}

// A client that dribbles its request head is cut.
func TestSlowHead(t *testing.T) {
	t.Parallel()
	start := time.Now()
	w := open(t, shared, "/fraud/slow")
	w.send("GET /models/fraud/a HTTP/1.1\r\nHost: x\r\n")
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		_, _ = io.Copy(io.Discard, w.Conn)
	}()
	for time.Since(start) < 20*time.Second {
		select {
		case <-cut:
			if took := time.Since(start); took < 3*time.Second {
				t.Errorf("cut after %s, want about 5s", took)
			}
			return
		case <-time.After(300 * time.Millisecond):
			w.send("X: y\r\n")
		}
	}
	t.Error("a dribbled head is still being read after 20s")
}

// A client that does not even begin its handshake is cut too.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	start := time.Now()
	c := plainDial(t, shared)
	_, _ = c.Write([]byte{0x16, 3, 1, 2, 0})
	_ = c.SetReadDeadline(start.Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil && time.Since(start) > 19*time.Second {
		t.Error("a stalled handshake is still open after 20s")
	}
	if took := time.Since(start); took < 3*time.Second {
		t.Errorf("cut after %s, want about 5s", took)
	}
}

// A body below the least rate is cut at the end of the window, and nothing
// is stored.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	who := "/fraud/slowbody"
	start := time.Now()
	w := open(t, shared, who)
	w.send("PUT /models/fraud/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				w.send("xxxxxxxx")
			}
		}
	}()
	a, err := w.answer(http.MethodPut)
	close(stop)
	took := time.Since(start)
	if err != nil || a.Status != http.StatusBadRequest || errorOf(a).Code != "RequestTimeout" {
		t.Errorf("got %d %s, %v, want 400 RequestTimeout", a.Status, a.Body, err)
	}
	if took < 25*time.Second || took > 45*time.Second {
		t.Errorf("cut after %s, want about 30s", took)
	}
	l := newLedger(t, shared)
	l.add("slow body", who, a, want{status: http.StatusBadRequest, decision: "allow", action: "PutObject", path: "models/fraud/slow", outcome: http.StatusBadRequest})
	l.check()
	if got := storedKeys(t, shared, "models", "fraud/slow"); len(got) > 0 {
		t.Errorf("stored afterwards: %q", got)
	}
}

// A client that does not read what it asked for is cut.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	who := "/writer/slowreader"
	put(t, shared, who, "/datasets/slow/big", make([]byte, 32<<20))
	w := open(t, shared, who)
	w.send(get("/datasets/slow/big"))
	time.Sleep(27 * time.Second)
	expectSoon(t, func() bool {
		r := outcomes(t, shared, id(who), "GetObject")
		return len(r) == 1 && r[0].Abort == "client_timeout" && r[0].BytesSent < 32<<20
	}, "the record of a reader that was cut")
}
