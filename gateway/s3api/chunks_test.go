// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

const chunkSig = ";chunk-signature=" + sig

// chunkedPut is a PUT of that many decoded bytes in that mode.
func chunkedPut(tb testing.TB, mode string, size int, headers ...string) *PutObject {
	tb.Helper()
	lines := []string{"PUT /models/k", "Transfer-Encoding: chunked", "x-amz-decoded-content-length: " + strconv.Itoa(size), "x-amz-content-sha256: " + mode}
	return parsed[*PutObject](tb, append(lines, headers...)...)
}

func TestChunks(t *testing.T) {
	t.Parallel()
	const (
		unsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		signed   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
		both     = signed + "-TRAILER"
		crc      = "x-amz-checksum-crc32:NhCmhg==" // of "hello"
		tsig     = "x-amz-trailer-signature:" + sig
	)
	for _, c := range []struct{ name, mode, raw, code string }{
		{"one chunk", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", ""},
		{"leading zeros", unsigned, "0005\r\nhello\r\n000\r\n" + crc + "\r\n\r\n", ""},
		{"trailer as minio-go ends it", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\n\r\n\r\n", ""},
		{"trailer with a space", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32: NhCmhg==\r\n\r\n", ""},
		{"trailer in upper case", unsigned, "5\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32:NhCmhg==\r\n\r\n", ""},
		{"signed", signed, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n\r\n", ""},
		{"signed with trailer", both, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n" + crc + "\r\n" + tsig + "\r\n\r\n", ""},
		{"signed with trailer, minio-go", both, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n" + crc + "\n\r\n" + tsig + "\r\n\r\n", ""},

		{"wrong trailer", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"},
		{"trailer is no checksum", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "InvalidRequest"},
		{"another trailer", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-sha1:NhCmhg==\r\n\r\n", "MalformedTrailerError"},
		{"no trailer", unsigned, "5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"},
		{"trailer twice", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n" + crc + "\r\n\r\n", "MalformedTrailerError"},
		{"trailer that was not declared", signed, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"trailer signature where none belongs", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n" + tsig + "\r\n\r\n", "MalformedTrailerError"},
		{"no trailer signature", both, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"short trailer signature", both, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n" + crc + "\r\n" + tsig[:80] + "\r\n\r\n", "IncompleteBody"},
		{"too little", unsigned, "4\r\nhell\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"too much in one chunk", unsigned, "6\r\nhello!\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"a small chunk that is not the last", unsigned, "2\r\nhe\r\n3\r\nllo\r\n0\r\n" + crc + "\r\n\r\n", "InvalidChunkSizeError"},
		{"no end", unsigned, "5\r\nhello\r\n", "IncompleteBody"},
		{"cut in the data", unsigned, "5\r\nhel", "IncompleteBody"},
		{"cut in a header", unsigned, "5", "IncompleteBody"},
		{"cut before the trailer", unsigned, "5\r\nhello\r\n0\r\n", "IncompleteBody"},
		{"cut in the trailer", unsigned, "5\r\nhello\r\n0\r\n" + crc, "IncompleteBody"},
		{"cut before the last line", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n", "IncompleteBody"},
		{"goes on", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n\r\nGET /", "InvalidRequest"},
		{"nothing", unsigned, "", "IncompleteBody"},
		{"no framing", unsigned, "hello", "IncompleteBody"},
		{"no framing, with a line", unsigned, "hello\r\n", "IncompleteBody"},
		{"no CRLF after the data", unsigned, "5\r\nhello0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"size too small for the data", unsigned, "4\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"bare LF after a size", unsigned, "5\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"bare LF after the data", unsigned, "5\r\nhello\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"bare LF after the trailer", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\n\r\n", "IncompleteBody"},
		{"CR in a line", unsigned, "5\r\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"plus sign", unsigned, "+5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"minus sign", unsigned, "-5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"prefix 0x", unsigned, "0x5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"space before a size", unsigned, " 5\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"space after a size", unsigned, "5 \r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"empty size", unsigned, "\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"extension", unsigned, "5;a=b\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"size beyond 63 bits", unsigned, "ffffffffffffffff\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"size of too many digits", unsigned, "00000000000000005\r\nhello\r\n0\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"endless header", unsigned, strings.Repeat("0", 5000) + "5\r\nhello\r\n0\r\n", "IncompleteBody"},
		{"header over the limit", unsigned, strings.Repeat("0", 300) + "5\r\nhello\r\n0\r\n", "IncompleteBody"},
		{"trailer over the limit", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + strings.Repeat(" ", 300) + "NhCmhg==\r\n\r\n", "IncompleteBody"},
		{"signature in an unsigned mode", unsigned, "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n" + crc + "\r\n\r\n", "IncompleteBody"},
		{"no signature in a signed mode", signed, "5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"},
		{"no signature of the last chunk", signed, "5" + chunkSig + "\r\nhello\r\n0\r\n\r\n", "IncompleteBody"},
		{"short signature", signed, "5" + chunkSig[:70] + "\r\nhello\r\n0" + chunkSig + "\r\n\r\n", "IncompleteBody"},
		{"signature of other letters", signed, "5" + strings.ToUpper(chunkSig) + "\r\nhello\r\n0" + chunkSig + "\r\n\r\n", "IncompleteBody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			if strings.HasSuffix(c.mode, "TRAILER") {
				headers = []string{"x-amz-trailer: x-amz-checksum-crc32"}
			}
			got, sums, err := readAll(t, chunkedPut(t, c.mode, 5, headers...), c.raw)
			if c.code != "" {
				wantError(t, err, c.code, 400)
				return
			}
			if err != nil || got != "hello" {
				t.Fatalf("read %q, %v", got, err)
			}
			if want := headers != nil; sums.Trailer != want || (sums.Client.Base64() == "NhCmhg==") != want {
				t.Errorf("sums = %+v", sums)
			}
		})
	}
}

// Chunks of the sizes that clients write, and of those that S3 refuses.
func TestChunkSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes []int
		code  string
	}{
		{[]int{8192, 8192, 100}, ""},
		{[]int{100}, ""},
		{[]int{10000, 9500, 20}, ""},
		{[]int{65536, 65536, 1}, ""},
		{[]int{8191, 1}, "InvalidChunkSizeError"},
		{[]int{100, 8192, 100}, "InvalidChunkSizeError"},
		{[]int{8192, 10, 20000}, "InvalidChunkSizeError"},
		{[]int{8192, 100000}, "IncompleteBody"},
	} {
		t.Run(fmt.Sprint(c.sizes), func(t *testing.T) {
			t.Parallel()
			var raw strings.Builder
			size := 0
			for i, n := range c.sizes {
				fmt.Fprintf(&raw, "%x\r\n%s\r\n", n, strings.Repeat(string(rune('a'+i)), n))
				size += n
			}
			raw.WriteString("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n")
			if c.code == "IncompleteBody" {
				size -= c.sizes[1]
			}
			_, _, err := readAll(t, chunkedPut(t, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", size, "x-amz-trailer: x-amz-checksum-crc32"), raw.String())
			if c.code == "" {
				c.code = "BadDigest" // all was read
			}
			wantError(t, err, c.code, 400)
		})
	}
}

// Every trailer algorithm, right and wrong.
func TestTrailers(t *testing.T) {
	t.Parallel()
	const data = "trailing"
	right, wrong := sumsOf(data), sumsOf("Trailing")
	for a := ChecksumCRC32; int(a) < len(algorithms); a++ {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			op := chunkedPut(t, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", len(data), "x-amz-trailer: "+a.header())
			frame := "8\r\n" + data + "\r\n0\r\n" + a.header() + ":%s\r\n\r\n"
			got, sums, err := readAll(t, op, fmt.Sprintf(frame, right[a.header()]))
			if err != nil || got != data || sums.Client.Algorithm != a || !sums.Trailer {
				t.Fatalf("read %q, %+v, %v", got, sums, err)
			}
			_, _, err = readAll(t, op, fmt.Sprintf(frame, wrong[a.header()]))
			wantError(t, err, "BadDigest", 400)
		})
	}
}

// A header checksum and Content-MD5 speak of the payload, not of its framing.
func TestChunksWithHeaderSums(t *testing.T) {
	t.Parallel()
	const data = "hello"
	for _, name := range []string{"content-md5", "x-amz-checksum-sha256"} {
		op := chunkedPut(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", len(data), name+": "+sumsOf(data)[name])
		raw := "5" + chunkSig + "\r\nhello\r\n0" + chunkSig + "\r\n\r\n"
		if got, _, err := readAll(t, op, raw); err != nil || got != data {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		_, _, err := readAll(t, op, strings.Replace(raw, "hello", "Hello", 1))
		wantError(t, err, "BadDigest", 400)
	}
}

// reference takes the framing off a whole payload in the plainest way there
// is: the other reading of the grammar in S3.md that FuzzChunks compares.
func reference(raw []byte, size, least int64, mode payloadMode, trailer string) ([]byte, error) {
	bad := errors.New("refused")
	small := false
	var data []byte
	take := func(sep string) (string, bool) {
		line, rest, ok := bytes.Cut(raw, []byte(sep))
		raw = rest
		return string(line), ok
	}
	for {
		line, ok := take("\r\n")
		digits, s, found := strings.Cut(line, ";chunk-signature=")
		if !ok || len(line)+2 > maxLine || found != mode.signed || found && (len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "") {
			return nil, bad
		}
		if digits == "" || len(digits) > 16 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
			return nil, bad
		}
		n, err := strconv.ParseInt(digits, 16, 64)
		switch {
		case err != nil || n > size-int64(len(data)) || n > 0 && small:
			return nil, bad
		case n > 0:
			if int64(len(raw)) < n+2 || string(raw[n:n+2]) != "\r\n" {
				return nil, bad
			}
			data, raw, small = append(data, raw[:n]...), raw[n+2:], n < least
			continue
		}
		break
	}
	var names []string
	if trailer != "" {
		names = append(names, trailer)
	}
	if mode.signed && mode.trailing {
		names = append(names, "x-amz-trailer-signature")
	}
	for _, name := range names {
		line, ok := take("\n")
		if !ok || len(line)+1 > maxLine {
			return nil, bad
		}
		if l, cr := strings.CutSuffix(line, "\r"); cr {
			line = l
		} else if rest, ok := bytes.CutPrefix(raw, []byte("\r\n")); ok {
			raw = rest
		} else {
			return nil, bad
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(key, name) {
			return nil, bad
		}
		if v := strings.Trim(value, " \t"); name == "x-amz-trailer-signature" && (len(v) != 64 || strings.Trim(v, "0123456789abcdef") != "") {
			return nil, bad
		}
	}
	if string(raw) != "\r\n" || int64(len(data)) != size {
		return nil, bad
	}
	return data, nil
}

// FuzzChunks compares the streaming reader with the reference: the same bytes
// or both refuse, however the payload is cut into reads.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), uint8(0), uint16(5), uint64(1))
	f.Add([]byte("2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"), uint8(1), uint16(5), uint64(2))
	f.Add([]byte("5"+chunkSig+"\r\nhello\r\n0"+chunkSig+"\r\n\r\n"), uint8(2), uint16(5), uint64(3))
	f.Add([]byte("0"+chunkSig+"\r\nx-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:"+sig+"\r\n\r\n"), uint8(3), uint16(0), uint64(4))
	f.Add([]byte("5\nhello\r\n0\r\n\r\n"), uint8(0), uint16(5), uint64(5))
	f.Fuzz(func(t *testing.T, raw []byte, kind uint8, size uint16, seed uint64) {
		p := payload{mode: payloadMode{chunked: true, signed: kind&2 != 0, trailing: true}}
		name := ""
		if kind&1 != 0 {
			p.trailer, name = ChecksumCRC32, ChecksumCRC32.header()
		}
		p.mode.trailing = kind&4 == 0 || p.trailer != ChecksumNone
		want, wantErr := reference(bytes.Clone(raw), int64(size), 2, p.mode, name)
		frames := newChunkFrames(&shredder{raw: raw, rnd: rand.New(rand.NewPCG(seed, 0))}, int64(size), p)
		frames.least = 2 // so that several chunks need not be long
		got, err := io.ReadAll(frames)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%q (%d bytes, %+v): %v, the reference says %v", raw, size, p.mode, err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%q: read %q, the reference %q", raw, got, want)
		}
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: the error %v is no *Error", raw, err)
		}
	})
}

// shredder cuts a payload into reads of random length.
type shredder struct {
	raw []byte
	rnd *rand.Rand
}

func (s *shredder) Read(p []byte) (int, error) {
	if len(s.raw) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1+s.rnd.IntN(len(p))], s.raw)
	s.raw = s.raw[n:]
	return n, nil
}
