// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTimesOfASignature(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct {
		name  string
		lines []string
		at    time.Duration // after exampleTime
		code  string
	}{
		{"header, at once", examples["list"], 0, ""},
		{"header, 15 minutes old", examples["list"], MaxSkew, ""},
		{"header, older", examples["list"], MaxSkew + s, "RequestTimeTooSkewed"},
		{"header, 15 minutes ahead", examples["list"], -MaxSkew, ""},
		{"header, further ahead", examples["list"], -MaxSkew - s, "RequestTimeTooSkewed"},
		{"header, a year old", examples["list"], 365 * 24 * time.Hour, "RequestTimeTooSkewed"},
		{"presigned, at once", presignedExample, 0, ""},
		{"presigned, at its end", presignedExample, 24 * time.Hour, ""},
		{"presigned, after its end", presignedExample, 24*time.Hour + s, "AccessDenied"},
		{"presigned, a little ahead", presignedExample, -MaxSkew, ""},
		{"presigned, far ahead", presignedExample, -MaxSkew - s, "RequestTimeTooSkewed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := exampleTime.Add(c.at)
			_, err := verified(wire(t, c.lines...), now)
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := wantError(t, err, c.code, 403)
			if text := fmt.Sprint(e.Extra); !strings.Contains(text, "{ServerTime "+now.Format(time.RFC3339)+"}") {
				t.Errorf("the error does not say what time it is: %s", text)
			}
		})
	}
}

// replaced gives the lines with the one that begins like that replaced, or
// left out when it is "".
func replaced(lines []string, prefix, line string) []string {
	out := []string{}
	for _, l := range lines {
		switch {
		case !strings.HasPrefix(l, prefix):
			out = append(out, l)
		case line != "":
			out = append(out, line)
		}
	}
	return out
}

func TestWhatMustBeSigned(t *testing.T) {
	t.Parallel()
	list := examples["list"]
	auth := list[3]
	for _, c := range []struct {
		name, code string
		lines      []string
		extra      string
	}{
		{"no time", "AccessDenied", replaced(list, "x-amz-date", ""), ""},
		{"a time that is none", "AccessDenied", replaced(list, "x-amz-date", "x-amz-date: 03032006"), ""},
		{"a time in another form", "AccessDenied", replaced(list, "x-amz-date", "x-amz-date: Fri, 24 May 2013 00:00:00 GMT"), ""},
		{"a time with a fraction", "AccessDenied", replaced(list, "x-amz-date", "x-amz-date: 20130524T000000.5Z"), ""},
		{"Date alone", "AccessDenied", replaced(list, "x-amz-date", "Date: Fri, 24 May 2013 00:00:00 GMT"), ""},
		{"no digest of the body", "InvalidRequest", replaced(list, "x-amz-content-sha256", ""), ""},
		{"the scope has another date", "AuthorizationHeaderMalformed", replaced(list, "Auth", strings.Replace(auth, "20130524", "20130525", 1)), ""},
		{"the scope has another region", "SignatureDoesNotMatch", replaced(list, "Auth", strings.Replace(auth, "us-east-1", "us-east-2", 1)), ""},
		{"the scope has another service", "SignatureDoesNotMatch", replaced(list, "Auth", strings.Replace(auth, "/s3/", "/sts/", 1)), ""},
		{"a signed header is not there", "SignatureDoesNotMatch", replaced(list, "Auth", strings.Replace(auth, "host;", "host;range;", 1)), ""},
		{"x-amz-date is not signed", "AccessDenied", replaced(list, "Auth", strings.Replace(auth, ";x-amz-date", "", 1)), "x-amz-date"},
		{"x-amz-content-sha256 is not signed", "AccessDenied", replaced(list, "Auth", strings.Replace(auth, ";x-amz-content-sha256", "", 1)), "x-amz-content-sha256"},
		{"two headers are not signed", "AccessDenied", append([]string{list[0], "X-Amz-Tagging: a=b", "X-Amz-Copy-Source: /models/b"}, list[1:]...), "x-amz-copy-source, x-amz-tagging"},
		{"an empty header is not signed", "AccessDenied", append([]string{list[0], "x-amz-acl:"}, list[1:]...), "x-amz-acl"},
		{"a token is not signed", "AccessDenied", append([]string{list[0], "x-amz-security-token: other"}, list[1:]...), "x-amz-security-token"},
		{"presigned: a header is not signed", "AccessDenied", append([]string{presignedExample[0], "x-amz-copy-source: /models/b"}, presignedExample[1:]...), "x-amz-copy-source"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := verified(wire(t, c.lines...), exampleTime)
			e := wantError(t, err, c.code, Codes[c.code].Status)
			checkSilence(t, &e)
			if text := fmt.Sprint(e.Extra); c.extra != "" && text != "[{HeadersNotSigned "+c.extra+"}]" {
				t.Errorf("the error names %s, want %s", text, c.extra)
			}
			// There is no body to explain a 400 to HEAD.
			head := append([]string{strings.Replace(c.lines[0], "GET", "HEAD", 1)}, c.lines[1:]...)
			_, err = verified(wire(t, head...), exampleTime)
			wantError(t, err, c.code, 403)
		})
	}
}

