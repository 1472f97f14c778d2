// SPDX-License-Identifier: Apache-2.0

// Package framing sees the head of each request before net/http does, and
// names what makes the framing of a connection ambiguous. Listeners of the
// gateway and of the agent read through it (S3.md, "Connections").
package framing

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// Tap watches the plaintext of one connection below net/http, which
// erases the evidence of some malformed requests before a handler can see
// them: Content-Length next to Transfer-Encoding, bare line feeds, folded
// header lines, HTTP/1.0 with Transfer-Encoding. It only raises flags; the
// one parser of the request stays net/http (S3.md, "Connections").
//
// A request head is always delivered to net/http on its own: no Read returns
// bytes of a head together with bytes that follow it. So a head that the tap
// did not see whole was pipelined behind a body, and is refused.
type Tap struct {
	src io.Reader

	mu   sync.Mutex // the reader is net/http's goroutine, the arming a handler's
	mode tapMode
	head []byte // of the current request, at most maxHead bytes
	left int64  // bytes of a body of known length that are still to come
	last [4]byte
	pend []byte // read from src, not yet delivered
	buf  []byte
}

type tapMode uint8

const (
	tapHead tapMode = iota // the next bytes belong to a request head
	tapDone                // the head was delivered; no handler has seen it yet
	tapBody                // bytes belong to a body of known length
	tapOpen                // bytes belong to a body that ends itself (chunked)
)

// maxHead bounds what the tap keeps of one head: net/http refuses larger
// ones (MaxHeaderBytes and its slack of 4 KiB) by itself.
const maxHead = 40 << 10

// NewTap gives a tap on what a connection reads from src.
func NewTap(src io.Reader) *Tap {
	return &Tap{src: src, buf: make([]byte, 16<<10)}
}

// Read delivers bytes to net/http, never past the end of a request head or
// of a body of known length.
func (t *Tap) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t.mu.Lock()
	if len(t.pend) == 0 {
		bypass := t.mode == tapOpen || t.mode == tapBody && t.left >= int64(len(p))
		t.mu.Unlock()
		dst := t.buf
		if bypass {
			dst = p // large bodies are not copied twice
		}
		n, err := t.src.Read(dst)
		t.mu.Lock()
		if n == 0 {
			t.mu.Unlock()
			return 0, err
		}
		if bypass && (t.mode == tapOpen || t.mode == tapBody && t.left >= int64(n)) {
			t.advance(p[:n])
			t.mu.Unlock()
			return n, nil
		}
		t.pend = append(t.pend[:0], dst[:n]...)
	}
	defer t.mu.Unlock()
	n := copy(p, t.pend[:t.limit(len(p))])
	t.advance(p[:n])
	t.pend = t.pend[n:]
	return n, nil
}

// limit says how many pending bytes may be delivered now.
func (t *Tap) limit(room int) int {
	n := min(room, len(t.pend))
	switch t.mode {
	case tapHead:
		return min(n, headEnd(t.head, t.pend[:n]))
	case tapBody:
		return int(min(int64(n), t.left))
	default:
		return n
	}
}

// headEnd gives the length of the prefix of next that ends the head begun in
// have, or len(next) while the end has not come. net/http takes a bare line
// feed for a line end, so the tap must as well.
func headEnd(have, next []byte) int {
	// back gives the byte n before next[i], also where it lies in have.
	back := func(i, n int) byte {
		switch at := i - n; {
		case at >= 0:
			return next[at]
		case len(have)+at >= 0:
			return have[len(have)+at]
		}
		return 0
	}
	for i, c := range next {
		if c == '\n' && (back(i, 1) == '\n' || back(i, 1) == '\r' && back(i, 2) == '\n') {
			return i + 1
		}
	}
	return len(next)
}

// advance accounts for bytes that were delivered.
func (t *Tap) advance(b []byte) {
	switch t.mode {
	case tapHead:
		if len(t.head)+len(b) <= maxHead {
			t.head = append(t.head, b...)
		}
		if ended(t.head) {
			t.mode = tapDone
		}
	case tapBody:
		if t.left -= int64(len(b)); t.left == 0 {
			t.rearm()
		}
	case tapOpen:
		t.remember(b)
	case tapDone:
		// net/http reads ahead one byte while a handler runs; Begin refuses a
		// connection on which that happened before the body was declared.
	}
}

func (t *Tap) remember(b []byte) {
	if len(b) >= 4 {
		copy(t.last[:], b[len(b)-4:])
		return
	}
	copy(t.last[:], append(append([]byte{}, t.last[len(b):]...), b...))
}

func ended(head []byte) bool {
	return bytes.HasSuffix(head, []byte("\n\r\n")) || bytes.HasSuffix(head, []byte("\n\n"))
}

func (t *Tap) rearm() {
	t.mode, t.head, t.last = tapHead, t.head[:0], [4]byte{}
}

// Begin is called once by the handler of each request, before the body is
// read. line is METHOD, a space, the target, a space, the protocol, as
// net/http parsed them; length is the declared length of the body, -1 when
// the body is chunked. The answer is "" or what is wrong with the head; the
// connection must then be closed.
func (t *Tap) Begin(line string, length int64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mode != tapDone {
		return "the request was sent before the one in front of it was answered"
	}
	wrong := faultOf(t.head, line)
	switch {
	case length < 0:
		t.mode, t.last = tapOpen, [4]byte{}
	case length == 0:
		t.rearm()
	default:
		t.mode, t.left = tapBody, length
	}
	return wrong
}

// BodyEnded is called when a chunked body was read to its end. It answers
// false when more than the body had been read: the next head began unseen, so
// the tap stays as it is, and Begin refuses whatever comes next.
func (t *Tap) BodyEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mode != tapOpen {
		return true
	}
	if string(t.last[:]) != "\r\n\r\n" || len(t.pend) > 0 {
		return false
	}
	t.rearm()
	return true
}

// faultOf names what is wrong with a request head, "" if nothing is.
func faultOf(head []byte, line string) string {
	rest, ok := bytes.CutPrefix(head, []byte(line+"\r\n"))
	if !ok {
		return "the request line is not the one that was read"
	}
	var length, encoding bool
	for raw := range bytes.SplitAfterSeq(rest, []byte("\n")) {
		h, crlf := bytes.CutSuffix(raw, []byte("\r\n"))
		switch {
		case len(raw) > 0 && !crlf:
			return "a header line ends in a bare line feed"
		case len(h) > 0 && (h[0] == ' ' || h[0] == '\t'):
			return "a header line is folded"
		}
		name, _, _ := bytes.Cut(h, []byte(":"))
		length = length || bytes.EqualFold(name, []byte("Content-Length"))
		encoding = encoding || bytes.EqualFold(name, []byte("Transfer-Encoding"))
	}
	switch {
	case length && encoding:
		return "Content-Length and Transfer-Encoding exclude each other"
	case encoding && strings.HasSuffix(line, " HTTP/1.0"):
		return "HTTP/1.0 has no Transfer-Encoding"
	}
	return ""
}
