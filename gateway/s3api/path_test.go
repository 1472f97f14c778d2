// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", MaxKey)
	for _, c := range []struct{ name, path, bucket, key, code string }{
		{"service", "/", "", "", ""},
		{"bucket", "/models", "models", "", ""},
		{"bucket, trailing slash", "/models/", "models", "", ""},
		{"key", "/models/a/b", "models", "a/b", ""},
		{"escaped slash in the key", "/models/a%2Fb", "models", "a/b", ""},
		{"lower-case escape", "/models/a%2fb", "models", "a/b", ""},
		{"decoded once", "/models/a%252Fb", "models", "a%2Fb", ""},
		{"dots decoded once", "/models/%252e%252e/k", "models", "%2e%2e/k", ""},
		{"plus is a plus", "/models/a+b%2Bc", "models", "a+b+c", ""},
		{"space", "/models/a%20b", "models", "a b", ""},
		{"double slash", "/models/a//b", "models", "a//b", ""},
		{"leading slash", "/models//a", "models", "/a", ""},
		{"escaped leading slash", "/models/%2Fa", "models", "/a", ""},
		{"trailing slash", "/models/a/", "models", "a/", ""},
		{"utf-8, escaped", "/models/%C3%BC", "models", "ü", ""},
		{"utf-8, raw", "/models/ü", "models", "ü", ""},
		{"NFC and NFD stay apart", "/models/u%CC%88", "models", "u\u0308", ""},
		{"case stays", "/models/A", "models", "A", ""},
		{"semicolon, colon, at", "/models/a;b:c@d", "models", "a;b:c@d", ""},
		{"three dots", "/models/.../..a/a../.a", "models", ".../..a/a../.a", ""},
		{"backslash", "/models/a\\..\\b", "models", "a\\..\\b", ""},
		{"escaped question mark", "/models/a%3Fb", "models", "a?b", ""},
		{"escaped hash", "/models/a%23b", "models", "a#b", ""},
		{"longest key", "/models/" + long, "models", long, ""},
		{"reserved", "/models/.sealgate/x", "models", ".sealgate/x", ""},
		{"escaped bucket", "/m%6Fdels/k", "models", "k", ""},

		{"dot dot", "/models/../x", "", "", "InvalidURI"},
		{"dot dot at the end", "/models/a/..", "", "", "InvalidURI"},
		{"dot", "/models/a/./b", "", "", "InvalidURI"},
		{"only dots", "/models/..", "", "", "InvalidURI"},
		{"escaped dots", "/models/%2e%2e/x", "", "", "InvalidURI"},
		{"half escaped dots", "/models/.%2e/x", "", "", "InvalidURI"},
		{"escaped slash before dots", "/models/a%2F..%2Fb", "", "", "InvalidURI"},
		{"NUL", "/models/a%00b", "", "", "InvalidURI"},
		{"line break", "/models/a%0Ab", "", "", "InvalidURI"},
		{"tab", "/models/a%09b", "", "", "InvalidURI"},
		{"DEL", "/models/a%7Fb", "", "", "InvalidURI"},
		{"not UTF-8", "/models/a%FFb", "", "", "InvalidURI"},
		{"overlong slash", "/models/a%C0%AFb", "", "", "InvalidURI"},
		{"surrogate", "/models/%ED%A0%80", "", "", "InvalidURI"},
		{"escape without digits", "/models/a%zz", "", "", "InvalidURI"},
		{"escape with one digit", "/models/a%4z", "", "", "InvalidURI"},
		{"escape with a sign", "/models/a%+4", "", "", "InvalidURI"},
		{"escape cut off", "/models/a%2", "", "", "InvalidURI"},
		{"raw hash", "/models/a#b", "", "", "InvalidURI"},
		{"one byte too long", "/models/" + long + "k", "", "", "KeyTooLongError"},
		{"escaped separator", "/models%2Fa", "", "", "InvalidBucketName"},
		{"empty bucket", "//models/a", "", "", "InvalidBucketName"},
		{"dots as bucket", "/../models/a", "", "", "InvalidBucketName"},
		{"escaped dots as bucket", "/%2e%2e/a", "", "", "InvalidBucketName"},
		{"upper case bucket", "/Models/a", "", "", "InvalidBucketName"},
		{"underscore", "/my_models/a", "", "", "InvalidBucketName"},
		{"address", "/10.0.0.1/a", "", "", "InvalidBucketName"},
		{"two dots", "/mo..dels/a", "", "", "InvalidBucketName"},
		{"dash at the end", "/models-/a", "", "", "InvalidBucketName"},
		{"too short", "/mo/a", "", "", "InvalidBucketName"},
		{"too long", "/" + strings.Repeat("m", 64) + "/a", "", "", "InvalidBucketName"},
		{"NUL in the bucket", "/mod%00els/a", "", "", "InvalidBucketName"},
		{"no slash", "models/a", "", "", "InvalidURI"},
		{"asterisk", "*", "", "", "InvalidURI"},
		{"absolute form", "http://evil.example/models/a", "", "", "InvalidURI"},
		{"absolute form of this host", "http://localhost/models/a", "", "", "InvalidURI"},
		{"nothing", "", "", "", "InvalidURI"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parsePath(c.path, "")
			if c.code != "" {
				wantError(t, asError(err), c.code, 400)
				return
			}
			if err != nil || got != (Resource{c.bucket, c.key}) {
				t.Fatalf("parsePath(%q) = %+v, %v; want %q, %q", c.path, got, err, c.bucket, c.key)
			}
		})
	}
}