// Headers that mean nothing to S3 need not be signed; net/http keeps some in
// other places.
// What is no payload mode is called so before the signature is looked at: an SDK
// that signs another one than it sends would look for a wrong secret.
func TestPayloadOfNoForm(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"invalid_sha256", "UNSIGNED", strings.Repeat("g", 64)} {
		_, err := verified(wire(t, replaced(examples["list"], "x-amz-content-sha256:", "x-amz-content-sha256: "+value)...), exampleTime)
		if e := wantError(t, err, "InvalidArgument", 400); e.Extra[0].Value != "x-amz-content-sha256" {
			t.Errorf("%s: %+v", value, e.Extra)
		}
	}
	_, err := verified(wire(t, replaced(examples["list"], "x-amz-content-sha256:", "x-amz-content-sha256: UNSIGNED-PAYLOAD")...), exampleTime)
	wantError(t, err, "SignatureDoesNotMatch", 403)
}

func TestWhatNeedNotBeSigned(t *testing.T) {
	t.Parallel()
	lines := append([]string{"GET /?max-keys=2&prefix=J"}, "User-Agent: curl", "Accept-Encoding: gzip", "Expect: 100-continue", "X-Forwarded-For: 1.2.3.4", "Cookie: a=b", "Cookie: c=d")
	if _, err := verified(wire(t, append(lines, examples["list"][1:]...)...), exampleTime); err != nil {
		t.Error(err)
	}
	for _, x := range []struct{ name, signed, header string }{
		{"length", "content-length;host;x-amz-content-sha256;x-amz-date", "Content-Length: 3"},
		{"coding", "host;transfer-encoding;x-amz-content-sha256;x-amz-date", "Transfer-Encoding: chunked"},
		{"two lines", "host;x-amz-content-sha256;x-amz-date;x-custom", "X-Custom: a  b\r\nX-Custom:  c "},
	} {
		s := &Signed{Date: "20130524", Region: "us-east-1", Service: "s3", Time: exampleTime, headers: strings.Split(x.signed, ";")}
		text := "PUT\n/models/k\n\n"
		for _, name := range s.headers {
			text += name + ":" + map[string]string{
				"host": "localhost", "content-length": "3", "transfer-encoding": "chunked", "x-custom": "a b,c",
				"x-amz-date": "20130524T000000Z", "x-amz-content-sha256": unsignedPayload,
			}[name] + "\n"
		}
		signature := s.sign(s.signingKey([]byte(exampleSecret)), text+"\n"+x.signed+"\n"+unsignedPayload)
		r := wire(t, "PUT /models/k", "Host: localhost", "x-amz-date: 20130524T000000Z", "x-amz-content-sha256: "+unsignedPayload, x.header,
			fmt.Sprintf("Authorization: AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%x", exampleScope, x.signed, signature))
		if _, err := verified(r, exampleTime); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

func TestFormOfAPresignedRequest(t *testing.T) {
	t.Parallel()
	line := presignedExample[0]
	for _, c := range []struct{ name, code, line string }{
		{"algorithm", "AuthorizationQueryParametersError", strings.Replace(line, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", 1)},
		{"terminal", "AuthorizationQueryParametersError", strings.Replace(line, "aws4_request", "aws5_request", 1)},
		{"service", "AuthorizationQueryParametersError", strings.Replace(line, "%2Fs3%2F", "%2Fsns%2F", 1)},
		{"short credential", "AuthorizationQueryParametersError", strings.Replace(line, "us-east-1%2Fs3%2F", "", 1)},
		{"date of the credential", "AuthorizationQueryParametersError", strings.Replace(line, "20130524%2F", "2013-5-2%2F", 1)},
		{"line feed in the region", "AuthorizationQueryParametersError", strings.Replace(line, "us-east-1", "us%0Aeast", 1)},
		{"another date", "AuthorizationQueryParametersError", strings.Replace(line, "X-Amz-Date=20130524", "X-Amz-Date=20130525", 1)},
		{"a date that is none", "AuthorizationQueryParametersError", strings.Replace(line, "T000000Z", "", 1)},
		{"expires not at all", "AuthorizationQueryParametersError", strings.Replace(line, "Expires=86400", "Expires=0", 1)},
		{"expires before", "AuthorizationQueryParametersError", strings.Replace(line, "Expires=86400", "Expires=-3", 1)},
		{"expires too late", "AuthorizationQueryParametersError", strings.Replace(line, "Expires=86400", "Expires=604801", 1)},
		{"expires beyond 63 bits", "AuthorizationQueryParametersError", strings.Replace(line, "Expires=86400", "Expires=99999999999999999999", 1)},
		{"expires in words", "AuthorizationQueryParametersError", strings.Replace(line, "Expires=86400", "Expires=1h", 1)},
		{"expires with a sign", "AuthorizationQueryParametersError", strings.Replace(line, "Expires=86400", "Expires=%2B86400", 1)},
		{"host not signed", "AuthorizationQueryParametersError", strings.Replace(line, "SignedHeaders=host", "SignedHeaders=range", 1)},
		{"short signature", "AuthorizationQueryParametersError", line[:len(line)-1]},
		{"spelled otherwise", "AuthorizationQueryParametersError", strings.Replace(line, "X-Amz-Expires", "x-amz-expires", 1)},
		{"spelled twice", "AuthorizationQueryParametersError", line + "&x-amz-signature=" + sig},
		{"doubled", "InvalidArgument", line + "&X-Amz-Signature=" + sig},
		{"digest in two places", "AuthorizationQueryParametersError", line + "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-content-sha256=" + emptySHA256},
		{"version 2 besides", "InvalidRequest", line + "&Signature=abc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := verified(wire(t, c.line, presignedExample[1]), exampleTime)
			e := wantError(t, err, c.code, 400)
			checkSilence(t, &e)
			_, err = Parse(wire(t, c.line, presignedExample[1]), Options{Listener: SessionKeys})
			if c.name != "another date" { // which the verifier sees
				wantError(t, err, c.code, 400)
			}
		})
	}
	for _, name := range signatureParams[:6] {
		u, err := url.Parse("http://h" + strings.TrimPrefix(line, "GET "))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Del(name)
		_, err = ReadSignature(wire(t, "GET /test.txt?"+q.Encode(), presignedExample[1]))
		wantError(t, err, "AuthorizationQueryParametersError", 400)
	}
	// One request, two signatures: which of them speaks?
	_, err := ReadSignature(wire(t, append([]string{line}, examples["list"][1:]...)...))
	wantError(t, err, "InvalidRequest", 400)
	_, err = ReadSignature(wire(t, line, presignedExample[1], "x-amz-security-token: t"))
	wantError(t, err, "AuthorizationQueryParametersError", 400)
}

func TestUnsignedRequests(t *testing.T) {
	t.Parallel()
	s, err := ReadSignature(wire(t, "GET /models/k?prefix=a", "Host: h", "x-amz-date: x"))
	if s != nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
	_, err = ReadSignature(wire(t, "GET http://other/models/k", "Host: h"))
	wantError(t, err, "InvalidURI", 400)
}

func TestInvalidAccessKeyID(t *testing.T) {
	t.Parallel()
	e := InvalidAccessKeyID(&Signed{AccessKey: "AKID"})
	if e.Status != 403 || fmt.Sprint(e.Extra) != "[{AWSAccessKeyId AKID}]" {
		t.Errorf("got %d %v", e.Status, e.Extra)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	s, err := ReadSignature(wire(t, examples["GET with a range"]...))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Covers("range") || !s.Covers("host") || s.Covers("if-none-match") || s.Covers("Range") || s.Covers("") {
		t.Error("Covers does not say which headers are signed")
	}
}

// presignedFor is a request signed in its query for a time from exampleTime.
func presignedFor(tb testing.TB, method, target string, header ...string) *http.Request {
	tb.Helper()
	u, err := url.Parse("https://localhost" + target)
	if err != nil {
		tb.Fatal(err)
	}
	h := http.Header{}
	lines := []string{}
	for _, l := range header {
		name, value, _ := strings.Cut(l, ": ")
		h.Set(name, value)
		lines = append(lines, l)
	}
	out, err := Presign(method, u, h, Credentials{AccessKey: exampleKey, Secret: exampleSecret, Token: "dG9rZW4="}, "us-east-1", exampleTime, time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return wire(tb, append([]string{method + " " + out.RequestURI(), "Host: localhost"}, lines...)...)
}

// What may be presigned, and what it then means.
func TestPresignedOperations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, target string
		served               bool
	}{
		{"GetObject", "GET", "/models/k", true},
		{"GetObject", "GET", "/models/k?x-id=GetObject&versionId=v&response-content-type=a", true},
		{"HeadObject", "HEAD", "/models/k", true},
		{"PutObject", "PUT", "/models/k", true},
		{"UploadPart", "PUT", "/models/k?partNumber=1&uploadId=u", true},
		{"DeleteObject", "DELETE", "/models/k", false},
		{"ListObjectsV2", "GET", "/models?list-type=2", false},
		{"ListBuckets", "GET", "/", false},
		{"CreateMultipartUpload", "POST", "/models/k?uploads", false},
		{"GetObjectTagging", "GET", "/models/k?tagging", false},
		{"CopyObject", "PUT", "/models/k?X-Amz-Copy-Source=%2Fmodels%2Fj", false},
		{"UploadPartCopy", "PUT", "/models/k?partNumber=1&uploadId=u&x-amz-copy-source=%2Fmodels%2Fj", false},
		{"STS", "POST", "/", false},
	} {
		r := presignedFor(t, c.method, c.target)
		if _, err := verified(r, exampleTime); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		op, err := Parse(r, Options{Listener: SessionKeys})
		if c.served && err != nil || op == nil || op.Action() != c.name {
			t.Errorf("%s: %v, %v", c.name, op, err)
		}
		if !c.served && c.name != "STS" {
			wantError(t, err, "AccessDenied", 403)
		}
		if err == nil != c.served {
			t.Errorf("%s: %v", c.name, err)
		}
		// Where the certificate decides, no URL can promise anything.
		if c.name != "STS" {
			_, err = Parse(r, Options{})
			wantError(t, err, "InvalidRequest", map[bool]int{true: 403, false: 400}[c.method == "HEAD"])
		}
	}
}

// Headers that an SDK moved into the query mean what they mean in a header.
func TestMovedHeaders(t *testing.T) {
	t.Parallel()
	parse := func(r *http.Request) (Op, error) { return Parse(r, Options{Listener: SessionKeys}) }
	op, err := parse(presignedFor(t, "PUT", "/models/k?x-amz-meta-Run=a%20b&X-Amz-Checksum-Crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "Content-Length: 0"))
	put, ok := op.(*PutObject)
	if err != nil || !ok || len(put.Meta) != 1 || put.Meta[0] != (UserMeta{"run", "a b"}) || put.Checksum.Algorithm != ChecksumCRC32 {
		t.Errorf("got %+v, %v", op, err)
	}
	op, err = parse(presignedFor(t, "GET", "/models/k?X-Amz-Checksum-Mode=ENABLED"))
	if get, ok := op.(*GetObject); err != nil || !ok || !get.ChecksumMode {
		t.Errorf("got %+v, %v", op, err)
	}
	if _, err := parse(presignedFor(t, "PUT", "/models/k?x-amz-sdk-checksum-algorithm=CRC32", "Content-Length: 0")); err != nil {
		t.Errorf("an announcement without its checksum: %v", err)
	}
	for name, c := range map[string][3]string{
		"in both places":    {"/models/k?x-amz-meta-run=1", "x-amz-meta-run: 2", "InvalidArgument"},
		"twice, by case":    {"/models/k?x-amz-meta-run=1&X-Amz-Meta-Run=2", "", "InvalidArgument"},
		"a control":         {"/models/k?x-amz-meta-run=1%0D%0A2", "", "InvalidArgument"},
		"not served":        {"/models/k?x-amz-acl=public-read", "", "AccessControlListNotSupported"},
		"keys of their own": {"/models/k?x-amz-server-side-encryption-customer-algorithm=AES256", "", "InvalidRequest"},
		"reserved metadata": {"/models/k?x-amz-meta-sg1=1", "", "InvalidArgument"},
	} {
		headers := []string{"Content-Length: 0"}
		if c[1] != "" {
			headers = append(headers, c[1])
		}
		_, err := parse(presignedFor(t, "PUT", c[0], headers...))
		if e := wantError(t, err, c[2], 400); e.Code == "" {
			t.Error(name)
		}
	}
	// Without a signature in the query nothing is moved.
	_, err = parse(ask(t, "PUT /models/k?x-amz-meta-run=1", "Content-Length: 0"))
	wantError(t, err, "NotImplemented", 501)
}

// A request signed for one service is not taken by the other.
func TestServiceOfTheScope(t *testing.T) {
	t.Parallel()
	for _, l := range []Listener{MTLS, SessionKeys} {
		sts := "Authorization: " + strings.Replace(sigV4, "/s3/", "/sts/", 1)
		_, err := Parse(ask(t, "GET /models/k", sts), Options{Listener: l})
		wantError(t, err, "AuthorizationHeaderMalformed", 400)
		op, err := Parse(ask(t, "POST /", "Content-Length: 0", sts), Options{Listener: l})
		if _, ok := op.(*STSCall); err != nil || !ok {
			t.Errorf("a call signed for sts: %v, %v", op, err)
		}
		_, err = Parse(ask(t, "POST /", "Content-Length: 0", "Authorization: "+sigV4), Options{Listener: l})
		wantError(t, err, "AuthorizationHeaderMalformed", 400)
	}
}
