// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// chunkedUpload is an upload of two chunks and a half, signed as a client
// does, with its parts apart.
type chunkedUpload struct {
	lines    []string // the head
	chunks   []string // each with its header and its CRLF
	trailers string
}

// newChunkedUpload signs an upload of those chunks.
func newChunkedUpload(tb testing.TB, trailing bool, chunks ...string) chunkedUpload {
	tb.Helper()
	u := chunkedUpload{}
	mode := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	names := []string{"host", "x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length"}
	values := map[string]string{"host": "localhost", "x-amz-date": "20130524T000000Z", "x-amz-decoded-content-length": fmt.Sprint(len(strings.Join(chunks, "")))}
	if trailing {
		mode += "-TRAILER"
		names = append(names, "x-amz-trailer")
		values["x-amz-trailer"] = "x-amz-checksum-crc32"
	}
	values["x-amz-content-sha256"] = mode
	text := "PUT\n/models/k\n\n"
	u.lines = []string{"PUT /models/k", "Transfer-Encoding: chunked"}
	for _, name := range names {
		text += name + ":" + values[name] + "\n"
		u.lines = append(u.lines, name+": "+values[name])
	}
	s := &Signed{Date: "20130524", Region: "us-east-1", Service: "s3", Time: exampleTime}
	key := s.signingKey([]byte(exampleSecret))
	seed := s.sign(key, text+"\n"+strings.Join(names, ";")+"\n"+mode)
	u.lines = append(u.lines, fmt.Sprintf("Authorization: AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%x", exampleScope, strings.Join(names, ";"), seed))

	last := fmt.Sprintf("%x", seed)
	next := func(kind, rest string) string {
		last = fmt.Sprintf("%x", mac(key, "AWS4-HMAC-SHA256-"+kind+"\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"+last+"\n"+rest))
		return last
	}
	for _, c := range append(slices.Clone(chunks), "") {
		u.chunks = append(u.chunks, fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", len(c), next("PAYLOAD", emptySHA256+"\n"+hexSum(c)), c))
	}
	u.chunks[len(chunks)] = strings.TrimSuffix(u.chunks[len(chunks)], "\r\n") // the last one has no data
	if trailing {
		line := "x-amz-checksum-crc32:" + sumsOf(strings.Join(chunks, ""))["x-amz-checksum-crc32"] + "\n"
		u.trailers = strings.TrimSuffix(line, "\n") + "\r\nx-amz-trailer-signature:" + next("TRAILER", hexSum(line)) + "\r\n"
	}
	return u
}

func (u chunkedUpload) raw() string { return strings.Join(u.chunks, "") + u.trailers + "\r\n" }

// refusedChunks reads a payload that must not come to a clean end, through
// readers of several habits, and gives what was handed out before.
func refusedChunks(t *testing.T, u chunkedUpload, raw, code string, status int) int {
	t.Helper()
	most := 0
	for _, habit := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
		b := signedPut(t, wire(t, u.lines...), u.lines).Body(habit(strings.NewReader(raw)))
		got, err := io.ReadAll(b)
		wantError(t, err, code, status)
		if _, again := b.Read(make([]byte, 9)); errors.Is(again, io.EOF) || again == nil {
			t.Fatalf("after the error the payload ends with %v", again)
		}
		most = max(most, len(got))
	}
	return most
}

var threeChunks = []string{strings.Repeat("a", 9000), strings.Repeat("b", 8192), "the end"}

