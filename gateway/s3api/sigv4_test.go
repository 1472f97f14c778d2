// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The credentials, the day and the signatures of the examples in the S3 API
// reference, "Authenticating Requests (AWS Signature Version 4)".
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleScope  = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
	exampleHost   = "Host: examplebucket.s3.amazonaws.com"
	emptySHA256   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	exampleSHA256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" // of "Welcome to Amazon S3."
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// wire reads a request from its head, as net/http's server does.
func wire(tb testing.TB, lines ...string) *http.Request {
	tb.Helper()
	raw := lines[0] + " HTTP/1.1\r\n" + strings.Join(lines[1:], "\r\n") + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		tb.Fatalf("reading the test's own request %q: %v", raw, err)
	}
	return r
}

// example is a request of the reference with its Authorization header.
func example(line, signed, signature string, headers ...string) []string {
	return append([]string{
		line, exampleHost, "x-amz-date: 20130524T000000Z",
		"Authorization: AWS4-HMAC-SHA256 Credential=" + exampleScope + ",SignedHeaders=" + signed + ",Signature=" + signature,
	}, headers...)
}

// examples are the requests of the reference that are signed in a header, and
// the seeds of its two chunked uploads.
var examples = map[string][]string{
	"GET with a range": example("GET /test.txt", "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
		"Range: bytes=0-9", "x-amz-content-sha256: "+emptySHA256),
	"PUT": example("PUT /test%24file.text", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
		"Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-content-sha256: "+exampleSHA256, "Content-Length: 0"),
	"GET of the lifecycle": example("GET /?lifecycle", "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", "x-amz-content-sha256: "+emptySHA256),
	"list": example("GET /?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", "x-amz-content-sha256: "+emptySHA256),
	"chunked": chunkedExample("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "Content-Length: 66824"),
	"chunked with a trailer": chunkedExample("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "x-amz-trailer: x-amz-checksum-crc32c\r\nTransfer-Encoding: chunked"),
}

func chunkedExample(signature, signed, mode string, header string) []string {
	lines := example("PUT /examplebucket/chunkObject.txt", signed, signature, header,
		"x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-content-sha256: "+mode, "Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560")
	lines[1] = "Host: s3.amazonaws.com"
	return lines
}

// presignedExample is the presigned GET of the reference.
var presignedExample = []string{
	"GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(exampleScope) +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", exampleHost,
}

// verified verifies a request under the examples' secret.
func verified(r *http.Request, now time.Time) (*Verified, error) {
	s, err := ReadSignature(r)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, AccessDenied("unsigned")
	}
	return s.Verify(r, []byte(exampleSecret), now)
}

func TestExamplesOfTheReference(t *testing.T) {
	t.Parallel()
	for name, lines := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := wire(t, lines...)
			s, err := ReadSignature(r)
			if err != nil {
				t.Fatal(err)
			}
			if s.AccessKey != exampleKey || s.Region != "us-east-1" || s.Service != "s3" || s.Presigned || !s.Time.Equal(exampleTime) || s.Token != "" {
				t.Errorf("read %+v", *s)
			}
			if _, err := s.Verify(r, []byte(exampleSecret), exampleTime.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			_, err = s.Verify(r, []byte(exampleSecret+"x"), exampleTime)
			wantError(t, err, "SignatureDoesNotMatch", 403)
		})
	}
	t.Run("presigned", func(t *testing.T) {
		t.Parallel()
		r := wire(t, presignedExample...)
		s, err := ReadSignature(r)
		if err != nil || !s.Presigned || s.Expires != 24*time.Hour || s.AccessKey != exampleKey {
			t.Fatalf("read %+v, %v", s, err)
		}
		if _, err := s.Verify(r, []byte(exampleSecret), exampleTime.Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	})
}

// The canonical request of the reference's first example, to the byte.
func TestCanonicalRequest(t *testing.T) {
	t.Parallel()
	r := wire(t, examples["GET with a range"]...)
	s, err := ReadSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	want := "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:" + emptySHA256 +
		"\nx-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n" + emptySHA256
	if got := messageOf(r).canonical(query{}, s.headers, s.payload); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := hexSum(want); got != "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972" {
		t.Errorf("its digest: %s", got)
	}
}

