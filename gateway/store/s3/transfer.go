// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/crc64nvme"
	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// smallBody is up to where a body is sent from memory, in bytes: it is then
// signed by its hash, and needs no announcement since it can be made again.
const smallBody = 32 << 10

// transfer sends a body of size bytes with the call c and returns the headers of
// the answer. It is sent as doc.go says.
func (s *Store) transfer(ctx context.Context, c call, body *store.Exact, size int64) (http.Header, error) {
	if size == 0 || size <= smallBody && c.again {
		c.framed = false
		return s.sendSmall(ctx, c, body, size)
	}
	var header http.Header
	c.size, c.framed = size, c.framed || s.endpoint.Scheme == "http"
	err := s.send(ctx, body, func(ctx context.Context, body io.Reader) (err error) {
		c.framed = c.framed || s.summed.Load()
		c.stream = body
		if c.framed {
			c.stream = newFrames(body, size, c.checksum())
		}
		header, err = s.exchange(ctx, c, nil)
		return ofUpload(s.demanded(c.framed, err))
	})
	return header, err
}

// demanded makes the refusal of a body without a checksum one that is tried again,
// with a checksum from now on. S3 demands one in a bucket that locks what is
// written of its own accord, and beside a lock of its upload.
func (s *Store) demanded(summed bool, err error) error { //nolint:revive // a fact, not a mode
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if summed || !ok || e.Code != "InvalidRequest" || !strings.Contains(strings.ToLower(e.Message), "checksum") {
		return err
	}
	s.summed.Store(true)
	return wrongAnswer("the demand for a checksum")
}

// sendSmall reads the whole body before the backend hears of it. It is sent again
// when the backend says that it is busy; a part also when an answer was lost, since the
// same bytes are the same part. An object might become two versions, or come after
// one that was written meanwhile.
func (s *Store) sendSmall(ctx context.Context, c call, body *store.Exact, size int64) (http.Header, error) {
	c.body = make([]byte, size) // the transport may read it after the call: it is not used again
	if size > 0 {
		_, _ = io.ReadFull(body, c.body) // what is wrong with it, the body says itself
	}
	if err := bodyFirst(body, nil); err != nil {
		return nil, err
	}
	var header http.Header
	err := within(ctx, s.c.Timeout, func(ctx context.Context) (err error) {
		c.summed = s.summed.Load()
		header, err = s.exchange(ctx, c, nil)
		if c.part {
			err = s.demanded(c.summed, err)
		}
		if err != nil && !c.part && !busy(err) {
			return final{err}
		}
		return ofUpload(err)
	})
	return header, err
}

// busy reports whether the backend says that it did nothing for having too much to do.
func busy(err error) bool {
	e, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && (e.StatusCode == http.StatusServiceUnavailable || e.StatusCode == http.StatusTooManyRequests)
}

// chunkSize is how much of a body is framed at once, in bytes: four sealed
// segments (FORMAT.md §8), so that they are sealed where they are written from.
const chunkSize = 4 * (64<<10 + 32)

const chunkEnd = "\r\n"

// checksum is what a trailer holds: a header's name and how its value is made.
type checksum struct {
	name string
	make func() hash.Hash
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// crc32c costs the least on both sides: it is one instruction.
	crc32c = &checksum{"x-amz-checksum-crc32c", func() hash.Hash { return crc32.New(castagnoli) }}
	// crc64 is the only one that S3 takes with parts of an upload that names none.
	crc64 = &checksum{"x-amz-checksum-crc64nvme", func() hash.Hash { return crc64nvme.New() }}
)

// checksum is that of the frames of a body.
func (c call) checksum() *checksum {
	if c.part {
		return crc64
	}
	return crc32c
}

// trailer ends the frames, after the last chunk.
func (c *checksum) trailer(b, sum []byte) []byte {
	b = append(b, "0\r\n"+c.name+":"...)
	return append(base64.StdEncoding.AppendEncode(b, sum), chunkEnd+chunkEnd...)
}

// frames is a body as aws-chunked with a checksum in its trailer:
// STREAMING-UNSIGNED-PAYLOAD-TRAILER of the S3 API.
type frames struct {
	body io.Reader
	left int64 // of body, not yet in a chunk

	line  []byte // framing that comes next
	chunk int64  // data of the chunk that comes after line
	end   bool   // the trailer is in line, or has been
	kind  *checksum
	sum   hash.Hash // of that kind
}

func newFrames(body io.Reader, size int64, kind *checksum) *frames {
	return &frames{body: body, left: size, kind: kind, sum: kind.make()}
}

// framed is the length of size bytes in frames.
func (c *checksum) framed(size int64) int64 {
	n := size / chunkSize * frameSize(chunkSize)
	if rest := size % chunkSize; rest > 0 {
		n += frameSize(rest)
	}
	return n + int64(len(c.trailer(nil, make([]byte, c.make().Size()))))
}

func frameSize(n int64) int64 { return int64(len(chunkLine(nil, n))) + n + int64(len(chunkEnd)) }

func chunkLine(b []byte, n int64) []byte { return append(strconv.AppendInt(b, n, 16), chunkEnd...) }

// Read implements io.Reader. Data is read where it is wanted.
func (f *frames) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if len(f.line) == 0 && f.chunk == 0 && !f.next() {
			return n, io.EOF
		}
		if len(f.line) > 0 {
			moved := copy(p[n:], f.line)
			n, f.line = n+moved, f.line[moved:]
			continue
		}
		var got int
		got, err = f.data(p[n:])
		n += got
	}
	return n, err
}

// next puts the frame that follows into line: that of a chunk, or the trailer.
// False: that was all.
func (f *frames) next() bool {
	switch {
	case f.left > 0:
		f.chunk = min(f.left, chunkSize)
		f.left -= f.chunk
		f.line = chunkLine(f.line[:0], f.chunk)
	case !f.end:
		f.end = true
		f.line = f.kind.trailer(f.line, f.sum.Sum(nil))
	default:
		return false
	}
	return true
}

// data reads of the chunk that has begun; its end follows it.
func (f *frames) data(p []byte) (int, error) {
	n, err := f.body.Read(p[:min(int64(len(p)), f.chunk)])
	_, _ = f.sum.Write(p[:n]) // never fails
	if f.chunk -= int64(n); f.chunk == 0 {
		f.line = append(f.line[:0], chunkEnd...)
	}
	switch {
	case !errors.Is(err, io.EOF):
		return n, err
	case f.chunk > 0 || f.left > 0:
		return n, io.ErrUnexpectedEOF
	}
	return n, nil // the end of the body is not that of the frames
}

// setFramed announces frames of size bytes.
func setFramed(r *http.Request, size int64, kind *checksum) {
	r.ContentLength = kind.framed(size)
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10))
	r.Header.Set("X-Amz-Trailer", kind.name)
}

// etagOf is the ETag that a write was answered with, "" without.
func etagOf(h http.Header) string {
	return strings.TrimSuffix(strings.TrimPrefix(h.Get("Etag"), `"`), `"`)
}
