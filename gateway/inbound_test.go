// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// coming is a connection on which b comes, as much at once as is asked for.
type coming struct {
	net.Conn // never called
	b        []byte
	largest  int // read at once
}

func (c *coming) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b)
	c.b = c.b[n:]
	c.largest = max(c.largest, n)
	return n, nil
}

func (*coming) Close() error { return nil }

func TestInbound(t *testing.T) {
	t.Parallel()
	want := make([]byte, 3*len(inboundPiece{})+100)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	from := &coming{b: bytes.Clone(want)}
	in := &inbound{Conn: from}
	var got []byte
	read := func(n int) {
		t.Helper()
		for p := make([]byte, n); n > 0; {
			k, err := in.Read(p[:min(n, 1000)])
			if err != nil {
				t.Fatal(err)
			}
			got, n = append(got, p[:k]...), n-k
		}
	}
	read(500)
	if in.piece != nil || from.largest > 500 {
		t.Errorf("%d bytes read at once before a body comes", from.largest)
	}
	in.bulk.Store(true)
	read(2 * len(inboundPiece{}))
	in.bulk.Store(false) // what is left of the piece still comes first
	read(len(want) - len(got))
	if !bytes.Equal(got, want) {
		t.Error("other bytes, or another order, than came")
	}
	if from.largest != len(inboundPiece{}) {
		t.Errorf("%d bytes read at once, want %d", from.largest, len(inboundPiece{}))
	}
	if in.piece != nil {
		t.Error("memory is held while nothing is left")
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// A connection that was cut serves nothing any more, also not what had come.
func TestInboundClosed(t *testing.T) {
	t.Parallel()
	in := &inbound{Conn: &coming{b: make([]byte, 1000)}}
	in.bulk.Store(true)
	if n, err := in.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d bytes of a closed connection, %v", n, err)
	}
}