// What is canonical about a query and a header's value.
func TestCanonicalParts(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"b=2&a=1":             "a=1&b=2",
		"acl":                 "acl=",
		"prefix=a+b":          "prefix=a%20b",
		"prefix=a%2bb":        "prefix=a%2Bb",
		"prefix=%7e~*!'()%2f": "prefix=~~%2A%21%27%28%29%2F",
		"a-b=1&a%20b=2":       "a%20b=2&a-b=1", // by encoded name
		"x=%c3%a9":            "x=%C3%A9",
		"a=b=c":               "a=b%3Dc",
	} {
		q, err := parseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := canonicalQuery(q); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
	for in, want := range map[string]string{"  a  b   c ": "a b c", "\ta\tb\t": "a\tb", "": "", "   ": "", `"a  b"`: `"a b"`} {
		if got := oneSpace(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// The chunked uploads of the reference: 65 KiB of the letter a in two chunks.
func TestChunkedExamples(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signatures [3]string
		trailer    string
	}{
		"chunked": {[3]string{
			"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
			"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
			"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
		}, ""},
		"chunked with a trailer": {[3]string{
			"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
			"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
		}, "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := fmt.Sprintf("10000;chunk-signature=%s\r\n%s\r\n400;chunk-signature=%s\r\n%s\r\n0;chunk-signature=%s\r\n%s\r\n",
				c.signatures[0], strings.Repeat("a", 65536), c.signatures[1], strings.Repeat("a", 1024), c.signatures[2], c.trailer)
			op := signedPut(t, wire(t, withoutClass(examples[name])...), examples[name])
			got, sums, err := readAll(t, op, raw)
			if err != nil || got != strings.Repeat("a", 66560) || sums.Trailer != (c.trailer != "") {
				t.Fatalf("read %d bytes, %+v, %v", len(got), sums, err)
			}
		})
	}
}

// withoutClass leaves out the storage class of the examples, which is not
// served here.
func withoutClass(lines []string) []string {
	out := []string{}
	for _, l := range lines {
		if !strings.HasPrefix(l, "x-amz-storage-class") {
			out = append(out, l)
		}
	}
	return out
}

// signedPut is the upload of a request, with the verified signature of the
// lines that were signed.
func signedPut(tb testing.TB, r *http.Request, lines []string) *PutObject {
	tb.Helper()
	op, err := Parse(r, Options{Listener: SessionKeys})
	if err != nil {
		tb.Fatal(err)
	}
	v, err := verified(wire(tb, lines...), exampleTime)
	if err != nil {
		tb.Fatal(err)
	}
	put, ok := op.(*PutObject)
	if !ok {
		tb.Fatalf("the request is %T", op)
	}
	put.UseSignature(v)
	return put
}

// Presign and SignHeader make what the reference has, and what Verify takes.
func TestSignLikeTheReference(t *testing.T) {
	t.Parallel()
	c := Credentials{AccessKey: exampleKey, Secret: exampleSecret}
	u := &url.URL{Scheme: "https", Host: "examplebucket.s3.amazonaws.com", Path: "/test.txt"}
	got, err := Presign("GET", u, http.Header{}, c, "us-east-1", exampleTime, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if want, _, _ := strings.Cut(presignedExample[0][len("GET "):], " "); got.RequestURI() != want {
		t.Errorf("presigned\n%s, want\n%s", got.RequestURI(), want)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=0-9")
	if err := SignHeader(r, c, "us-east-1", emptySHA256, exampleTime); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(examples["GET with a range"][3], "Authorization: ")
	if got := strings.ReplaceAll(r.Header.Get("Authorization"), ", ", ","); got != want {
		t.Errorf("signed\n%s, want\n%s", got, want)
	}
	for _, d := range []time.Duration{0, time.Second - 1, MaxPresign + 1, -time.Hour} {
		if _, err := Presign("GET", u, http.Header{}, c, "us-east-1", exampleTime, d); err == nil {
			t.Errorf("presigned for %s", d)
		}
	}
}

// A secret or a signature shows itself in no way of printing.
func TestSecretsHideThemselves(t *testing.T) {
	t.Parallel()
	r := wire(t, append(examples["list"], "x-amz-security-token: "+exampleSecret)...)
	s, err := ReadSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	v := &Verified{key: s.signingKey([]byte(exampleSecret)), stamp: s.stamp(), seed: s.signature}
	c := Credentials{AccessKey: exampleKey, Secret: exampleSecret, Token: exampleSecret}
	q := STSRequest{Action: GetCallerIdentity, WebIdentityToken: exampleSecret}
	for _, value := range []any{s, *s, v, *v, c, &c, q, &q, Secret(exampleSecret), []Secret{exampleSecret}, Session{Credentials: c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			text := fmt.Sprintf(verb, value)
			for _, secret := range []string{exampleSecret, "34b48302", hex.EncodeToString([]byte(exampleSecret[:8])), "52 180 131", string(v.key), hex.EncodeToString(v.key)} {
				if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
					t.Errorf("%s of %T shows %q: %s", verb, value, secret, text)
				}
			}
		}
	}
}