// asError keeps a nil *Error a nil error.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

// The path of a request comes from the bytes of its request line: net/http's
// own reading of an absolute-form target, or of escapes, has no part in it.
func TestPathIsTheRequestLine(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"GET http://evil.example/models/secret HTTP/1.1",
		"GET http://localhost/models/secret HTTP/1.1",
		"GET //evil.example/models/secret HTTP/1.1",
		"OPTIONS * HTTP/1.1",
		"CONNECT evil.example:443 HTTP/1.1",
		"GET /models/a/%2e%2e/secret HTTP/1.1",
		"GET /models/a/../secret HTTP/1.1",
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line + "\r\nHost: localhost\r\n\r\n")))
		if err != nil {
			continue // net/http refuses it by itself
		}
		if op, err := Parse(r, Options{}); err == nil {
			t.Errorf("%s was read as %#v", line, op)
		}
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		".sealgate": true, ".sealgate/": true, ".sealgate/a/b": true,
		".sealgate-x": false, ".sealgatex/a": false, "a/.sealgate": false, "a/.sealgate/b": false, "": false, "/.sealgate/a": false,
	} {
		if got := (Resource{"models", key}).Reserved(); got != want {
			t.Errorf("Reserved(%q) = %v, want %v", key, got, want)
		}
	}
	for _, path := range []string{"/models/.sealgate/x", "/models/%2Esealgate/x", "/models/.sealgate%2Fx", "/models/.%73ealgate"} {
		if op := parsed[*GetObject](t, "GET "+path); !op.Resource().Reserved() {
			t.Errorf("%s is not seen to be reserved", path)
		}
	}
}

// FuzzPath holds the canonicaliser to what makes it one: each accepted path
// has one canonical form, which reads back to the same bucket and key, and
// no key is accepted that a store could take for another.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/models/a b%2Fc", "/models//a/", "/models/%C3%BC+%25", "/models", "/", "/models/%2e%2E", "/models/a%00", "//x", "/models/%252e/*~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parsePath(path, "")
		if err != nil {
			if got != (Resource{}) {
				t.Fatalf("parsePath(%q) gave %+v beside its error", path, got)
			}
			return
		}
		again, err := parsePath(got.Path(), "")
		if err != nil && got.Bucket != "" || err == nil && again != got {
			t.Fatalf("%q is %+v, whose path %q is %+v, %v", path, got, got.Path(), again, err)
		}
		if again.Path() != got.Path() {
			t.Fatalf("%q has two canonical forms: %q and %q", path, got.Path(), again.Path())
		}
		for seg := range strings.SplitSeq(got.Key, "/") {
			if seg == "." || seg == ".." {
				t.Fatalf("%q was accepted with the segment %q", path, seg)
			}
		}
		if strings.ContainsFunc(got.Key+got.Bucket, isControl) || strings.Contains(got.Bucket, "/") || len(got.Key) > MaxKey {
			t.Fatalf("%q was accepted as %+v", path, got)
		}
	})
}
