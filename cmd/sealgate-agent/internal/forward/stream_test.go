// SPDX-License-Identifier: Apache-2.0

package forward_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The gateway gets what the client sent, but for what was said to the agent.
func TestHeaders(t *testing.T) {
	t.Parallel()
	var got *http.Request
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
		got = r.Clone(r.Context())
		rw.Header().Set("X-Sealgate-Audit", "log/1")
		rw.Header().Set("Keep-Alive", "timeout=5")
		rw.Header().Set("Etag", `"e"`)
		rw.Header().Set("X-Amz-Meta-Made-By", "x")
	}})
	signer := &world{addr: w.addr, keys: w.keys}
	signer.keys.Token = "t" // as a client signs that has one left from elsewhere
	head := signer.head(t, "GET", "/b/a%20b//c%2Fd?list-type=2&prefix=x%2F",
		"X-Forwarded-For: 10.0.0.1", "X-Forwarded-Client-Cert: x", "Forwarded: for=1", "X-Real-Ip: 1", "X-Ssl-Client-Verify: x", "Via: 1.1 x",
		"X-Client-Certificate: x", "X-Sealgate-Identity: admin", "Proxy-Authorization: x", "Te: trailers", "Upgrade: h2c", "Keep-Alive: 5",
		"X-Amz-Meta-A: b", "Range: bytes=1-2", "If-Match: \"e\"", "Content-Type: a/b")
	if !strings.Contains(head, "X-Amz-Security-Token: t\r\n") {
		t.Fatalf("the request has no token: %s", head)
	}
	resp, body := w.raw(t, "GET", strings.Replace(head, "\r\n\r\n", "\r\nConnection: keep-alive, Te, Upgrade\r\n\r\n", 1))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if got.RequestURI != "/b/a%20b//c%2Fd?list-type=2&prefix=x%2F" || "https://"+got.Host != w.gateway.endpoint {
		t.Errorf("the gateway saw %s at %s", got.RequestURI, got.Host)
	}
	want := http.Header{
		"X-Amz-Meta-A": {"b"}, "Range": {"bytes=1-2"}, "If-Match": {`"e"`}, "Content-Type": {"a/b"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"},
		"X-Amz-Date": got.Header["X-Amz-Date"],
	}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("headers at the gateway: %v, want %v", got.Header, want)
	}
	c := w.dial(t) // metadata is spelled as S3 does, which clients make names of
	_, _ = io.WriteString(c, strings.Replace(head, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	if b, _ := io.ReadAll(c); !bytes.Contains(b, []byte("\r\nx-amz-meta-made-by: x\r\n")) {
		t.Errorf("metadata at the client: %s", b)
	}
	if resp.Header.Get("X-Sealgate-Audit") != "log/1" || resp.Header.Get("Etag") != `"e"` || resp.Header.Get("Keep-Alive") != "" {
		t.Errorf("headers at the client: %v", resp.Header)
	}
}

// A body comes as it was sent: with a length or chunked, never both.
func TestBodies(t *testing.T) {
	t.Parallel()
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	type seen struct {
		length  int64
		coding  []string
		header  string
		trailer http.Header
		sum     [32]byte
	}
	var got seen
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			rw.WriteHeader(http.StatusTeapot)
		}
		got = seen{r.ContentLength, r.TransferEncoding, r.Header.Get("Content-Length"), r.Trailer, sha256.Sum256(b)}
	}})
	for name, tt := range map[string]struct {
		size int64
		body []byte
	}{"length": {int64(len(data)), data}, "chunked": {-1, data}, "empty": {0, nil}, "chunked and empty": {-1, nil}} {
		resp, body := w.do(t, w.signed(t, "PUT", "/b/k", bytes.NewReader(tt.body), tt.size, http.Header{"X-Amz-Copy-Source": {"a/b"}}))
		switch {
		case resp.StatusCode != http.StatusOK || got.sum != sha256.Sum256(tt.body):
			t.Errorf("%s: %d %s, %+v", name, resp.StatusCode, body, got)
		case tt.size < 0 && (got.length != -1 || got.header != "" || len(got.coding) != 1):
			t.Errorf("%s: a length came along: %+v", name, got)
		case tt.size >= 0 && (got.length != tt.size || got.coding != nil):
			t.Errorf("%s: %+v", name, got)
		}
	}
	r := w.signed(t, "PUT", "/b/k", bytes.NewReader(data), -1, nil)
	r.Trailer = http.Header{"X-Amz-Checksum-Crc32": {"abcd"}, "X-Sealgate-Identity": {"admin"}}
	if resp, _ := w.do(t, r); resp.StatusCode != http.StatusOK || got.trailer.Get("X-Amz-Checksum-Crc32") != "abcd" || got.trailer.Get("X-Sealgate-Identity") != "" {
		t.Errorf("trailers: %d, %v", resp.StatusCode, got.trailer)
	}
}

