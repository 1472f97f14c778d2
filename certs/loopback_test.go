// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// server is a TLS listener on the loopback that answers each line with "ok", "cut"
// or the reason of a refusal, after a Recheck as the gateway does it.
type server struct {
	addr  string
	conns chan *tls.Conn // each connection whose handshake the server has completed
}

func serve(t *testing.T, c certs.ServerConfig) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &server{addr: l.Addr().String(), conns: make(chan *tls.Conn, 64)}
	conf := certs.ServerTLS(c)
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go s.answer(tls.Server(raw, conf), c)
		}
	}()
	return s
}

func (s *server) answer(conn *tls.Conn, c certs.ServerConfig) {
	defer func() { _ = conn.Close() }()
	if conn.SetDeadline(time.Now().Add(10*time.Second)) != nil || conn.Handshake() != nil {
		return
	}
	s.conns <- conn
	guard, err := certs.NewGuard(c, conn.ConnectionState())
	if err != nil {
		_, _ = io.WriteString(conn, string(certs.ReasonOf(err))+"\n") // the client sees what came of it
		return
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		answer := "ok"
		if err := guard.Recheck(time.Now()); err != nil {
			answer = string(certs.ReasonOf(err))
		}
		if _, err := io.WriteString(conn, answer+"\n"); err != nil {
			return
		}
	}
}

// client is one connection to a server.
type client struct {
	conn  *tls.Conn
	lines *bufio.Reader
}

// dial connects as a stock TLS client that shows cert and believes any server: what is
// tested is the other end.
func (s *server) dial(t *testing.T, cert tls.Certificate) (*client, error) {
	t.Helper()
	return s.dialConfig(t, &tls.Config{
		InsecureSkipVerify:   true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
	})
}

func (s *server) dialConfig(t *testing.T, conf *tls.Config) (*client, error) {
	t.Helper()
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	conn := tls.Client(raw, conf)
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn)}, nil
}

// ask sends a line and returns the answer. With TLS 1.3 a client learns only here
// that the server has refused its certificate.
func (c *client) ask() (string, error) {
	if _, err := io.WriteString(c.conn, "hello\n"); err != nil {
		return "", err
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return "", err
	}
	return line[:len(line)-1], nil
}

// try is one connection with one question on it.
func (s *server) try(t *testing.T, cert tls.Certificate) (string, error) {
	t.Helper()
	c, err := s.dial(t, cert)
	if err != nil {
		return "", err
	}
	return c.ask()
}

// refusals collects the reasons that the server gave.
type refusals chan certs.Reason

func (r refusals) record(why certs.Reason, remote net.Addr) {
	if remote == nil {
		why = "no remote address given with " + why
	}
	r <- why
}

func (r refusals) next(t *testing.T) certs.Reason {
	t.Helper()
	select {
	case why := <-r:
		return why
	case <-time.After(5 * time.Second):
		t.Fatal("the server gave no reason")
		return ""
	}
}

// isAlert reports whether err is a TLS alert of the other end.
func isAlert(err error) bool {
	_, ok := errors.AsType[tls.AlertError](err)
	if ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}
