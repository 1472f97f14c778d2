// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// bulkSize is what is written to the backend at once, in bytes: one chunk, and
// what frames it. net/http would take 32 KiB: eight times the calls.
const bulkSize = chunkSize + len("40080\r\n"+chunkEnd)

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
