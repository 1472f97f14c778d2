// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
)

// caller is who sent a control request.
type caller struct {
	actor    string // local:uid/NAME or a SPIFFE ID
	kind     string // human or service
	peer     certs.Peer
	operator bool // root or the gateway's own user, on the socket
	rights   *policy.Principal
	src      string
}

// verdict is what a decision comes to, for the record.
type verdict struct {
	allowed      bool
	rule, reason string
}

// decide says whether the caller may do what a row does to the resource key.
// Being local grants the verbs on gateway/** to root and the gateway's own
// user, and nothing on data, secrets or the audit trail.
func (c caller) decide(r route, key string, now time.Time) verdict {
	if c.operator && r.bucket == "gateway" {
		return verdict{allowed: true, rule: "local operator"}
	}
	var d policy.Decision // denies
	if c.rights != nil {
		d = c.rights.Decide(policy.Query{Verb: r.verb, Bucket: r.bucket, Key: key, Now: now})
	}
	return verdict{allowed: d.Allowed(), rule: d.Rule(), reason: string(d.Reason())}
}

// credKey carries the peer credentials of a unix connection.
type credKey struct{}

// withCredentials asks the kernel who connected; the answer holds for the
// connection's life.
func withCredentials(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, credKey{}, cred)
}

// callerOf identifies the sender of a request: by the kernel on the socket,
// by certificate elsewhere. An error means nobody.
func (s *Server) callerOf(r *http.Request, p *policy.Policy, now time.Time) (caller, error) {
	if cred, ok := r.Context().Value(credKey{}).(*unix.Ucred); ok {
		return localCaller(cred, p), nil
	}
	if r.TLS == nil {
		return caller{}, fmt.Errorf("the kernel did not say who called")
	}
	// A connection is verified again for each request: control is rare, and a
	// denial must hold at once.
	g, err := certs.NewGuard(s.config.TLS, *r.TLS)
	if err != nil {
		return caller{}, err
	}
	if err := g.Recheck(now); err != nil {
		return caller{}, err
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	c := caller{actor: g.Peer().ID.String(), kind: "service", peer: g.Peer(), src: host}
	if p != nil {
		c.rights = p.Principal(g.Peer().ID)
	}
	return c, nil
}

func localCaller(cred *unix.Ucred, p *policy.Policy) caller {
	name := strconv.FormatUint(uint64(cred.Uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	c := caller{actor: "local:uid/" + name, kind: "human", operator: cred.Uid == 0 || int(cred.Uid) == os.Getuid()}
	if p != nil {
		c.rights = p.Local(c.actor)
	}
	return c
}
