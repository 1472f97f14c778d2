// SPDX-License-Identifier: Apache-2.0

package lend_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/lend"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// caller is a connection to a door that is used again.
type caller struct {
	net.Conn
	answers *bufio.Reader
}

func call(t *testing.T, addr string) *caller {
	t.Helper()
	c, err := net.Dial("tcp", addr) //nolint:noctx // on this machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	return &caller{c, bufio.NewReader(c)}
}

// ask asks for credentials, and leaves the connection open.
func (c *caller) ask(token string) (status int, err error) {
	if _, err := fmt.Fprintf(c, "GET /creds HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", c.RemoteAddr(), token); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// Whoever has no token cannot crowd out those who do: connections that never
// showed it make room, also when they were answered, and those that did are
// never cut for new ones.
func TestDoorConnections(t *testing.T) {
	t.Parallel()
	addr, _ := door(t, func(context.Context, lend.Narrowing) (lend.Session, error) {
		return lend.Session{Credentials: s3api.Credentials{AccessKey: "k", Secret: "s", Token: "t"}, Expires: time.Now().Add(time.Hour)}, nil
	})
	var others []*caller
	for i := range 3 * most {
		c := call(t, addr)
		if i >= 2*most { // these would all have room
			if status, err := c.ask("a-guess"); err != nil || status != http.StatusForbidden {
				t.Fatalf("a wrong token: %d, %v", status, err)
			}
		}
		others = append(others, c)
	}
	var kept []*caller
	for i := range most {
		c := call(t, addr)
		if status, err := c.ask("the-token"); err != nil || status != http.StatusOK {
			t.Fatalf("caller %d beside those without a token: %d, %v", i, status, err)
		}
		kept = append(kept, c)
	}
	for i, c := range others {
		if _, err := c.answers.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection %d without a token: %v, want it closed", i, err)
		}
	}
	if status, err := call(t, addr).ask("the-token"); err == nil {
		t.Errorf("one too many was answered: %d", status)
	}
	for i, c := range kept {
		if status, err := c.ask("the-token"); err != nil || status != http.StatusOK {
			t.Errorf("caller %d was cut: %d, %v", i, status, err)
		}
	}
	kept[0].Close()
	roomAgain(t, addr)
}

// roomAgain waits until a caller has room: the door has to see first that
// another has gone.
func roomAgain(t *testing.T, addr string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, err := call(t, addr).ask("the-token")
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("no room after a caller has gone: %d, %v", status, err)
		}
	}
}
