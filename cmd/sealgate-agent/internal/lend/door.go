// SPDX-License-Identifier: Apache-2.0

package lend

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/room"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// Path is where the door answers.
const Path = "/creds"

// DoorConfig shapes a door.
type DoorConfig struct {
	// Identity says whether the identity that sessions are lent for is still
	// there. Required.
	Identity func() error
	// Session gets a session from the gateway. Required.
	Session func(context.Context, Narrowing) (Session, error)
	// Token is what a caller must show. Required.
	Token s3api.Secret
	// Connections is how many callers may have open at once. Required.
	Connections int
	// Log gets one line for each refusal. Required.
	Log *slog.Logger
	// Refused, if not nil, is told of each refusal. It must not block.
	Refused func(status int, path, reason, message string)
}

// Door gives sessions to whoever has the token.
type Door struct {
	conf DoorConfig
	host string // HOST:PORT of the listener
	port string

	served, refused atomic.Int64

	asking singleflight.Group // by narrowing

	mu   sync.Mutex // guards below
	lent map[Narrowing]lent
}

// lent is a session that is handed out again for a while.
type lent struct {
	s    Session
	made time.Time
}

// fresh is how long a session is given to others who ask, while half of its
// life is left: a job that starts a hundred workers asks the gateway once.
const fresh = 5 * time.Minute

// maxLent bounds how many narrowings are remembered.
const maxLent = 64

// NewDoor gives a door for l, which must be on the loopback.
func NewDoor(c DoorConfig, l net.Listener) (*Door, error) {
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
		return nil, errors.New(l.Addr().String() + " can be reached from other machines; listen on 127.0.0.1")
	}
	return &Door{conf: c, host: tcp.String(), port: strconv.Itoa(tcp.Port), lent: map[Narrowing]lent{}}, nil
}

// Served counts the sessions that were given out, and the refusals.
func (d *Door) Served() (served, refused int64) { return d.served.Load(), d.refused.Load() }

// Serve answers until ctx ends.
func (d *Door) Serve(ctx context.Context, l net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler: d, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		Protocols: protocols, DisableGeneralOptionsHandler: true, ConnContext: withConn, ErrorLog: slog.NewLogLogger(d.conf.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(room.New(l, d.conf.Connections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		_ = s.Close() // answers are small; whoever waits asks again
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// connKey carries the connection from net/http's ConnContext to the handler.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ServeHTTP answers as the endpoint for container credentials of AWS does.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, status, reason, why := d.admit(r)
	if reason == "" {
		if c, ok := r.Context().Value(connKey{}).(*room.Conn); ok {
			c.Prove()
		}
		s, err := d.session(r.Context(), n)
		if err == nil {
			d.served.Add(1)
			writeJSON(w, http.StatusOK, map[string]any{
				"AccessKeyId": s.AccessKey, "SecretAccessKey": string(s.Secret), "Token": string(s.Token),
				"Expiration": s.Expires.UTC().Format(time.RFC3339),
			})
			return
		}
		status, reason, why = failure(err)
	}
	d.refuse(w, r, status, reason, why)
}

// admit holds a request against what the door demands.
func (d *Door) admit(r *http.Request) (n Narrowing, status int, reason, why string) {
	refuse := func(status int, reason, why string) (Narrowing, int, string, string) {
		return Narrowing{}, status, reason, why
	}
	token := []byte(r.Header.Get("Authorization"))
	q := r.URL.Query()
	n = Narrowing{Role: q.Get("role"), Scope: q.Get("scope")}
	for name := range q {
		if name != "role" && name != "scope" || len(q[name]) != 1 {
			return refuse(http.StatusBadRequest, "query", "write "+Path+", with role=NAME and scope=BUCKET/PREFIX/ at most")
		}
	}
	switch {
	case r.URL.IsAbs() || !d.own(r.Host):
		return refuse(http.StatusForbidden, "unknown_host", "the Host of the request is not this agent's; name it by its address, http://"+d.host+Path)
	case subtle.ConstantTimeCompare(token, []byte(d.conf.Token)) != 1:
		return refuse(http.StatusForbidden, "token", "the Authorization header is not the token of this agent; point AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE at its token file")
	case r.URL.Path != Path:
		return refuse(http.StatusNotFound, "path", "credentials are at http://"+d.host+Path)
	case r.Method != http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "method", "GET alone is answered")
	}
	if err := n.Check(); err != nil {
		return refuse(http.StatusBadRequest, "query", err.Error())
	}
	return n, 0, "", ""
}

// own says whether a Host is the door's.
func (d *Door) own(host string) bool {
	return host == d.host || host == "localhost:"+d.port || host == "127.0.0.1:"+d.port || host == "[::1]:"+d.port
}

// failure names why there is no session.
func failure(err error) (status int, reason, why string) {
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Status >= http.StatusInternalServerError || e.Status == http.StatusNotImplemented {
			return http.StatusServiceUnavailable, "gateway_refused", e.Error()
		}
		return http.StatusForbidden, "gateway_refused", e.Error()
	}
	if errors.Is(err, certs.ErrNoMaterial) {
		return http.StatusServiceUnavailable, "no_identity", "this agent has no identity at present: " + err.Error()
	}
	return http.StatusServiceUnavailable, "gateway_unreachable", "asking the gateway for a session: " + err.Error()
}

func (d *Door) refuse(w http.ResponseWriter, r *http.Request, status int, reason, why string) {
	d.refused.Add(1)
	path := r.URL.Path[:min(len(r.URL.Path), 256)]
	d.conf.Log.LogAttrs(r.Context(), slog.LevelWarn, "credentials refused", slog.String("method", r.Method), slog.String("path", path),
		slog.Int("status", status), slog.String("reason", reason), slog.String("error", why))
	if d.conf.Refused != nil {
		d.conf.Refused(status, path, reason, why)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, status, map[string]any{"code": reason, "message": why})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that has gone asks again
}

// session gives one that is fresh. The gateway is asked once for all who wait,
// and what it answers, or that it does not, is the answer to all of them.
func (d *Door) session(ctx context.Context, n Narrowing) (Session, error) {
	if err := d.conf.Identity(); err != nil {
		return Session{}, err
	}
	if s, ok := d.held(n); ok {
		return s, nil
	}
	asked := d.asking.DoChan(n.Role+" "+n.Scope, func() (any, error) { // no role holds a space
		if s, ok := d.held(n); ok { // made between the look and the call
			return s, nil
		}
		s, err := d.conf.Session(context.WithoutCancel(ctx), n) // who asked first may go, others wait
		if err != nil {
			return nil, err
		}
		d.hold(n, s)
		return s, nil
	})
	select {
	case <-ctx.Done():
		return Session{}, ctx.Err()
	case r := <-asked:
		if r.Err != nil {
			return Session{}, r.Err
		}
		return r.Val.(Session), nil
	}
}

func (d *Door) held(n Narrowing) (Session, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, now := d.lent[n], time.Now()
	return e.s, now.Sub(e.made) < fresh && e.s.Expires.Sub(now) > e.s.Expires.Sub(e.made)/2
}

func (d *Door) hold(n Narrowing, s Session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.lent) >= maxLent {
		clear(d.lent)
	}
	d.lent[n] = lent{s: s, made: time.Now()}
}
