// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ask makes a request as net/http's server would: from its bytes. lines are
// the request line, without the protocol, and headers.
func ask(tb testing.TB, lines ...string) *http.Request {
	tb.Helper()
	raw := lines[0] + " HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(append(lines[1:], "\r\n"), "\r\n")
	if len(lines) == 1 {
		raw = lines[0] + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		tb.Fatalf("reading the test's own request %q: %v", raw, err)
	}
	return r
}

// parsed gives the operation of a request that must be understood.
func parsed[T Op](tb testing.TB, lines ...string) T {
	tb.Helper()
	op, err := Parse(ask(tb, lines...), Options{})
	if err != nil {
		tb.Fatalf("Parse(%q): %v", lines, err)
	}
	got, ok := op.(T)
	if !ok {
		tb.Fatalf("Parse(%q) = %T, want %T", lines, op, got)
	}
	return got
}

// wantError checks the code and the status of an error.
func wantError(tb testing.TB, err error, code string, status int) Error {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("error = %v, want %s", err, code)
	}
	if e.Code != code || e.Status != status {
		tb.Fatalf("error = %s (%d): %s; want %s (%d)", e.Code, e.Status, e.Message, code, status)
	}
	return *e
}

// refused checks that a request is refused with that code.
func refused(tb testing.TB, code string, lines ...string) Error {
	tb.Helper()
	op, err := Parse(ask(tb, lines...), Options{})
	if op != nil {
		if _, ok := op.(*Refused); !ok {
			tb.Fatalf("Parse(%q) gave the operation %#v beside %v", lines, op, err)
		}
	}
	return wantError(tb, err, code, Codes[code].Status)
}

// with gives the lines of a request: its first, some headers, and more of them.
func with(line string, headers []string, more ...string) []string {
	return append(append([]string{line}, headers...), more...)
}

// capturedBodies gives the bodies of the captured requests whose file names
// fit: what clients send is where a fuzzer should begin.
func capturedBodies(tb testing.TB, pattern string) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/requests/" + pattern)
	if err != nil || len(files) < 2 {
		tb.Fatalf("%d captured requests fit %s, %v", len(files), pattern, err)
	}
	var bodies []string
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		if _, body, _ := strings.Cut(string(raw), "\r\n\r\n"); body != "" {
			bodies = append(bodies, body)
		}
	}
	return bodies
}
