// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/minio/crc64nvme"
)

// unframe takes frames apart as the S3 API describes them.
func unframe(b []byte) (data []byte, trailer string, err error) {
	r := bufio.NewReader(bytes.NewReader(b))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, "", err
		}
		var n int
		if _, err := fmt.Sscanf(line, "%x\r\n", &n); err != nil {
			return nil, "", fmt.Errorf("chunk line %q: %w", line, err)
		}
		if n == 0 {
			rest, err := io.ReadAll(r)
			return data, string(rest), err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(r, chunk); err != nil || string(chunk[n:]) != "\r\n" {
			return nil, "", fmt.Errorf("chunk of %d bytes: %w", n, err)
		}
		data = append(data, chunk[:n]...)
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 15, 16, smallBody + 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 5000} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i * 7 >> 3)
		}
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "data with the end": iotest.DataErrReader,
		} {
			for _, room := range []int{1, 7, 1000, bulkSize} {
				if room == 1 && size > chunkSize {
					continue // says nothing that the others do not
				}
				kind, sum := crc64, binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(body))
				if room%2 == 0 {
					kind, sum = crc32c, binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
				}
				f := newFrames(wrap(bytes.NewReader(body)), int64(size), kind)
				var got bytes.Buffer
				if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{f}, make([]byte, room)); err != nil {
					t.Fatalf("%s, %d bytes by %d: %v", name, size, room, err)
				}
				if int64(got.Len()) != kind.framed(int64(size)) {
					t.Errorf("%s, %d bytes by %d: framed in %d, announced %d", name, size, room, got.Len(), kind.framed(int64(size)))
				}
				data, trailer, err := unframe(got.Bytes())
				want := kind.name + ":" + base64.StdEncoding.EncodeToString(sum) + "\r\n\r\n"
				if err != nil || !bytes.Equal(data, body) || trailer != want {
					t.Errorf("%s, %d bytes by %d: %d came, trailer %q (want %q), %v", name, size, room, len(data), trailer, want, err)
				}
			}
		}
	}
}

// A body that breaks off never gets its last frame.
func TestFramesOfBrokenBody(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		body io.Reader
		want error
	}{
		"error":                    {io.MultiReader(strings.NewReader("bod"), iotest.ErrReader(broken)), broken},
		"too short":                {strings.NewReader("bod"), io.ErrUnexpectedEOF},
		"too short, with the data": {iotest.DataErrReader(strings.NewReader("bod")), io.ErrUnexpectedEOF},
	} {
		got, err := io.ReadAll(newFrames(c.body, 5, crc32c))
		if !errors.Is(err, c.want) || string(got) != "5\r\nbod" {
			t.Errorf("%s: %q, %v; want %v", name, got, err, c.want)
		}
	}
}

// One write is one chunk with all its frame, or the pieces would drift apart.
func TestBulkIsOneChunk(t *testing.T) {
	t.Parallel()
	if frameSize(chunkSize) != int64(bulkSize) {
		t.Errorf("a chunk takes %d bytes with its frame, a write %d", frameSize(chunkSize), bulkSize)
	}
}