func TestChunksThatWereTampered(t *testing.T) {
	t.Parallel()
	const mismatch = "SignatureDoesNotMatch"
	for _, trailing := range []bool{false, true} {
		u := newChunkedUpload(t, trailing, threeChunks...)
		whole := strings.Join(threeChunks, "")
		if got, sums, err := readAll(t, signedPut(t, wire(t, u.lines...), u.lines), u.raw()); err != nil || got != whole || sums.Trailer != trailing {
			t.Fatalf("the upload itself: %d bytes, %v", len(got), err)
		}
		other := newChunkedUpload(t, trailing, strings.Repeat("c", 9000), threeChunks[1], threeChunks[2])
		for name, c := range map[string]struct {
			chunks []string
			code   string
			before int // bytes that may have been handed out at most
		}{
			"a byte of the first":             {[]string{strings.Replace(u.chunks[0], "aaa", "aba", 1), u.chunks[1], u.chunks[2], u.chunks[3]}, mismatch, 8999},
			"a byte of the second":            {[]string{u.chunks[0], strings.Replace(u.chunks[1], "bbb", "bab", 1), u.chunks[2], u.chunks[3]}, mismatch, 9000 + 8191},
			"the last byte":                   {[]string{u.chunks[0], u.chunks[1], strings.Replace(u.chunks[2], "end", "ene", 1), u.chunks[3]}, mismatch, len(whole) - 1},
			"two chunks the other way around": {[]string{u.chunks[1], u.chunks[0], u.chunks[2], u.chunks[3]}, mismatch, 8191},
			"the first left out":              {[]string{u.chunks[1], u.chunks[2], u.chunks[3]}, mismatch, 8191},
			"the second left out":             {[]string{u.chunks[0], u.chunks[2], u.chunks[3]}, mismatch, 9006},
			"the first twice":                 {[]string{u.chunks[0], u.chunks[0], u.chunks[2], u.chunks[3]}, "IncompleteBody", 9000},
			"one of another upload":           {[]string{other.chunks[0], u.chunks[1], u.chunks[2], u.chunks[3]}, mismatch, 9000 + 8191},
			"all of another upload":           {other.chunks, mismatch, len(whole)},
			"another end":                     {[]string{u.chunks[0], u.chunks[1], u.chunks[2], other.chunks[3]}, mismatch, len(whole)},
			"no end":                          {u.chunks[:3], "IncompleteBody", len(whole)},
			"ended early":                     {[]string{u.chunks[0], u.chunks[3]}, "IncompleteBody", 9000},
			"two chunks made one": {[]string{
				fmt.Sprintf("%x", 9000+8192) + u.chunks[0][4:len(u.chunks[0])-2] + threeChunks[1] + "\r\n", u.chunks[2], u.chunks[3],
			}, mismatch, 9000 + 8191},
		} {
			if name == "all of another upload" && !trailing {
				continue // its head is the same, and so are its signatures: it is that upload
			}
			raw := strings.Join(c.chunks, "") + u.trailers + "\r\n"
			if got := refusedChunks(t, u, raw, c.code, Codes[c.code].Status); got > c.before {
				t.Errorf("%s: %d bytes were handed out, at most %d may be", name, got, c.before)
			}
		}
	}
}

