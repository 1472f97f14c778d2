// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// recordConn counts the records of application data that come.
type recordConn struct {
	net.Conn
	seen []byte // what has come of a record that is not whole
	n    int
}

func (c *recordConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.seen = append(c.seen, p[:n]...)
	for len(c.seen) >= 5 {
		size := 5 + int(c.seen[3])<<8 + int(c.seen[4]) // RFC 8446 §5.1
		if len(c.seen) < size {
			break
		}
		if c.seen[0] == 23 { // application_data
			c.n++
		}
		c.seen = c.seen[size:]
	}
	return n, err
}

// A small answer is one record, header and all; what is long is not held up, and
// each answer of a connection is whole.
func TestSmallAnswersAreOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	writer := w.client("/writer")
	sizes := []int{0, 1, 2000, 4096, smallAnswer, smallAnswer + 1, 4096, 70_000, 4096}
	for _, size := range sizes {
		w.put(writer, fmt.Sprintf("/data/models/%d", size), noise(uint64(size), size)).want(t, http.StatusOK, "")
	}
	raw, err := w.dialRaw()
	if err != nil {
		t.Fatal(err)
	}
	counted := &recordConn{Conn: raw}
	c := tls.Client(counted, w.clientTLS("/writer", certstest.Options{}))
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	answers := bufio.NewReader(c)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		before := counted.n
		if _, err := fmt.Fprintf(c, "GET /data/models/%d HTTP/1.1\r\nHost: gateway\r\n\r\n", size); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(body, noise(uint64(size), size)) {
			t.Fatalf("%d bytes: %d came, %v", size, len(body), err)
		}
		if got := counted.n - before; size <= smallAnswer && got != 1 {
			t.Errorf("%d bytes in %d records, want 1", size, got)
		}
	}
}

// What was verified of a small range goes out before the connection is cut.
func TestGatheredAnswerIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	body := noise(1, 200_000)
	w.put(w.client("/writer"), "/data/models/m", body).want(t, http.StatusOK, "")
	w.store.Add(storetest.Rule{Op: storetest.Get, Body: storetest.Flip(70_000, 1)}) // in the second segment
	const first, last = 60_000, 69_999
	got := w.do(w.client("/writer"), http.MethodGet, "/data/models/m", nil, "Range", fmt.Sprintf("bytes=%d-%d", first, last))
	if got.err == nil {
		t.Error("an answer that is not whole ended as if it were")
	}
	if got.status != http.StatusPartialContent || !bytes.Equal(got.body, body[first:64<<10]) {
		t.Errorf("status %d with %d bytes, want the verified beginning of %d", got.status, len(got.body), 64<<10-first)
	}
}
