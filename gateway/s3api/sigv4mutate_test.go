// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// signedHead is the head of a request as bytes, all of whose headers are
// signed, with the operation that it asks for.
type signedHead struct {
	name  string
	lines []string // request line and headers
	op    Op
}

func (h signedHead) raw(lines []string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// signedHeads are requests of several shapes, each signed.
func signedHeads(tb testing.TB) []signedHead {
	tb.Helper()
	c := Credentials{AccessKey: exampleKey, Secret: exampleSecret, Token: "dG9rZW4="}
	var out []signedHead
	for _, x := range []struct {
		name, method, target string
		header               []string
		presign              bool
	}{
		{"put", "PUT", "/models/fraud/v1%20%2B.bin", []string{"Content-Type", "model/x", "X-Amz-Meta-Run", "4 2", "If-None-Match", "*", "X-Amz-Decoded-Content-Length", "0"}, false},
		{"part", "PUT", "/models/k?partNumber=2&uploadId=a%2Fb", []string{"X-Amz-Checksum-Crc32", "AAAAAA=="}, false},
		{"get", "GET", "/models/a//b%2Fc?response-content-type=text%2Fplain", []string{"Range", "bytes=10-19", "If-Match", `"abc-1"`}, false},
		{"list", "GET", "/models?list-type=2&prefix=a%20b&max-keys=7&delimiter=%2F", nil, false},
		{"copy", "PUT", "/models/k2", []string{"X-Amz-Copy-Source", "/models/k", "X-Amz-Metadata-Directive", "COPY"}, false},
		{"delete", "DELETE", "/models/k?versionId=v1", nil, false},
		{"presigned get", "GET", "/models/k?response-content-type=a%2Fb", []string{"Range", "bytes=1-2"}, true},
		{"presigned put", "PUT", "/models/k", []string{"If-None-Match", "*", "X-Amz-Meta-Run", "42", "Content-Type", "a/b"}, true},
	} {
		u, err := url.Parse("https://localhost:9444" + x.target)
		if err != nil {
			tb.Fatal(err)
		}
		h := http.Header{}
		for i := 0; i < len(x.header); i += 2 {
			h.Set(x.header[i], x.header[i+1])
		}
		r := &http.Request{Method: x.method, URL: u, Header: h}
		if x.presign {
			r.URL, err = Presign(x.method, u, h, c, "us-east-1", exampleTime, time.Hour)
		} else {
			err = SignHeader(r, c, "us-east-1", emptySHA256, exampleTime)
		}
		if err != nil {
			tb.Fatal(err)
		}
		head := signedHead{name: x.name, lines: []string{x.method + " " + r.URL.RequestURI() + " HTTP/1.1", "Host: localhost:9444"}}
		for name, values := range r.Header {
			head.lines = append(head.lines, name+": "+values[0])
		}
		slices.Sort(head.lines[2:])
		in, op, err := take(head.raw(head.lines))
		if err != nil || in == nil {
			tb.Fatalf("%s: %v", x.name, err)
		}
		head.op = op
		out = append(out, head)
	}
	return out
}

// take serves a request as far as its signature and its meaning: the
// operation, or why it is refused. A request that net/http refuses is nil.
func take(raw string) (*Signed, Op, error) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		return nil, nil, errors.New("net/http refuses it")
	}
	s, err := ReadSignature(r)
	switch {
	case err != nil:
		return nil, nil, err
	case s == nil:
		return nil, nil, errors.New("unsigned")
	}
	v, err := s.Verify(r, []byte(exampleSecret), exampleTime.Add(time.Minute))
	if err != nil {
		return nil, nil, err
	}
	if v == nil {
		return nil, nil, errors.New("no Verified and no error")
	}
	op, err := Parse(r, Options{Listener: SessionKeys})
	return s, op, err
}

// Whatever one byte of a signed request is changed to: it is refused, or it
// means exactly what was signed.
func TestEveryByteOfASignedRequest(t *testing.T) {
	t.Parallel()
	for _, h := range signedHeads(t) {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			raw := h.raw(h.lines)
			same, tried := 0, 0
			for i := range len(raw) - 4 {
				for _, b := range []byte{raw[i] ^ 1, raw[i] ^ 0x20, 'a', '0', ' ', '/', '%', '+', ',', ';', '=', '&', ':', '\n', 0} {
					if b == raw[i] {
						continue
					}
					tried++
					if sameMeaning(t, h, raw[:i]+string([]byte{b})+raw[i+1:]) {
						same++
					}
				}
				sameMeaning(t, h, raw[:i]+raw[i+1:])
			}
			// The case of header names, HTTP/1.0, the access key itself.
			if same*20 > tried {
				t.Errorf("%d of %d changes were taken", same, tried)
			}
		})
	}
}

// sameMeaning reports whether a changed request is taken; it fails the test
// when it is and means another thing than the signed one.
func sameMeaning(t *testing.T, h signedHead, raw string) bool {
	t.Helper()
	s, op, err := take(raw)
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			checkSilence(t, e)
		}
		return false
	}
	if s.AccessKey != exampleKey {
		return false // another key has another secret
	}
	if s.Token != "dG9rZW4=" || !reflect.DeepEqual(op, h.op) {
		t.Fatalf("taken under the signature of another request:\n%s\nmeans %+v\nsigned %+v", raw, op, h.op)
	}
	return true
}