func TestTrailersThatWereTampered(t *testing.T) {
	t.Parallel()
	u := newChunkedUpload(t, true, threeChunks...)
	other := newChunkedUpload(t, true, "other")
	body := strings.Join(u.chunks, "")
	sum, signature, _ := strings.Cut(u.trailers, "\r\n")
	otherSum, otherSignature, _ := strings.Cut(other.trailers, "\r\n")
	for name, c := range map[string][2]string{
		"another checksum":               {otherSum + "\r\n" + signature, "SignatureDoesNotMatch"},
		"another signature":              {sum + "\r\n" + otherSignature, "SignatureDoesNotMatch"},
		"both of another upload":         {other.trailers, "SignatureDoesNotMatch"},
		"no signature":                   {sum + "\r\n", "IncompleteBody"},
		"a signature of zeros":           {sum + "\r\nx-amz-trailer-signature:" + strings.Repeat("0", 64) + "\r\n", "SignatureDoesNotMatch"},
		"the signature in upper case":    {sum + "\r\n" + strings.ToUpper(signature), "IncompleteBody"},
		"no checksum":                    {signature, "MalformedTrailerError"},
		"space that the signer left out": {strings.Replace(sum, ":", ":  ", 1) + "\r\n" + signature, ""},
	} {
		if c[1] == "" { // the value is trimmed: it says the same
			if _, _, err := readAll(t, signedPut(t, wire(t, u.lines...), u.lines), body+c[0]+"\r\n"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		refusedChunks(t, u, body+c[0]+"\r\n", c[1], Codes[c[1]].Status)
	}
}

// Every single byte of a signed payload, changed.
func TestEveryByteOfASignedPayload(t *testing.T) {
	t.Parallel()
	u := newChunkedUpload(t, true, strings.Repeat("a", 8192), "bcd")
	raw := u.raw()
	data := strings.Repeat("a", 8192) + "bcd"
	for i := range raw {
		if i > 200 && i < 8200 && i%97 != 0 {
			continue // the same letter, again and again
		}
		for _, b := range []byte{raw[i] ^ 1, raw[i] ^ 0x20, '\n', '0'} {
			if b == raw[i] {
				continue
			}
			got, err := io.ReadAll(signedPut(t, wire(t, u.lines...), u.lines).Body(strings.NewReader(raw[:i] + string([]byte{b}) + raw[i+1:])))
			if err == nil && string(got) != data {
				t.Fatalf("byte %d of the payload as %q: taken, with other data", i, b)
			}
			if err != nil && errors.Is(err, io.EOF) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

// Without a key nothing is verified: where the signature says who asks, such a
// payload is not read at all; where the certificate does, it is.
func TestSignedChunksWithoutAKey(t *testing.T) {
	t.Parallel()
	u := newChunkedUpload(t, false, threeChunks...)
	for l, want := range map[Listener]string{MTLS: "", SessionKeys: "InternalError"} {
		op, err := Parse(wire(t, u.lines...), Options{Listener: l})
		put, ok := op.(*PutObject)
		if err != nil || !ok {
			t.Fatal(op, err)
		}
		got, err := io.ReadAll(put.Body(strings.NewReader(u.raw())))
		if want == "" {
			if err != nil {
				t.Errorf("read where the certificate decides: %v", err)
			}
			continue
		}
		wantError(t, err, want, 500)
		if len(got) > 0 {
			t.Errorf("%d bytes were handed out unverified", len(got))
		}
	}
	// The same of a part.
	lines := replaced(u.lines, "PUT", "PUT /models/k?partNumber=1&uploadId=u")
	op, err := Parse(wire(t, lines...), Options{Listener: SessionKeys})
	part, ok := op.(*UploadPart)
	if err != nil || !ok {
		t.Fatal(op, err)
	}
	_, err = io.ReadAll(part.Body(strings.NewReader(u.raw())))
	wantError(t, err, "InternalError", 500)
	v, err := verified(wire(t, u.lines...), exampleTime.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	part.UseSignature(v)
	if _, err = io.ReadAll(part.Body(strings.NewReader(u.raw()))); err != nil {
		t.Errorf("a part with its signature: %v", err)
	}
}

// An unsigned streaming payload is fine with a signed head.
func TestUnsignedChunksUnderASignature(t *testing.T) {
	t.Parallel()
	op, err := Parse(ask(t, "PUT /models/k", "Transfer-Encoding: chunked", "x-amz-decoded-content-length: 5", "x-amz-trailer: x-amz-checksum-crc32",
		"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Authorization: "+sigV4), Options{Listener: SessionKeys})
	put, ok := op.(*PutObject)
	if err != nil || !ok {
		t.Fatal(op, err)
	}
	put.UseSignature(&Verified{})
	if got, _, err := readAll(t, put, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"); err != nil || got != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	for _, mode := range []string{"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-EVENTS", "STREAMING-UNSIGNED-PAYLOAD"} {
		_, err := Parse(ask(t, "PUT /models/k", "Transfer-Encoding: chunked", "x-amz-decoded-content-length: 5", "x-amz-content-sha256: "+mode), Options{Listener: SessionKeys})
		wantError(t, err, "NotImplemented", 501)
	}
}
