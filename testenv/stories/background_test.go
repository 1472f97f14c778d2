// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var (
	s3Address      = regexp.MustCompile(`s3 (https://\S+)`)
	metricsAddress = regexp.MustCompile(`metrics (http://\S+)`)
)

// registry holds what scripts started, so that later commands find it.
type registry struct{ m sync.Map }

type registryKey struct {
	ts   *testscript.TestScript
	name string
}

var running_ registry

func (r *registry) store(ts *testscript.TestScript, name string, p *running) {
	r.m.Store(registryKey{ts, name}, p)
}

func (r *registry) load(ts *testscript.TestScript, name string) (*running, bool) {
	v, ok := r.m.Load(registryKey{ts, name})
	if !ok {
		return nil, false
	}
	return v.(*running), true
}

func listen(ts *testscript.TestScript) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not wait
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() }) // closed already is as good
	return l
}

// deaf NAME: listens, takes connections and never says a word; its address is
// put into a variable.
func deaf(ts *testscript.TestScript, _ bool, args []string) {
	l := listen(ts)
	ts.Setenv(args[0], l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
}

// cutter NAME BYTES EACH: a way to the gateway that cuts every connection
// after EACH bytes to the client and lets BYTES through in all; its URL is put
// into a variable.
func cutter(ts *testscript.TestScript, _ bool, args []string) {
	total, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	each, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	var left atomic.Int64
	left.Store(total)
	relay(ts, args[0], func(client io.Writer, server io.Reader) {
		passed, _ := io.CopyN(client, server, min(each, max(0, left.Load()))) // until either end is cut
		left.Add(-passed)
	})
}

// slow NAME BYTES: a way to the gateway that lets so many bytes a second
// through to a client; its URL is put into a variable.
func slow(ts *testscript.TestScript, _ bool, args []string) {
	rate, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	relay(ts, args[0], func(client io.Writer, server io.Reader) {
		for {
			if _, err := io.CopyN(client, server, rate/50); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// relay listens and passes connections on to the gateway; answer carries what
// the gateway says, and the connection is cut when it returns.
func relay(ts *testscript.TestScript, name string, answer func(client io.Writer, server io.Reader)) {
	u, err := url.Parse(ts.Getenv("SEALGATE_ENDPOINT"))
	ts.Check(err)
	l := listen(ts)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(name, "https://localhost:"+port)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", u.Port())) //nolint:noctx // on this machine
				if err != nil {
					return
				}
				defer server.Close()
				go func() { _, _ = io.Copy(server, client) }() // until either end is cut
				answer(client, server)
			}()
		}
	}()
}
