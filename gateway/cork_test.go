// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
)

// sink keeps the pieces that are written to it, until it fails.
type sink struct {
	net.Conn // never called
	pieces   [][]byte
	err      error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.pieces = append(s.pieces, bytes.Clone(p))
	return len(p), nil
}

func TestCork(t *testing.T) {
	t.Parallel()
	to := &sink{}
	c := &cork{Conn: to}
	var want []byte
	write := func(n int) {
		t.Helper()
		p := bytes.Repeat([]byte{byte(len(want))}, n)
		if got, err := c.Write(p); got != n || err != nil {
			t.Fatalf("writing %d bytes: %d, %v", n, got, err)
		}
		want = append(want, p...)
	}
	write(10) // at once
	c.hold()
	write(100)
	write(pieceSize - 100) // fills it
	write(1)               // pushes the full one
	write(pieceSize + 1)   // too long to hold: pushes what is before it
	write(20)
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	write(30) // at once again
	var lengths []int
	for _, p := range to.pieces {
		lengths = append(lengths, len(p))
	}
	if expect := []int{10, pieceSize, 1, pieceSize + 1, 20, 30}; !slices.Equal(lengths, expect) {
		t.Errorf("pieces of %v bytes, want %v", lengths, expect)
	}
	if !bytes.Equal(slices.Concat(to.pieces...), want) {
		t.Error("other bytes, or another order, than were written")
	}
	if c.out != nil {
		t.Error("memory is held while nothing is held back")
	}
}

// Bytes that crypto/tls counts as sent are lost: nothing may follow them.
func TestCorkKeepsItsError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	to := &sink{err: broken}
	c := &cork{Conn: to}
	c.hold()
	if _, err := c.Write([]byte("held")); err != nil {
		t.Fatal(err)
	}
	if err := c.flush(); !errors.Is(err, broken) {
		t.Errorf("flush: %v, want the error of the write", err)
	}
	to.err = nil
	if _, err := c.Write([]byte("after a gap")); !errors.Is(err, broken) || len(to.pieces) > 0 {
		t.Errorf("a write behind lost bytes: %v, %d pieces", err, len(to.pieces))
	}
}

// A large answer goes out in few writes and comes in whole.
func TestLargeWritesAreCorked(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "test.sealgate")
	conf := certs.ServerConfig{Source: ca.Source(t, "/gateway", certstest.Options{}), Denials: certs.NewDenials()}
	near, far := net.Pipe()
	counted := &countWrites{Conn: near}
	server := newConnections(nil, conf, func() Limits { return Limits{}.withDefaults() }, 1).wrap(counted)
	client := tls.Client(far, &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{certstest.TLSCert(ca.SVID(t, "/writer", certstest.Options{}))},
	})
	body := bytes.Repeat([]byte("sealgate"), writeStep/8)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer far.Close()
		got := make([]byte, 2*len(body))
		if _, err := client.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, append(bytes.Clone(body), body...)) {
			t.Errorf("other bytes than were sent, or %v", err)
		}
	})
	if _, err := server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		counted.n = 0
		if n, err := server.Write(body); n != len(body) || err != nil {
			t.Fatal(n, err)
		}
		if counted.n != 1 {
			t.Errorf("%d bytes in %d writes, want one", len(body), counted.n)
		}
	}
	wg.Wait()
}

type countWrites struct {
	net.Conn
	n int
}

func (c *countWrites) Write(p []byte) (int, error) {
	c.n++
	return c.Conn.Write(p)
}
