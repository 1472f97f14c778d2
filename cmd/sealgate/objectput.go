// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"strconv"

	"github.com/minio/crc64nvme"
	"github.com/spf13/cobra"
)

func (a *app) objectPutCmd() *cobra.Command {
	var ifAbsent bool
	var ifMatch string
	c := &cobra.Command{
		Use: "put FILE|- PATH", Short: "Upload a file, or standard input", Args: exactly("a file or -", "BUCKET/KEY"),
		ValidArgsFunction: a.completePaths(1),
		Long: `Uploads FILE to PATH (BUCKET/KEY). A checksum travels with the bytes: what does
not arrive as it was sent is not stored. Standard input is first kept in an
unlinked temporary file, since its length must be known before it is sent.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseObject(args[1])
			if err != nil {
				return err
			}
			h := http.Header{}
			if ifAbsent {
				h.Set("If-None-Match", "*")
			}
			if ifMatch != "" {
				h.Set("If-Match", ifMatch)
			}
			return a.objectPut(cmd.Context(), args[0], p, h)
		},
	}
	c.Flags().BoolVar(&ifAbsent, "if-absent", false, "only if no object is there")
	c.Flags().StringVar(&ifMatch, "if-match", "", "only over the object with this `ETag`")
	return c
}

// putResult is what `object put --json` prints.
type putResult struct {
	Path      string `json:"path"`
	Bytes     int64  `json:"bytes"`
	ETag      string `json:"etag"`
	Object    string `json:"object"`
	Audit     string `json:"audit"`
	RequestID string `json:"request_id"`
}

func (a *app) objectPut(ctx context.Context, file string, p objectPath, h http.Header) error {
	f, size, err := a.openUpload(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read side
	client, err := a.objects(ctx)
	if err != nil {
		return err
	}
	bar := a.progress("put "+p.String(), size)
	defer bar.done()
	if t := mime.TypeByExtension(path.Ext(p.key)); t != "" {
		h.Set("Content-Type", t)
	}
	h.Set("Content-Encoding", "aws-chunked")
	h.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	h.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(size, 10))
	h.Set("X-Amz-Trailer", crcTrailer)
	h.Set("Expect", "100-continue")
	resp, err := client.do(ctx, "put "+p.String(), http.MethodPut, p, "", newTrailed(io.TeeReader(f, bar), size), trailedSize(size), h)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	bar.done()
	r := putResult{
		Path: p.String(), Bytes: size, ETag: resp.Header.Get("ETag"), Object: resp.Header.Get("X-Sealgate-Object"),
		Audit: resp.Header.Get("X-Sealgate-Audit"), RequestID: resp.Header.Get("X-Amz-Request-Id"),
	}
	if a.json {
		return a.printJSON(r)
	}
	_, err = fmt.Fprintf(a.stdout, "put %s  %d bytes  audit %s\n", r.Path, r.Bytes, r.Audit)
	return err
}

// openUpload opens a file, or keeps standard input in an unlinked temporary
// one: S3 wants the length first.
func (a *app) openUpload(name string) (*os.File, int64, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, 0, usage("", "reading what to put: %w", err)
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = usage("name a file, or - for standard input", "%s is not a regular file", name)
		}
		if err != nil {
			_ = f.Close() // read side
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	f, err := os.CreateTemp("", "sealgate-put-*")
	if err != nil {
		return nil, 0, fmt.Errorf("keeping standard input: %w", err)
	}
	err = os.Remove(f.Name()) // it goes with this process, whatever happens
	size := int64(0)
	if err == nil {
		size, err = io.Copy(f, a.stdin)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close() // unlinked already
		return nil, 0, fmt.Errorf("keeping standard input: %w", err)
	}
	return f, size, nil
}

// crcTrailer names the checksum that follows the bytes.
const crcTrailer = "x-amz-checksum-crc64nvme"

// putChunk is the size of one aws-chunked chunk.
const putChunk = 256 << 10

// trailed frames a body as STREAMING-UNSIGNED-PAYLOAD-TRAILER: chunks, then
// the CRC64NVME of what was really read.
type trailed struct {
	src  io.Reader
	left int64
	sum  hash.Hash64
	buf  bytes.Buffer
	last bool
}

func newTrailed(src io.Reader, size int64) *trailed {
	return &trailed{src: src, left: size, sum: crc64nvme.New()}
}

func (t *trailed) Read(p []byte) (int, error) {
	if t.buf.Len() == 0 {
		if t.last {
			return 0, io.EOF
		}
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	return t.buf.Read(p)
}

func (t *trailed) next() error {
	n := min(t.left, putChunk)
	if n == 0 {
		t.last = true
		sum := binary.BigEndian.AppendUint64(nil, t.sum.Sum64())
		fmt.Fprintf(&t.buf, "0\r\n%s:%s\r\n\r\n", crcTrailer, base64.StdEncoding.EncodeToString(sum))
		return nil
	}
	fmt.Fprintf(&t.buf, "%x\r\n", n)
	got, err := io.CopyN(io.MultiWriter(&t.buf, t.sum), t.src, n)
	if err != nil {
		return fmt.Errorf("the file ended %d bytes early: %w", t.left-got, err)
	}
	t.buf.WriteString("\r\n")
	t.left -= n
	return nil
}

// trailedSize is the length of a framed body.
func trailedSize(size int64) int64 {
	frame := func(n int64) int64 { return int64(len(strconv.FormatInt(n, 16))) + 2 + n + 2 }
	total := size / putChunk * frame(putChunk)
	if rest := size % putChunk; rest > 0 {
		total += frame(rest)
	}
	return total + int64(len("0\r\n")+len(crcTrailer)+len(":")+base64.StdEncoding.EncodedLen(8)+len("\r\n\r\n"))
}
