// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

func integrityFailures(t *testing.T, g *gate.Gate) int {
	t.Helper()
	n, err := strconv.ParseFloat(metric(t, g, "sealgate_integrity_failures_total"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// ask sends a request of who for models/KEY on a kept connection.
func ask(t *testing.T, g *gate.Gate, who, method, key string, header http.Header) gate.Answer {
	t.Helper()
	return g.Do(t, client(t, g, who), method, "/models/"+key, nil, 0, header)
}

// tampered is what a request for an object that was changed must get.
var tampered = want{
	status: http.StatusInternalServerError, code: "InternalError", decision: "allow", abort: "integrity_failure", outcome: http.StatusInternalServerError,
}

// Every bit of a stored object counts: header of the file, sealed metadata,
// body, padding, manifest and footer.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	who := "/writer/bytes"
	c := client(t, g, who)
	for _, size := range []int{0, 300} {
		key := "bytes/" + itoa(size)
		plain := make([]byte, size)
		_, _ = rand.Read(plain)
		h := http.Header{"Content-Type": {"application/x-secret"}, "X-Amz-Meta-Owner": {"nobody else's business"}, "X-Amz-Checksum-Crc32": {crc(string(plain))}}
		if a := g.Do(t, c, http.MethodPut, "/models/"+key, bytes.NewReader(plain), int64(size), h); a.Status != http.StatusOK {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
		whole := takeApart(t, fileOf(g, "models", key))
		if f := whole.bytes(); size > 0 && (bytes.Contains(f, plain) || bytes.Contains(f, []byte("x-secret")) || bytes.Contains(f, []byte("business"))) {
			t.Error("the stored file holds plaintext")
		}
		// As a failing disk would: every byte of the file.
		flipEach(t, g, who, key, len(whole.bytes()), func(i int) []byte {
			b := whole.bytes()
			b[i] ^= 1 << (i % 8)
			return b
		})
		// As someone would who mends the checksum of the file's header.
		flipEach(t, g, who, key, len(whole.metadata), func(i int) []byte {
			s := whole
			b := []byte(s.metadata)
			if b[i]++; i%3 == 0 {
				b[i] = 'A'
			}
			if string(b) == s.metadata {
				b[i] = 'B'
			}
			s.metadata = string(b)
			return s.bytes()
		})
		whole.write(t)
		if a := ask(t, g, who, http.MethodGet, key, nil); a.Status != http.StatusOK || !bytes.Equal(a.Body, plain) || a.Header.Get("X-Amz-Meta-Owner") == "" {
			t.Errorf("mended: got %d %q", a.Status, a.Body)
		}
	}
}

// flipEach reads the object once for each of n changes of its file.
func flipEach(t *testing.T, g *gate.Gate, who, key string, n int, change func(int) []byte) {
	t.Helper()
	l := newLedger(t, g)
	before := integrityFailures(t, g)
	path := fileOf(g, "models", key)
	for i := range n {
		overwrite(t, path, change(i))
		l.add(fmt.Sprintf("%s with byte %d of %d changed", key, i, n), who, ask(t, g, who, http.MethodGet, key, nil), tampered)
		if t.Failed() && len(l.items) > 20 {
			t.Fatal("that is enough")
		}
	}
	l.check()
	if got := integrityFailures(t, g) - before; got != n {
		t.Errorf("%s: the metric counts %d integrity failures, want %d", key, got, n)
	}
}

// Objects that were put together from genuine pieces, cut or grown.
func TestForgedObjects(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	who := "/writer/forged"
	const size = 200_000 // four segments, the last one short
	contents := map[string][]byte{}
	for _, key := range []string{"a", "b", "old"} {
		contents[key] = make([]byte, size)
		_, _ = rand.Read(contents[key])
	}
	put(t, g, who, "/models/f/a", contents["old"])
	old := takeApart(t, fileOf(g, "models", "f/a"))
	put(t, g, who, "/models/f/a", contents["a"])
	put(t, g, who, "/models/f/b", contents["b"])
	put(t, g, who, "/features/f/a", contents["a"])
	a, b := takeApart(t, fileOf(g, "models", "f/a")), takeApart(t, fileOf(g, "models", "f/b"))
	elsewhere := takeApart(t, fileOf(g, "features", "f/a"))
	if got := ask(t, g, who, http.MethodGet, "f/a", nil); !bytes.Equal(got.Body, contents["a"]) { // and its ETag is known from now on
		t.Fatal("the object is not there")
	}
	const seg = 65536 + 32
	body := func(parts ...[]byte) stored {
		s := a
		s.body = bytes.Join(parts, nil)
		return s
	}
	meta := func(m string) stored {
		s := a
		s.metadata = m
		return s
	}
	with := func(m, from stored) stored {
		s := a
		s.metadata, s.body = m.metadata, from.body
		return s
	}
	moved := b
	moved.path = a.path
	unmanaged := want{status: http.StatusForbidden, code: "AccessDenied", decision: "allow", outcome: http.StatusForbidden, cause: "not written by the gateway"}
	l := newLedger(t, g)
	before, failures := integrityFailures(t, g), 0
	for _, c := range []struct {
		name   string
		forged stored
		want   want
		first  bool // the fault lies behind the first segment: a range there may be served
	}{
		{"the body of another object", with(a, b), tampered, false},
		{"the metadata of another object", with(b, a), tampered, false},
		{"all of another object", with(b, b), tampered, false},
		{"the file of another object", moved, tampered, false},
		{"the same key of another bucket", with(elsewhere, elsewhere), tampered, false},
		{"an older version under the ETag of this one", with(old, old), tampered, false},
		{"all of another object under the ETag of this one", with(b, b), tampered, false},
		{"the body of an older version", with(a, old), tampered, false},
		{"no metadata", meta(""), unmanaged, false},
		{"no metadata, plaintext", stored{a.path, a.times, a.key, "", contents["a"]}, unmanaged, false},
		{"metadata that is no base64", meta("!" + a.metadata[1:]), tampered, false},
		{"metadata with padding", meta(a.metadata + "="), tampered, false},
		{"metadata with a line feed", meta(a.metadata + "\n"), tampered, false},
		{"metadata that goes on", meta(a.metadata + "AAAA"), tampered, false},
		{"metadata that is cut", meta(a.metadata[:len(a.metadata)-4]), tampered, false},
		{"metadata of one byte", meta("AQ"), tampered, false},
		{"metadata of zeros", meta(strings.Repeat("A", len(a.metadata))), tampered, false},
		{"metadata twice", meta(a.metadata + a.metadata), tampered, false},
		{"cut by one byte", body(a.body[:len(a.body)-1]), tampered, false},
		{"cut by the footer", body(a.body[:len(a.body)-256]), tampered, false},
		{"cut by a segment", body(a.body[:len(a.body)-seg]), tampered, false},
		{"cut to one segment", body(a.body[:seg]), tampered, false},
		{"cut to nothing", body(nil), tampered, false},
		{"one byte more", body(a.body, []byte{0}), tampered, false},
		{"256 bytes more", body(a.body, make([]byte, 256)), tampered, false},
		{"a segment more", body(a.body, a.body[:seg]), tampered, false},
		{"twice", body(a.body, a.body), tampered, false},
		{"without its first segment", body(a.body[seg:], a.body[:seg]), tampered, false},
		{"segments 2 and 3 changed places", body(a.body[:seg], a.body[2*seg:3*seg], a.body[seg:2*seg], a.body[3*seg:]), tampered, true},
		{"segment 2 twice", body(a.body[:seg], a.body[seg:2*seg], a.body[seg:2*seg], a.body[3*seg:]), tampered, true},
		{"segment 2 of another object", body(a.body[:seg], b.body[seg:2*seg], a.body[2*seg:]), tampered, true},
		{"segment 2 of an older version", body(a.body[:seg], old.body[seg:2*seg], a.body[2*seg:]), tampered, true},
		{"the tail of another object", body(a.body[:3*seg], b.body[3*seg:]), tampered, true},
		{"all zeros", body(make([]byte, len(a.body))), tampered, false},
	} {
		if !strings.Contains(c.name, "ETag") { // one that the gateway has not seen, or it would know that alone
			c.forged.times = append(bytes.Clone(c.forged.times[:8]), random(16)...)
		}
		c.forged.write(t)
		for _, r := range []struct {
			name, method, rng string
		}{{"GET", http.MethodGet, ""}, {"HEAD", http.MethodHead, ""}, {"first bytes", http.MethodGet, "bytes=0-9"}, {"last bytes", http.MethodGet, "bytes=-10"}, {"middle", http.MethodGet, "bytes=65536-131071"}} {
			header := http.Header{}
			if r.rng != "" {
				header.Set("Range", r.rng)
			}
			got, err := g.Try(client(t, g, who), r.method, "/models/f/a", nil, 0, header)
			name := c.name + ", " + r.name
			genuine := contents["a"]
			switch r.name {
			case "first bytes":
				genuine = genuine[:10]
			case "last bytes":
				genuine = genuine[size-10:]
			case "middle":
				genuine = genuine[65536:131072]
			}
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case r.name == "GET" && c.first: // it had begun: cut before the segment that is wrong
				failures++
				if got.Status != http.StatusOK || got.Err == nil || len(got.Body) > 3*65536 || !bytes.HasPrefix(genuine, got.Body) {
					t.Errorf("%s: got %d with %d bytes, %v: want a cut, after genuine bytes alone", name, got.Status, len(got.Body), got.Err)
				}
				w := tampered
				w.status, w.outcome = http.StatusOK, http.StatusOK
				l.add(name, who, got, w)
			case got.Status < 300: // what was asked for is genuine, or the store's word on the header alone
				if r.method == http.MethodGet && (got.Err != nil || !bytes.Equal(got.Body, genuine)) {
					t.Errorf("%s: got %d and %d bytes that were never put there", name, got.Status, len(got.Body))
				}
				if r.name == "GET" {
					t.Errorf("%s: served whole", name)
				}
				l.add(name, who, got, want{status: got.Status, decision: "allow"})
			default:
				if reason := got.Header.Get("X-Sealgate-Reason"); c.want.cause != "" && reason != "unmanaged_object" {
					t.Errorf("%s: got reason %q, want unmanaged_object", name, reason)
				}
				if c.want.status == http.StatusInternalServerError {
					failures++
				}
				w := c.want
				if r.method == http.MethodHead {
					w.code = ""
				}
				l.add(name, who, got, w)
			}
		}
		// What only names the object shows nothing either.
		if p := readPage(t, list(t, g, who, "models", map[string][]string{"prefix": {"f/"}})); len(p.Contents) > 2 {
			t.Errorf("%s: listed %v", c.name, p.Contents)
		}
	}
	l.check()
	if got := integrityFailures(t, g) - before; got != failures {
		t.Errorf("the metric counts %d integrity failures, want %d", got, failures)
	}
	a.write(t)
	if got := ask(t, g, who, http.MethodGet, "f/a", nil); !bytes.Equal(got.Body, contents["a"]) {
		t.Error("the mended object does not open")
	}
	// A rolled back object of the same key is genuine: it is served as what it
	// is, never under the ETag of another.
	rolled := old
	rolled.write(t)
	if got := ask(t, g, who, http.MethodGet, "f/a", nil); got.Status != http.StatusOK || !bytes.Equal(got.Body, contents["old"]) {
		t.Errorf("an older version: got %d", got.Status)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// recording keeps what came over a connection.
type recording struct {
	net.Conn
	got []byte
}

func (r *recording) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got = append(r.got, p[:n]...)
	return n, err
}

// farewell reports whether the last TLS record is an alert by its length, as
// close_notify is: two bytes, the type and the tag. Truncated records are not.
func (r *recording) farewell() bool {
	last := 0
	for b := r.got; len(b) >= 5; {
		last = int(binary.BigEndian.Uint16(b[3:]))
		b = b[min(len(b), 5+last):]
	}
	return last == 2+1+16
}

// A fault deep in a large object cuts the connection: the client sees an
// error and not one byte of the bad segment.
func TestFaultInStream(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	who := "/writer/stream"
	plain := make([]byte, 8<<20)
	_, _ = rand.Read(plain)
	put(t, g, who, "/models/big", plain)
	whole := takeApart(t, fileOf(g, "models", "big"))
	good := &recording{Conn: plainDial(t, g)}
	ended := tls.Client(good, g.TLS(t, material(t, g, who)))
	_, _ = io.WriteString(ended, "HEAD /models/big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if _, _ = io.ReadAll(ended); !good.farewell() {
		t.Error("a connection that ends well has no farewell: this test would see none")
	}
	for _, bad := range []int{1, 60, 127} { // the last one is the last segment
		s := whole
		s.body = bytes.Clone(whole.body)
		s.body[bad*(65536+32)+100] ^= 0x10
		s.write(t)
		before := integrityFailures(t, g)
		wire := &recording{Conn: plainDial(t, g)}
		c := tls.Client(wire, g.TLS(t, material(t, g, who)))
		_, _ = io.WriteString(c, get("/models/big"))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("segment %d: %v, %v", bad, resp, err)
		}
		got, err := io.ReadAll(resp.Body)
		if err == nil {
			t.Errorf("segment %d: the body ended cleanly with %d bytes", bad, len(got))
		}
		if len(got) > bad*65536 || !bytes.HasPrefix(plain, got) {
			t.Errorf("segment %d: got %d bytes, want at most %d genuine ones", bad, len(got), bad*65536)
		}
		if wire.farewell() {
			t.Errorf("segment %d: TLS says that the connection ended as it should", bad)
		}
		l := newLedger(t, g)
		a := gate.Answer{Status: resp.StatusCode, Header: resp.Header}
		l.add(fmt.Sprint("segment ", bad), who, a, want{status: http.StatusOK, decision: "allow", path: "models/big", abort: "integrity_failure", outcome: http.StatusOK})
		l.check()
		if n := integrityFailures(t, g) - before; n != 1 {
			t.Errorf("segment %d: the metric counts %d, want 1", bad, n)
		}
	}
}

// records of the gateway's own keyrings, as files.
func records(t *testing.T, g *gate.Gate, bucket string) []string {
	t.Helper()
	var out []string
	for _, key := range storedKeys(t, g, bucket, ".sealgate/") {
		out = append(out, fileOf(g, bucket, key))
	}
	return out
}

// A keyring's record that was put in place of another, or changed, is not
// taken: the start fails and says which. One that is gone is written again.
func TestKeyringRecords(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Policy: policyText})
	who := "/writer/records"
	put(t, g, who, "/models/k", []byte(text))
	put(t, g, who, "/features/k", []byte(text))
	files, others := records(t, g, "models"), records(t, g, "features")
	if len(files) != 1 || len(others) != 1 {
		t.Fatalf("records %q and %q, want one each", files, others)
	}
	if code := g.Stop(t); code != 0 {
		t.Fatalf("stopping: %d", code)
	}
	mine, other := takeApart(t, files[0]), takeApart(t, others[0])
	for name, change := range map[string]func(s *stored){
		"that of another bucket": func(s *stored) { s.body = other.body },
		"a changed one":          func(s *stored) { s.body = bytes.Clone(s.body); s.body[len(s.body)/2] ^= 1 },
		"a cut one":              func(s *stored) { s.body = s.body[:len(s.body)-1] },
		"an empty one":           func(s *stored) { s.body = nil },
	} {
		s := mine
		change(&s)
		s.write(t)
		before := len(g.Log())
		err := g.Restart(t, nil)
		if err == nil {
			t.Errorf("%s: the gateway started", name)
			g.Kill()
			continue
		}
		if said := strings.TrimSpace(g.Log()[before:]); !strings.Contains(said, "sealgate: ") || !strings.Contains(said, "keyring") && !strings.Contains(said, "record") {
			t.Errorf("%s: it said %q", name, said)
		}
		mine.write(t)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := g.Restart(t, nil); err != nil {
		t.Fatalf("without the record: %v", err)
	}
	if a := raw(t, g, who, get("/models/k")); string(a.Body) != text {
		t.Errorf("after the record was lost: got %d %s", a.Status, a.Body)
	}
	if again := records(t, g, "models"); len(again) != 1 || filepath.Dir(again[0]) != filepath.Dir(files[0]) {
		t.Errorf("records afterwards: %q", again)
	}
}
