// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/minio/crc64nvme"
)

// sumsOf gives the right value of every header that a payload can be held
// against.
func sumsOf(data string) map[string]string {
	b64 := base64.StdEncoding.EncodeToString
	be32 := func(v uint32) string { return b64(binary.BigEndian.AppendUint32(nil, v)) }
	m, s1, s256 := md5.Sum([]byte(data)), sha1.Sum([]byte(data)), sha256.Sum256([]byte(data))
	return map[string]string{
		"content-md5":              b64(m[:]),
		"x-amz-content-sha256":     fmt.Sprintf("%x", s256),
		"x-amz-checksum-crc32":     be32(crc32.ChecksumIEEE([]byte(data))),
		"x-amz-checksum-crc32c":    be32(crc32.Checksum([]byte(data), crc32.MakeTable(crc32.Castagnoli))),
		"x-amz-checksum-crc64nvme": b64(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum([]byte(data)))),
		"x-amz-checksum-sha1":      b64(s1[:]),
		"x-amz-checksum-sha256":    b64(s256[:]),
	}
}

// readAll reads a payload to its end through readers of several habits: what a
// Body gives must not depend on how it is read.
func readAll(t *testing.T, op *PutObject, raw string) (string, Sums, error) {
	t.Helper()
	habits := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader,
		"halves": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
	}
	var data []byte
	var sums Sums
	var err error
	first := true
	for name, habit := range habits {
		b := op.Body(habit(strings.NewReader(raw)))
		got, e := io.ReadAll(b)
		if !first && (!bytes.Equal(got, data) || fmt.Sprint(e) != fmt.Sprint(err)) {
			t.Fatalf("read %s the payload is %q, %v; else %q, %v", name, got, e, data, err)
		}
		if _, again := b.Read(make([]byte, 1)); e == nil && !errors.Is(again, io.EOF) || e != nil && !errors.Is(again, e) {
			t.Fatalf("read %s: Read after %v gives %v", name, e, again)
		}
		if e == nil {
			sums = b.Sums()
		}
		data, err, first = got, e, false
	}
	return string(data), sums, err
}

func TestPlainBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, size, raw, code string }{
		{"whole", "5", "hello", ""},
		{"empty", "0", "", ""},
		{"short", "5", "hell", "IncompleteBody"},
		{"nothing", "5", "", "IncompleteBody"},
		{"long", "5", "hello!", "InvalidRequest"},
		{"long, empty", "0", "!", "InvalidRequest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			op := parsed[*PutObject](t, "PUT /models/k", "Content-Length: "+c.size)
			got, sums, err := readAll(t, op, c.raw)
			if c.code != "" {
				wantError(t, err, c.code, 400)
				return
			}
			if err != nil || got != c.raw || sums.Size != int64(len(c.raw)) {
				t.Errorf("read %q, %+v, %v", got, sums, err)
			}
			if sums.CRC64NVME != [8]byte(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum([]byte(c.raw)))) {
				t.Errorf("CRC64NVME = %x", sums.CRC64NVME)
			}
			if sums.SHA256 != nil || sums.Client.Algorithm != ChecksumNone {
				t.Errorf("sums that nobody asked for: %+v", sums)
			}
		})
	}
}

// Each header is held against the data: right passes, wrong does not.
func TestChecksumHeaders(t *testing.T) {
	t.Parallel()
	const data = "the quick brown fox"
	right, wrong := sumsOf(data), sumsOf(data+"!")
	if len(right) != 7 {
		t.Fatal("the test has lost a header")
	}
	for name := range right {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := fmt.Sprintf("Content-Length: %d", len(data))
			op := parsed[*PutObject](t, "PUT /models/k", size, name+": "+right[name])
			got, sums, err := readAll(t, op, data)
			if err != nil || got != data {
				t.Fatalf("read %q, %v", got, err)
			}
			if strings.HasPrefix(name, checksumPrefix) {
				if sums.Client.Algorithm.header() != name || sums.Client.Base64() != right[name] || sums.Trailer {
					t.Errorf("sums = %+v", sums)
				}
			}
			if known := sums.SHA256 != nil; known != strings.HasSuffix(name, "sha256") {
				t.Errorf("SHA256 known: %v", known)
			}
			code := "BadDigest"
			if name == "x-amz-content-sha256" {
				code = "XAmzContentSHA256Mismatch"
			}
			op = parsed[*PutObject](t, "PUT /models/k", size, name+": "+wrong[name])
			_, _, err = readAll(t, op, data)
			wantError(t, err, code, 400)
		})
	}
}

// All sums at once, one wrong: it is found whichever it is.
func TestOneWrongSumAmongMany(t *testing.T) {
	t.Parallel()
	const data = "payload"
	right, wrong := sumsOf(data), sumsOf("Payload")
	for _, bad := range []string{"content-md5", "x-amz-content-sha256", "x-amz-checksum-sha1"} {
		lines := []string{"PUT /models/k", fmt.Sprintf("Content-Length: %d", len(data))}
		for _, name := range []string{"content-md5", "x-amz-content-sha256", "x-amz-checksum-sha1"} {
			v := right[name]
			if name == bad {
				v = wrong[name]
			}
			lines = append(lines, name+": "+v)
		}
		if _, _, err := readAll(t, parsed[*PutObject](t, lines...), data); err == nil {
			t.Errorf("a wrong %s was not found", bad)
		}
	}
}

// The sums of a payload that was not verified are nobody's.
func TestSumsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"hello", "hell"} {
		b := parsed[*PutObject](t, "PUT /models/k", "Content-Length: 5").Body(strings.NewReader(raw))
		_, _ = io.ReadFull(b, make([]byte, 4))
		if raw == "hell" {
			_, _ = io.ReadAll(b)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Sums gave something after %q", raw)
				}
			}()
			b.Sums()
		}()
	}
}

func TestErrorsOfTheConnection(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, c := range []struct {
		err  error
		code string
	}{
		{broken, "IncompleteBody"},
		{io.ErrUnexpectedEOF, "IncompleteBody"},
		{os.ErrDeadlineExceeded, "RequestTimeout"},
	} {
		for _, headers := range [][]string{
			{"Content-Length: 9"},
			{"Content-Length: 60", "x-amz-decoded-content-length: 9", "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
		} {
			op := parsed[*PutObject](t, append([]string{"PUT /models/k"}, headers...)...)
			b := op.Body(io.MultiReader(strings.NewReader("9\r\nabc"), iotest.ErrReader(c.err)))
			_, err := io.ReadAll(b)
			wantError(t, err, c.code, 400)
			if !errors.Is(err, c.err) {
				t.Errorf("the cause is lost: %v", err)
			}
		}
	}
}

// A stalled reader that gives nothing is not taken for an end.
func TestReadOfNothing(t *testing.T) {
	t.Parallel()
	b := parsed[*PutObject](t, "PUT /models/k", "Content-Length: 1").Body(strings.NewReader("x"))
	if n, err := b.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) = %d, %v", n, err)
	}
	if got, err := io.ReadAll(b); string(got) != "x" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}
