// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// pieces is a connection that keeps what is written, until there is room no more.
type pieces struct {
	net.Conn // never called
	written  [][]byte
	room     int
}

var errNoRoom = errors.New("no room")

func (c *pieces) Write(p []byte) (int, error) {
	n := min(len(p), c.room)
	c.room -= n
	c.written = append(c.written, bytes.Clone(p[:n]))
	if n < len(p) {
		return n, errNoRoom
	}
	return n, nil
}

func TestBulkConn(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("sealed "), 2*bulkSize/7)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		from  io.Reader
		room  int
		want  int
		err   error
		calls int
	}{
		"whole":             {bytes.NewReader(body), len(body), len(body), nil, 2},
		"empty":             {bytes.NewReader(nil), 0, 0, nil, 0},
		"source fails":      {io.MultiReader(bytes.NewReader(body[:10]), iotest.ErrReader(broken)), len(body), 10, broken, 1},
		"data with the end": {iotest.DataErrReader(bytes.NewReader(body)), len(body), len(body), nil, 2},
		"connection fails":  {bytes.NewReader(body), 10, 10, errNoRoom, 1},
	} {
		to := &pieces{room: c.room}
		n, err := bulkConn{to}.ReadFrom(c.from)
		if int(n) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %d bytes, %v; want %d, %v", name, n, err, c.want, c.err)
		}
		if got := bytes.Join(to.written, nil); !bytes.Equal(got, body[:c.want]) || len(to.written) != c.calls {
			t.Errorf("%s: %d bytes in %d calls, want %d in %d", name, len(got), len(to.written), c.want, c.calls)
		}
	}
}
