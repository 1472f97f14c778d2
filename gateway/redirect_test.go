// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"testing"
)

// The location of a redirect is kept and told, and nobody is redirected; a copy has
// that of its request alone, however it is made.
func TestRedirectLocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{policy: copyPolicy})
	c := w.client("/owner")
	const header = "x-amz-website-redirect-location"
	told := func(key, want string) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r := w.do(c, method, "/"+key, nil)
			_, own := r.header["X-Amz-Meta-Sealgate-Redirect"]
			if got := r.header.Get(header); r.status != 200 || got != want || own || r.header.Get("Location") != "" || r.header.Get("X-Amz-Meta-Zz") != "1" {
				t.Errorf("%s %s: %d, %v; want %q", method, key, r.status, r.header, want)
			}
		}
	}
	w.put(c, "/data/k", []byte("x"), header, "https://other.example/a", "x-amz-meta-a", "1", "x-amz-meta-zz", "1")
	told("data/k", "https://other.example/a")
	for _, bucket := range []string{"data", "plain"} {
		w.copy(c, "data/k", bucket+"/bare")
		told(bucket+"/bare", "")
		w.copy(c, "data/k", bucket+"/new", header, "/b")
		told(bucket+"/new", "/b")
		w.copy(c, "data/k", bucket+"/replaced", header, "/c", "x-amz-metadata-directive", "REPLACE", "x-amz-meta-zz", "1")
		told(bucket+"/replaced", "/c")
	}
	for _, bad := range []string{"ftp://x", "x", ""} {
		w.do(c, http.MethodPut, "/data/bad", []byte("x"), header, bad).want(t, 400, "InvalidRedirectLocation")
	}
	w.do(c, http.MethodPut, "/data/forged", []byte("x"), "x-amz-meta-sealgate-redirect", "/x").want(t, 400, "InvalidArgument")
}
