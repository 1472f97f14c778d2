// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// floorPiece is what is read from and written to a socket at once, in bytes.
const floorPiece = 256 << 10

// floorRecord is what a TLS record holds at most, and floorSmall the longest body
// of which answer and headers are sent as one.
const (
	floorRecord = 16 << 10
	floorSmall  = 12 << 10
)

// floorListener gives TLS connections that read and write large pieces.
type floorListener struct {
	net.Listener
	config *tls.Config
}

// Accept implements net.Listener.
func (l floorListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	// Room for what a piece is in records, each with a header, a type and a tag.
	wire := &floorWire{Conn: c, in: bufio.NewReaderSize(c, floorPiece), out: bufio.NewWriterSize(c, floorPiece+floorPiece/floorRecord*(5+1+16))}
	return &floorConn{Conn: tls.Server(wire, l.config), wire: wire}, nil
}

// floorWire is the socket below TLS. What is written waits while it is corked.
type floorWire struct {
	net.Conn
	in *bufio.Reader

	mu     sync.Mutex // guards all below: TLS may write while it reads
	out    *bufio.Writer
	corked bool
}

// Read implements io.Reader.
func (w *floorWire) Read(p []byte) (int, error) { return w.in.Read(p) }

// Write implements io.Writer.
func (w *floorWire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.out.Write(p)
	if !w.corked {
		err = errors.Join(err, w.out.Flush())
	}
	return n, err
}

func (w *floorWire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

func (w *floorWire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	return w.out.Flush()
}

// floorConn is a connection of a client as net/http sees it.
type floorConn struct {
	*tls.Conn
	wire *floorWire
	// held is what was gathered, if anything is: not nil.
	held []byte
}

type floorConnKey struct{}

// Write implements io.Writer.
func (c *floorConn) Write(p []byte) (int, error) {
	if c.held != nil {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	if len(p) <= floorRecord {
		return c.Conn.Write(p)
	}
	c.wire.cork()
	n, err := c.Conn.Write(p)
	return n, errors.Join(err, c.wire.uncork())
}

// gather holds back what is written until release.
func (c *floorConn) gather() { c.held = floorRecords.Get().(*[floorRecord]byte)[:0] }

func (c *floorConn) release() error {
	held := c.held
	c.held = nil
	_, err := c.Conn.Write(held)
	floorRecords.Put((*[floorRecord]byte)(held[:floorRecord]))
	return err
}

var floorRecords = sync.Pool{New: func() any { return new([floorRecord]byte) }}

// newFloorTransport is the way to the server behind.
func newFloorTransport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return floorBackend{c}, err
		},
		MaxIdleConnsPerHost: mostClients, DisableCompression: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
	}
}

// floorBackend is a connection to which bodies are written a batch at a time:
// net/http would take 32 KiB.
type floorBackend struct{ net.Conn }

var floorBatches = sync.Pool{New: func() any { return new([floorBatch * floorSealedSegment]byte) }}

// ReadFrom implements io.ReaderFrom, which net/http asks for.
func (c floorBackend) ReadFrom(r io.Reader) (total int64, err error) {
	buf := floorBatches.Get().(*[floorBatch * floorSealedSegment]byte)
	defer floorBatches.Put(buf)
	for {
		n, rerr := r.Read(buf[:])
		written, werr := c.Write(buf[:n])
		total += int64(written)
		switch {
		case werr != nil:
			return total, werr
		case errors.Is(rerr, io.EOF):
			return total, nil
		case rerr != nil:
			return total, rerr
		}
	}
}