// checkSilence: no error shows a secret, a token or a signature.
func checkSilence(t *testing.T, e *Error) {
	t.Helper()
	text := fmt.Sprint(e.Message, e.Extra, e.Err)
	for _, secret := range []string{exampleSecret, "dG9rZW4", "Signature=", "X-Amz-Signature="} {
		if strings.Contains(text, secret) {
			t.Fatalf("an error shows %q: %s", secret, text)
		}
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		if len(word) > 20 {
			t.Fatalf("an error shows what may be a signature: %s", text)
		}
	}
}

// Headers and parameters that are added, left out, doubled, moved or renamed.
func TestChangedParts(t *testing.T) {
	t.Parallel()
	for _, h := range signedHeads(t) {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			try := func(what string, lines []string) {
				t.Helper()
				if sameMeaning(t, h, h.raw(lines)) {
					t.Errorf("taken: %s\n%s", what, strings.Join(lines, "\n"))
				}
			}
			for i := 1; i < len(h.lines); i++ {
				name, value, _ := strings.Cut(h.lines[i], ": ")
				try("without "+name, slices.Delete(slices.Clone(h.lines), i, i+1))
				try("twice "+name, slices.Insert(slices.Clone(h.lines), i, h.lines[i]))
				try("another "+name, slices.Insert(slices.Clone(h.lines), i+1, name+": another"))
				other := slices.Clone(h.lines)
				other[i] = name + ": " + value + "x"
				try("longer "+name, other)
				other = slices.Clone(h.lines)
				other[i] = name + ":"
				try("empty "+name, other)
			}
			for _, add := range []string{
				"x-amz-acl: private", "x-amz-copy-source: /models/other", "x-amz-tagging: a=b", "x-amz-meta-more: 1", "X-AMZ-META-MORE: 1",
				"x-amz-storage-class: STANDARD", "x-amz-security-token: other", "x-amz-security-token:", "x-amz-date: 20130524T000001Z", "x-amz-website-redirect-location: /",
				"x-amz-server-side-encryption: AES256", "Host: other", "Authorization: AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=" + sig,
			} {
				try("with "+add, append(slices.Clone(h.lines), add))
			}
			changedTarget(t, h, try)
		})
	}
}

func changedTarget(t *testing.T, h signedHead, try func(string, []string)) {
	t.Helper()
	method, rest, _ := strings.Cut(h.lines[0], " ")
	target, _, _ := strings.Cut(rest, " ")
	path, query, _ := strings.Cut(target, "?")
	with := func(method, target string) []string {
		return append([]string{method + " " + target + " HTTP/1.1"}, h.lines[1:]...)
	}
	for _, m := range []string{"GET", "PUT", "HEAD", "DELETE", "POST", "get"} {
		if m != method {
			try("as "+m, with(m, target))
		}
	}
	for _, p := range []string{path + "/", "/" + path, path + "x", path + "%20", "/." + path, "/models/../models" + path[7:], strings.ToUpper(path), strings.Replace(path, "/models", "/%6dodels", 1), "https://localhost:9444" + path} {
		try("path "+p, with(method, p+"?"+query))
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		if p == "" {
			continue
		}
		name, _, _ := strings.Cut(p, "=")
		try("without "+name, with(method, path+"?"+strings.Join(slices.Delete(slices.Clone(params), i, i+1), "&")))
		try("twice "+name, with(method, path+"?"+query+"&"+p))
		try("longer "+name, with(method, path+"?"+strings.Replace(query, p, p+"x", 1)))
		try("lower "+name, with(method, path+"?"+strings.Replace(query, p, strings.ToLower(name)+"_"+p[len(name):], 1)))
	}
	for _, add := range []string{"acl", "versionId=x", "x-id=GetObject", "partNumber=1", "X-Amz-Expires=99", "X-Amz-Signature=" + sig, "x-amz-meta-more=1", "Signature=x", "X-Amz-Security-Token=x"} {
		try("with "+add, with(method, strings.TrimSuffix(path+"?"+query, "?")+map[bool]string{true: "?", false: "&"}[query == ""]+add))
	}
}

// A query that is ordered or escaped otherwise is the same query.
func TestSameQueryOtherwise(t *testing.T) {
	t.Parallel()
	for _, h := range signedHeads(t) {
		if h.name != "list" {
			continue
		}
		for _, q := range []string{
			"max-keys=7&prefix=a+b&delimiter=/&list-type=2", "&list-type=2&&prefix=a%20b&max-keys=%37&delimiter=%2f&", "list%2Dtype=2&prefix=a%20b&max-keys=7&delimiter=%2F",
		} {
			lines := slices.Clone(h.lines)
			lines[0] = "GET /models?" + q + " HTTP/1.1"
			if !sameMeaning(t, h, h.raw(lines)) {
				_, _, err := take(h.raw(lines))
				t.Errorf("%s is refused: %v", q, err)
			}
		}
		return
	}
	t.Fatal("the list is gone")
}

// FuzzSignedRequest: no request makes the reader or the verifier
// fall over, and no error shows what must stay hidden.
func FuzzSignedRequest(f *testing.F) {
	for _, h := range signedHeads(f) {
		f.Add([]byte(h.raw(h.lines)))
	}
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 \r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nA=b"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		s, err := ReadSignature(r)
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%v is no *Error", err)
		}
		if s == nil {
			return
		}
		_, err = s.Verify(r, []byte("another secret"), exampleTime)
		if e := (*Error)(nil); err == nil || !errors.As(err, &e) {
			t.Fatalf("verified under another secret: %v", err)
		}
		if text := fmt.Sprintf("%+v", s); strings.Contains(text, "[") {
			t.Fatalf("it shows itself: %s", text)
		}
	})
}
