// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/internal/rundir"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/forward"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/lend"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// The names of the doors, in status and messages.
const (
	doorForward     = "forward"
	doorCredentials = "credentials"
	doorFiles       = "svid_files"
)

// open makes every door ready; nothing is served yet.
func (g *agent) open() error {
	for _, one := range []struct {
		on   bool
		open func() (*door, error)
	}{
		{g.settings.Forward.On, g.openForward}, {g.settings.Credentials.On, g.openCredentials}, {g.settings.SVIDFiles.On, g.openFiles},
	} {
		if !one.on {
			continue
		}
		d, err := one.open()
		if err != nil {
			return err
		}
		g.doors = append(g.doors, d)
	}
	return nil
}

// openForward opens the S3 forwarder and writes what its clients need.
func (g *agent) openForward() (*door, error) {
	f := g.settings.Forward
	uid := uint32(os.Getuid())
	if f.UID >= 0 {
		uid = uint32(f.UID)
	}
	l, err := listenLocal("forward", f.Listen, uid)
	if err != nil {
		return nil, err
	}
	keys := forward.NewKeys()
	fw, err := forward.New(forward.Config{
		Source: g.id, Gateway: g.settings.gateway, GatewayID: g.settings.gatewayID, Keys: keys, Domain: f.Domain, UID: uid, Connections: f.Connections, Log: g.log,
		Refused: func(r forward.Refusal) { g.note(doorForward, r) },
	}, l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	endpoint := "http://" + l.Addr().String()
	if l.Addr().Network() == "unix" {
		endpoint = "unix://" + l.Addr().String()
	}
	if err := g.writeKeys(endpoint, keys); err != nil {
		return nil, errors.Join(fmt.Errorf("writing the keys of the forwarder: %w", err), l.Close())
	}
	d := &door{name: doorForward, listen: endpoint, about: "keys in " + g.state.path(rundir.Credentials), served: fw.Served}
	d.run = func(ctx context.Context) error { return fw.Serve(ctx, l, drain) }
	return d, nil
}

// writeKeys writes the two files that AWS clients read.
func (g *agent) writeKeys(endpoint string, keys s3api.Credentials) error {
	credentials := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKey, string(keys.Secret))
	config := fmt.Sprintf("[default]\nregion = %s\nendpoint_url = %s\ns3 =\n  addressing_style = path\n", defaultRegion, endpoint)
	if strings.HasPrefix(endpoint, "unix:") {
		config = "# " + endpoint + ": AWS clients know no unix sockets\n"
	}
	return errors.Join(writeSecret(g.state.path(rundir.Credentials), credentials), writeSecret(g.state.path(rundir.Config), config))
}

// lendConnections is how many callers the credentials may have open at once:
// the workers of many jobs, each with one call.
const lendConnections = 1024

// openCredentials opens the endpoint for container credentials.
func (g *agent) openCredentials() (*door, error) {
	c := g.settings.Credentials
	l, err := listenLocal("credentials", c.Listen, 0)
	if err != nil {
		return nil, err
	}
	file := c.TokenFile
	if file == "" {
		file = g.state.path(rundir.Token)
	}
	token := s3api.Secret(rand.Text() + rand.Text())
	if err := writeSecret(file, string(token)); err != nil {
		return nil, errors.Join(cli.Fail(cli.Failed, fmt.Errorf("writing the token of the credentials: %w", err), "set credentials.token_file"), l.Close())
	}
	d := &door{name: doorCredentials, listen: "http://" + l.Addr().String() + lend.Path, about: "token in " + file, tokenFile: file}
	lender := lend.New(g.id, g.settings.gateway, g.settings.gatewayID)
	e, err := lend.NewDoor(lend.DoorConfig{
		Identity: func() error { _, err := g.id.Current(); return err },
		Session: func(ctx context.Context, n lend.Narrowing) (lend.Session, error) {
			s, err := lender.Session(ctx, n)
			d.say("", faultOf(err))
			return s, err
		},
		Token: token, Connections: lendConnections, Log: g.log,
		Refused: func(status int, path, reason, message string) {
			g.note(doorCredentials, forward.Refusal{Time: time.Now().UTC(), Method: "GET", Path: path, Status: status, Reason: reason, Message: message})
		},
	}, l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	d.served, d.run = e.Served, func(ctx context.Context) error { return e.Serve(ctx, l) }
	return d, nil
}

// faultOf is what a door says of a gateway that gave no session.
func faultOf(err error) string {
	if err == nil {
		return ""
	}
	return "the gateway gives no session: " + err.Error()
}

// tryCredentials asks for a session once, so that a gateway that has session
// keys off shows at the start and not in a job.
func (g *agent) tryCredentials(ctx context.Context) {
	for _, d := range g.doors {
		if d.name != doorCredentials {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err := lend.New(g.id, g.settings.gateway, g.settings.gatewayID).Session(ctx, lend.Narrowing{})
		d.say("", faultOf(err))
		if err != nil {
			g.log.Warn("container credentials", "error", faultOf(err))
		}
	}
}

// listenLocal listens on the loopback or on a socket that uid may open.
func listenLocal(name, address string, uid uint32) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix://")
	if !unix {
		l, err := net.Listen("tcp", address) //nolint:noctx // does not wait
		if err == nil {
			return l, nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			owner := ""
			if pid, what := cli.PortOwner(address); pid != 0 {
				owner = fmt.Sprintf(" by pid %d (%s)", pid, what)
			}
			return nil, cli.Fail(cli.Failed, fmt.Errorf("listening for %s on %s: address in use%s", name, address, owner), "stop it or set "+name+".listen")
		}
		return nil, cli.Fail(cli.Failed, fmt.Errorf("listening for %s on %s: %w", name, address, cli.RootCause(err)), "set "+name+".listen")
	}
	if len(path) > maxSocketPath {
		return nil, cli.Misuse("set "+name+".listen to a shorter path", "listening for %s on %s: the path of a socket has at most %d bytes", name, path, maxSocketPath)
	}
	mode := os.FileMode(0o600)
	if uid != uint32(os.Getuid()) {
		mode = 0o666 // the kernel says who comes; another user must get that far
	}
	return listenSocket(path, mode)
}

// listenSocket replaces a socket that nobody answers on, and no other file.
func listenSocket(path string, mode os.FileMode) (net.Listener, error) {
	doing := "listening on " + path + ": %w"
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, cli.Fail(cli.Failed, fmt.Errorf(doing, errors.New("there is a file that is no socket")), "name another path")
		}
		if c, err := net.Dial("unix", path); err == nil { //nolint:noctx // does not wait
			return nil, cli.Fail(cli.Failed, fmt.Errorf(doing, errors.New("somebody answers there")), "stop it, or name another path")
		} else if c != nil {
			_ = c.Close() // it was never open
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf(doing, err)
		}
	}
	l, err := net.Listen("unix", path) //nolint:noctx // does not wait
	if err != nil {
		return nil, fmt.Errorf(doing, cli.RootCause(err))
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf(doing, err), l.Close())
	}
	return l, nil
}
