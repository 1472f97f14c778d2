// SPDX-License-Identifier: Apache-2.0

package framing

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func readHead(t *testing.T, tap *Tap) string {
	t.Helper()
	var b strings.Builder
	p := make([]byte, 4096)
	for !ended([]byte(b.String())) {
		n, err := tap.Read(p)
		if err != nil {
			t.Fatalf("reading the head after %q: %v", b.String(), err)
		}
		b.Write(p[:n])
	}
	return b.String()
}

func TestTapFaults(t *testing.T) {
	t.Parallel()
	const get = "GET /b/k HTTP/1.1"
	tests := []struct{ name, head, line, want string }{
		{"plain", "GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n", get, ""},
		{"chunked alone", "PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "PUT /b/k HTTP/1.1", ""},
		{"both lengths", "PUT /b/k HTTP/1.1\r\ncontent-LENGTH: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "PUT /b/k HTTP/1.1", "exclude each other"},
		{"bare line feed", "GET /b/k HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", get, "bare line feed"},
		{"bare end", "GET /b/k HTTP/1.1\r\nHost: h\r\n\n", get, "bare line feed"},
		{"folded", "GET /b/k HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", get, "folded"},
		{"old protocol", "PUT /b/k HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "PUT /b/k HTTP/1.0", "HTTP/1.0"},
		{"another line", "GET /b/other HTTP/1.1\r\nHost: h\r\n\r\n", get, "request line"},
	}
	for _, tt := range tests {
		for name, src := range map[string]io.Reader{
			"whole": strings.NewReader(tt.head), "bytewise": iotest.OneByteReader(strings.NewReader(tt.head)),
		} {
			tap := NewTap(src)
			readHead(t, tap)
			got := tap.Begin(tt.line, 0)
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%s, %s: got %q, want %q", tt.name, name, got, tt.want)
			}
		}
	}
}

func TestTapSeparatesRequests(t *testing.T) {
	t.Parallel()
	const one, two = "PUT /b/1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "GET /b/2 HTTP/1.1\r\nHost: h\r\n\r\n"
	tap := NewTap(strings.NewReader(one + "abc" + two))
	if got := readHead(t, tap); got != one {
		t.Fatalf("first head: got %q, want %q", got, one)
	}
	if got := tap.Begin("PUT /b/1 HTTP/1.1", 3); got != "" {
		t.Fatal(got)
	}
	p := make([]byte, 100)
	if n, _ := tap.Read(p); string(p[:n]) != "abc" {
		t.Fatalf("body: got %q, want abc: a head must not ride on a body", p[:n])
	}
	if got := readHead(t, tap); got != two {
		t.Fatalf("second head: got %q, want %q", got, two)
	}
	if got := tap.Begin("GET /b/2 HTTP/1.1", 0); got != "" {
		t.Fatal(got)
	}
}

func TestTapRefusesPipelining(t *testing.T) {
	t.Parallel()
	const one, two = "PUT /b/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "GET /b/2 HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct{ name, behind string }{
		{"whole head", two}, {"half a head", two[:30]},
	}
	for _, tt := range tests {
		tap := NewTap(strings.NewReader(one + "0\r\n\r\n" + tt.behind))
		readHead(t, tap)
		if got := tap.Begin("PUT /b/1 HTTP/1.1", -1); got != "" {
			t.Fatal(got)
		}
		p := make([]byte, 4096)
		if _, err := tap.Read(p); err != nil { // net/http's buffer takes all that is there
			t.Fatal(err)
		}
		if clean, next := tap.BodyEnded(), tap.Begin("GET /b/2 HTTP/1.1", 0); clean && next == "" {
			t.Errorf("%s behind a chunked body: accepted", tt.name)
		}
	}
}