// A client that waits for 100 Continue hears of it when the gateway has said
// so, and not before; a refusal spares it the body.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	proceed := make(chan bool)
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
		if !<-proceed {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		rw.Header().Set("X-Got", strconv.FormatInt(n, 10))
	}})
	head := strings.Replace(w.head(t, "PUT", "/b/k"), "\r\n\r\n", "\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 1)
	c := w.dial(t)
	_, _ = io.WriteString(c, head)
	_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := c.Read(make([]byte, 100)); n != 0 || err == nil {
		t.Fatalf("%d bytes came before the gateway said anything", n)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	proceed <- true
	lines := bufio.NewReader(c)
	if resp, err := http.ReadResponse(lines, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("got %v, %v; want 100", resp, err)
	}
	_, _ = io.WriteString(c, "hello")
	if resp, err := http.ReadResponse(lines, nil); err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("X-Got") != "5" {
		t.Fatalf("got %v, %v; want 200", resp, err)
	}
	c = w.dial(t)
	_, _ = io.WriteString(c, head)
	proceed <- false
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusForbidden || !resp.Close {
		t.Fatalf("got %v, %v; want 403 at once, and the end", resp, err)
	}
	c = w.dial(t) // an empty body that is announced the same way
	_, _ = io.WriteString(c, strings.Replace(head, "Content-Length: 5", "Content-Length: 0", 1))
	lines = bufio.NewReader(c)
	if resp, err := http.ReadResponse(lines, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("an empty body: %v, %v; want 100", resp, err)
	}
	proceed <- true
	if resp, err := http.ReadResponse(lines, nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("an empty body: %v, %v; want 200", resp, err)
	}
}

// A gateway that answers before the end of the body: the client hears it, even
// if it goes on sending, and the connection does not serve the rest as a
// request.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Connection", "close")
		rw.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rw, "<Error><Code>AccessDenied</Code></Error>")
	}})
	for name, size := range map[string]int64{"length": 4 << 20, "chunked": -1} {
		resp, body := w.do(t, w.signed(t, "PUT", "/b/k", io.LimitReader(rand.Reader, 4<<20), size, nil))
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "AccessDenied") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	// A client that stops in the middle hears it too, within the time to drain.
	c := w.dial(t)
	_, _ = io.WriteString(c, strings.Replace(w.head(t, "PUT", "/b/k"), "\r\n\r\n", "\r\nContent-Length: 1000\r\n\r\nabc", 1))
	began := time.Now()
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusForbidden || !resp.Close {
		t.Errorf("a client that stops: %v, %v", resp, err)
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("it took %s", d)
	}
}

