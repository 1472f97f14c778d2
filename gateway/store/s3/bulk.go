// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/minio/crc64nvme"
	"github.com/minio/minio-go/v7"
)

// bulkSize is what is written to the backend at once, in bytes. net/http would
// take 32 KiB: eight times the calls.
const bulkSize = 256 << 10

var bulks = sync.Pool{New: func() any { return new([bulkSize]byte) }}

// bulkConn is a connection whose request bodies are written in large pieces.
type bulkConn struct{ net.Conn }

// bulkDial dials such connections.
func bulkDial(d *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return bulkConn{c}, nil
	}
}

// ReadFrom implements io.ReaderFrom, which net/http asks for.
func (c bulkConn) ReadFrom(r io.Reader) (total int64, err error) {
	buf := bulks.Get().(*[bulkSize]byte)
	defer bulks.Put(buf)
	for {
		n, rerr := fill(r, buf[:])
		if n > 0 {
			written, werr := c.Write(buf[:n])
			if total += int64(written); werr != nil {
				return total, werr
			}
		}
		switch {
		case errors.Is(rerr, io.EOF):
			return total, nil
		case rerr != nil:
			return total, rerr
		}
	}
}

// fill reads until b is full or the body ends.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var got int
		got, err = r.Read(b[n:])
		n += got
	}
	return n, err
}

// sum is a body whose CRC64NVME is in the trailer when it has been read.
type sum struct {
	io.Reader
	crc     hash.Hash
	trailer http.Header
}

// summed returns body and the trailer that it fills in.
func summed(body io.Reader) (*sum, http.Header) {
	s := &sum{body, crc64nvme.New(), http.Header{}}
	s.set()
	return s, s.trailer
}

func (s *sum) set() {
	s.trailer.Set(minio.ChecksumCRC64NVME.Key(), base64.StdEncoding.EncodeToString(s.crc.Sum(nil)))
}

// Read implements io.Reader.
func (s *sum) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	_, _ = s.crc.Write(p[:n]) // a hash.Hash never fails
	if errors.Is(err, io.EOF) {
		s.set()
	}
	return n, err
}
