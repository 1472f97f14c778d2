// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"
)

// domain is the gateway's and the agents' for virtual-host addressing.
const domain = "s3.test"

// resolve stands for a name server that knows domain, which a test cannot
// change: a proxy that finds every host at a port of the loopback.
func resolve(t *testing.T, port string) string {
	t.Helper()
	to := net.JoinHostPort("127.0.0.1", port)
	plain := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Host = to }, // the Host header stays
		FlushInterval: -1,
	}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			plain.ServeHTTP(rw, r)
			return
		}
		tunnel(rw, to)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func tunnel(rw http.ResponseWriter, to string) {
	there, err := (&net.Dialer{}).Dial("tcp", to)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	rw.WriteHeader(http.StatusOK)
	here, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	go func() {
		_, _ = io.Copy(there, here) // ends with either side
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there) // as above
}