// White space before a late answer reaches the client when it is written.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(rw)
		rw.WriteHeader(http.StatusOK)
		for range 3 {
			_, _ = io.WriteString(rw, " ")
			_ = c.Flush()
			<-next
		}
		_, _ = io.WriteString(rw, "<done/>")
	}})
	resp, err := w.client(t).Do(w.signed(t, "POST", "/b/k?uploadId=u", nil, 0, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 1)
	for range 3 { // each arrives before the next is written
		if _, err := io.ReadFull(resp.Body, b); err != nil || b[0] != ' ' {
			t.Fatalf("%q, %v", b, err)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "<done/>" {
		t.Errorf("%q, %v", rest, err)
	}
}

// An answer that breaks off never ends cleanly.
func TestBrokenAnswer(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]string{"length": "1000000", "chunked": ""} {
		w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) {
			if length != "" {
				rw.Header().Set("Content-Length", length)
			}
			_, _ = rw.Write(make([]byte, 100_000))
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		}})
		resp, err := w.client(t).Do(w.signed(t, "GET", "/b/k", nil, 0, nil))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil || n > 100_000 {
			t.Errorf("%s: %d bytes and %v, want an error", name, n, err)
		}
		if w.reason(t) != "broken_answer" {
			t.Errorf("%s: %+v", name, w.refusals())
		}
	}
}

// A client that breaks off never makes a whole body.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	w := newWorld(t, options{handler: func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	}})
	for name, text := range map[string]string{
		"length": "Content-Length: 1000\r\n\r\nabc", "chunked": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "a bad chunk": "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
	} {
		c := w.dial(t)
		_, _ = io.WriteString(c, strings.Replace(w.head(t, "PUT", "/b/k"), "\r\n\r\n", "\r\n"+text, 1))
		time.Sleep(50 * time.Millisecond) // the gateway is reading by then, or it hears nothing at all
		c.Close()
		select {
		case err := <-got:
			if err == nil {
				t.Errorf("%s: the gateway saw a whole body", name)
			}
		case <-time.After(300 * time.Millisecond): // it never began
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "12345") }})
	c := w.client(t)
	for range 3 { // on one connection
		resp, err := c.Do(w.signed(t, "HEAD", "/b/k", nil, 0, nil))
		if err != nil || resp.ContentLength != 12345 {
			t.Fatalf("%v, %v", resp, err)
		}
		resp.Body.Close()
	}
}

// Bodies are not kept: a download and an upload of a gibibyte at once.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(rw, n, err)
			return
		}
		rw.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.CopyN(rw, zeros{}, size)
	}})
	resp, err := w.client(t).Do(w.signed(t, "GET", "/b/k", nil, 0, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, body := w.do(t, w.signed(t, "PUT", "/b/k", io.LimitReader(zeros{}, size), size, nil)); body != strconv.Itoa(size)+" <nil>" {
		t.Errorf("the gateway got %s", body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A chunked body that the answer came before never ends cleanly at the
// gateway: it would take the part for the whole.
func TestEarlyAnswerToChunks(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	w := newWorld(t, options{handler: func(rw http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(rw)
		if err := c.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		_, _ = io.ReadFull(r.Body, make([]byte, 3))
		rw.WriteHeader(http.StatusOK)
		_ = c.Flush()
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	}})
	const begin = "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
	chunk := "8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n"
	for name, more := range map[string]int{"a client that waits": 0, "a client that goes on sending": 200} {
		for range 10 { // the answer meets the body at another place each time
			c := w.dial(t)
			_, _ = io.WriteString(c, strings.Replace(w.head(t, "PUT", "/b/k"), "\r\n\r\n", begin, 1))
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for range more {
					if _, err := io.WriteString(c, chunk); err != nil {
						return // the agent has heard enough
					}
				}
			}()
			select {
			case err := <-got:
				if err == nil {
					t.Errorf("%s: the gateway saw a whole body", name)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s: the gateway still waits for the body", name)
			}
			c.Close()
			<-sent
		}
	}
}

// A body whose chunks are wrong is answered as that, by the agent: its client is
// still there.
func TestBadChunk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{handler: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }})
	resp, body := w.raw(t, "PUT", strings.Replace(w.head(t, "PUT", "/b/k"), "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", 1))
	if resp.StatusCode != http.StatusBadRequest || codeOf(t, body) != "IncompleteBody" || !resp.Close || w.reason(t) != "broken_body" {
		t.Errorf("%d %s, %+v", resp.StatusCode, body, w.refusals())
	}
}
