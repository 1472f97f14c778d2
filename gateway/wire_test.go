// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestSmugglingBehindAChunkedBody(t *testing.T) {
	t.Parallel()
	// What follows the first body is one head for net/http, split so that its
	// beginning comes in one read with that body, and a clean head for a tap
	// that begins with the rest.
	const first = "PUT /data/one HTTP/1.1\r\nHost: h\r\nX-Amz-Decoded-Content-Length: 1\r\nX-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nX-Amz-Trailer: x-amz-checksum-crc32\r\nTransfer-Encoding: chunked\r\n\r\n"
	const chunks = "1\r\nx\r\n0\r\nx-amz-checksum-crc32:jNwWgw==\r\n\r\n"
	const hidden = "PUT /data/two HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-Rest: "
	const shown = "PUT /data/two HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	w := newWorld(t, worldOptions{})
	c := w.raw("/writer")
	in := bufio.NewReader(c)
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	w.eventually("the first head", func() bool { return w.store.Calls(storetest.Put) == 1 })
	body := chunked(chunks) + "0\r\n\r\n"
	if _, err := io.WriteString(c, body+hidden); err != nil {
		t.Fatal(err)
	}
	if status, b, err := response(t, in, http.MethodPut); status != http.StatusOK {
		t.Fatalf("first: got %d %s %v", status, b, err)
	}
	_, _ = io.WriteString(c, shown+"0\r\n\r\n")
	if status, b, err := response(t, in, http.MethodPut); err == nil && status != http.StatusBadRequest {
		t.Errorf("second: got %d %s, want 400", status, b)
	}
	if n := w.store.Calls(storetest.Put); n != 1 {
		t.Errorf("%d objects were written, want 1", n)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection goes on")
	}
}

// chunked is one HTTP chunk.
func chunked(s string) string {
	const digits = "0123456789abcdef"
	return string(digits[len(s)>>4&15]) + string(digits[len(s)&15]) + "\r\n" + s + "\r\n"
}

func TestAmbiguousRequestsAreRefusedAndClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	tests := map[string]string{
		"both lengths":       "PUT /data/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"bare line feed":     "GET /data/k HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
		"folded":             "GET /data/k HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
		"absolute form":      "GET http://evil/data/k HTTP/1.1\r\nHost: h\r\n\r\n",
		"body of a GET":      "GET /data/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/2 preface":     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"options of all":     "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"connect":            "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
		"old with a framing": "PUT /data/k HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	}
	for name, text := range tests {
		c := w.raw("/writer")
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		status, body, err := response(t, bufio.NewReader(c), http.MethodGet)
		if err == nil && status/100 != 4 && status/100 != 5 {
			t.Errorf("%s: got %d %s", name, status, body)
		}
		_ = c.Close()
	}
	if n := w.store.Calls(storetest.Any); n != 0 {
		t.Errorf("the store was called %d times", n)
	}
	if intents, _ := w.counts(); intents != 0 {
		t.Errorf("%d intents", intents)
	}
}

func TestPipelinedRequestsAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.put(w.client("/writer"), "/data/k", []byte("x"))
	w.store.Add(storetest.Rule{Op: storetest.Get, Delay: 100 * time.Millisecond})
	c := w.raw("/writer")
	in := bufio.NewReader(c)
	const get = "GET /data/k HTTP/1.1\r\nHost: h\r\n\r\n"
	if _, err := io.WriteString(c, get+strings.Repeat(get, 20)); err != nil {
		t.Fatal(err)
	}
	// Those of one segment may be served in turn; none may be misread.
	for range 21 {
		status, body, err := response(t, in, http.MethodGet)
		if err != nil {
			break
		}
		if status != http.StatusBadRequest && (status != http.StatusOK || string(body) != "x") {
			t.Fatalf("got %d %q", status, body)
		}
		if status == http.StatusBadRequest {
			if _, err := in.ReadByte(); err == nil {
				t.Error("the connection goes on after a 400")
			}
			break
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.raw("/writer")
	in := bufio.NewReader(c)
	for i, size := range []string{"3", "0", "3"} {
		begin(t, c, "PUT /data/k HTTP/1.1", "Host: h", "Expect: 100-Continue", "Content-Length: "+size)
		if status, _, err := response(t, in, http.MethodPut); status != 100 || err != nil {
			t.Fatalf("request %d: got %d %v, want 100 first", i, status, err)
		}
		if size != "0" {
			_, _ = io.WriteString(c, "abc")
		}
		if status, body, err := response(t, in, http.MethodPut); status != 200 || err != nil {
			t.Fatalf("request %d: got %d %s %v", i, status, body, err)
		}
	}
	// A refusal comes without the body, and ends the connection.
	begin(t, c, "PUT /data/.sealgate/k HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 3000000")
	if status, _, err := response(t, in, http.MethodPut); status != 403 || err != nil {
		t.Fatalf("got %d %v, want 403", status, err)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection goes on where a body may follow or not")
	}
}

func TestRefusalOfAnUploadCanBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/reader")
	for _, size := range []int{1000, 100_000, 5 << 20} {
		w.do(c, http.MethodPut, "/data/k", make([]byte, size)).want(t, http.StatusForbidden, "AccessDenied")
	}
}

func TestUploadThatEndsEarlyLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.put(w.client("/writer"), "/data/k", []byte("old"))
	c := w.raw("/writer")
	begin(t, c, "PUT /data/k HTTP/1.1", "Host: h", "Content-Length: 300000")
	_, _ = c.Write(make([]byte, 100_000))
	_ = c.Close()
	w.eventually("the end of the upload", func() bool { return w.requestsInFlight() == 0 })
	w.do(w.client("/writer"), http.MethodGet, "/data/k", nil).wantBody(t, 200, []byte("old"))
	w.endedOnce()
}

func TestExpiryOfACertificate(t *testing.T) {
	t.Parallel()
	t.Run("next request", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{listener: newPipeListener()})
			c, err := w.dial(t.Context(), w.clientTLS("/writer", certstest.Options{NotAfter: time.Now().Add(time.Minute)}))
			if err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			begin(t, c, "HEAD /data HTTP/1.1", "Host: h")
			if status, _, err := response(t, in, http.MethodHead); status != 200 || err != nil {
				t.Fatalf("before: got %d %v", status, err)
			}
			time.Sleep(40 * time.Second)
			begin(t, c, "HEAD /data HTTP/1.1", "Host: h")
			if status, _, err := response(t, in, http.MethodHead); status != 200 || err != nil {
				t.Fatalf("still valid: got %d %v", status, err)
			}
			time.Sleep(30 * time.Second)
			calls := w.store.Calls(storetest.Any)
			begin(t, c, "GET /data/k HTTP/1.1", "Host: h")
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != http.StatusForbidden || !res.Close || res.Header.Get("X-Sealgate-Reason") != "svid_expired" || w.store.Calls(storetest.Any) != calls {
				t.Fatalf("after: got %+v %v, want 403 svid_expired and a closed connection", res, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if e := w.lastDenial(); e.Reason != "svid_expired" || e.Event == "" || e.Actor != "spiffe://acme.ai/writer" {
				t.Errorf("recorded %+v", e)
			}
			_ = c.Close()
			w.end()
		})
	})
	t.Run("running transfer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{listener: newPipeListener(), limits: Limits{MaxOverrun: 2 * time.Minute}})
			writer := w.client("/writer")
			w.put(writer, "/data/k", noise(1, 8<<20))
			w.store.Add(storetest.Rule{Op: storetest.Get, Body: storetest.Drip(65568, 5*time.Second)}) // ten minutes in all
			c, err := w.dial(t.Context(), w.clientTLS("/writer", certstest.Options{NotAfter: time.Now().Add(time.Minute)}))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			begin(t, c, "GET /data/k HTTP/1.1", "Host: h")
			status, body, err := response(t, bufio.NewReader(c), http.MethodGet)
			if took := time.Since(start); err == nil || status != 200 || took < 3*time.Minute || took > 3*time.Minute+10*time.Second || !bytes.HasPrefix(noise(1, 8<<20), body) {
				t.Errorf("after %v: got %d, %d bytes, %v, want a cut at the end of the overrun", took, status, len(body), err)
			}
			time.Sleep(5 * time.Minute) // until the store, which knows no context, gives its next piece
			if rec := w.last(); rec.outcome.Abort != "svid_expired" {
				t.Errorf("outcome: abort %q", rec.outcome.Abort)
			}
			w.rec.mu.Lock()
			if len(w.rec.progress) == 0 {
				t.Error("a read of minutes left no progress record (AUDIT.md)")
			}
			w.rec.mu.Unlock()
			_ = c.Close()
			w.end()
		})
	})
}

func TestOwnIdentityLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("x"))
	w.own.Withdraw(io.ErrClosedPipe)
	w.do(c, http.MethodGet, "/data/k", nil).want(t, http.StatusServiceUnavailable, "ServiceUnavailable")
	if err := w.own.Publish(w.ca.SVID(t, "/gateway", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("x"))
}
