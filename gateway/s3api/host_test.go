// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// atHost reads a request line with a Host under the domain s3.acme.ai.
func atHost(t *testing.T, host, line string) (Op, error) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("reading the test's own request: %v", err)
	}
	return Parse(r, Options{Domain: "s3.acme.ai"})
}

func TestVirtualHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, line, want, code string }{
		{"models.s3.acme.ai", "GET /a/b", "GetObject models/a/b", ""},
		{"models.s3.acme.ai:9443", "GET /a/b", "GetObject models/a/b", ""},
		{"MODELS.S3.Acme.AI", "GET /a/B", "GetObject models/a/B", ""},
		{"models.s3.acme.ai.", "GET /a", "GetObject models/a", ""},
		{"models.s3.acme.ai.:443", "GET /a", "GetObject models/a", ""},
		{"a.b.s3.acme.ai", "GET /k", "GetObject a.b/k", ""},
		{"models.s3.acme.ai", "GET /", "ListObjects models", ""},
		{"models.s3.acme.ai", "GET /?list-type=2", "ListObjectsV2 models", ""},
		{"models.s3.acme.ai", "PUT /", "CreateBucket models", ""},
		{"models.s3.acme.ai", "HEAD /", "HeadBucket models", ""},
		{"models.s3.acme.ai", "GET //a", "GetObject models//a", ""},
		{"models.s3.acme.ai", "GET /other/a", "GetObject models/other/a", ""}, // a bucket's name is a key here
		{"models.s3.acme.ai", "GET /models/a", "GetObject models/models/a", ""},
		{"models.s3.acme.ai", "GET /%2e%2e/a", "", "InvalidURI"},
		{"models.s3.acme.ai", "GET /a/../b", "", "InvalidURI"},
		{"models.s3.acme.ai", "POST /WriteGetObjectResponse", "", "MethodNotAllowed"},
		{"s3.acme.ai", "GET /models/a", "GetObject models/a", ""},
		{"s3.acme.ai:443", "GET /models/a", "GetObject models/a", ""},
		{"other.example", "GET /models/a", "GetObject models/a", ""},
		{"models.s3.acme.ai.evil.example", "GET /models/a", "GetObject models/a", ""},
		{"evils3.acme.ai", "GET /models/a", "GetObject models/a", ""},
		{"127.0.0.1:9443", "GET /models/a", "GetObject models/a", ""},
		{"[::1]:9443", "GET /models/a", "GetObject models/a", ""},
		{"models.s3.acme.ai:x", "GET /a", "", "InvalidRequest"},
		{"models.s3.acme.ai:443:443", "GET /a", "", "InvalidRequest"},
		{"models.s3.acme.ai:", "GET /a", "", "InvalidRequest"},
		{"m.s3.acme.ai", "GET /a", "", "InvalidBucketName"},
		{".s3.acme.ai", "GET /a", "", "InvalidBucketName"},
		{"a_b.s3.acme.ai", "GET /a", "", "InvalidBucketName"},
		{"10.0.0.1.s3.acme.ai", "GET /a", "", "InvalidBucketName"},
	} {
		op, err := atHost(t, c.host, c.line)
		if c.code != "" {
			wantError(t, err, c.code, Codes[c.code].Status)
			continue
		}
		if err != nil {
			t.Errorf("%s at %s: %v", c.line, c.host, err)
			continue
		}
		if got := op.Action() + " " + op.Resource().String(); got != c.want {
			t.Errorf("%s at %s is %s, want %s", c.line, c.host, got, c.want)
		}
	}
}

// Without a domain the Host chooses nothing; forwarding headers never do.
func TestHostChoosesNothingWithoutADomain(t *testing.T) {
	t.Parallel()
	r := ask(t, "GET /models/a", "X-Forwarded-Host: other.s3.acme.ai", "Forwarded: host=other.s3.acme.ai")
	r.Host = "other.s3.acme.ai"
	for domain, want := range map[string]string{"": "models/a", "s3.acme.ai": "other/models/a", "acme.example": "models/a"} {
		op, err := Parse(r, Options{Domain: domain})
		if err != nil || op.Resource().String() != want {
			t.Errorf("with the domain %q: %v, %v; want %s", domain, op, err, want)
		}
	}
}

// Both styles come to one bucket and key, or to a refusal: nothing else.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"models.s3.acme.ai", "MODELS.s3.acme.ai.:1", "s3.acme.ai", "..s3.acme.ai", "a.s3.acme.ai:99999", "x@y.s3.acme.ai", "a%2eb.s3.acme.ai"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		bucket, err := hostBucket(host, "s3.acme.ai")
		switch {
		case err != nil && bucket != "":
			t.Fatalf("%q gave %q beside its error", host, bucket)
		case err != nil || bucket == "":
			return
		}
		path, err := parsePath("/"+bucket+"/k", "")
		if err != nil || path.Bucket != bucket {
			t.Fatalf("%q names %q, which path style reads as %+v, %v", host, bucket, path, err)
		}
		if !strings.HasPrefix(strings.ToLower(host), bucket+".s3.acme.ai") {
			t.Fatalf("%q names %q", host, bucket)
		}
	})
}
