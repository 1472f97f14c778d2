// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
)

// Config is what a Server is made of. All fields but TLS and Log are
// required.
type Config struct {
	// Backend does what the routes ask for.
	Backend Backend
	// Policy gives the policy in force, nil if there is none.
	Policy func() *policy.Policy
	// Audit records each request before it acts.
	Audit audit.Recorder
	// TLS verifies certificates where control is served over TCP.
	TLS certs.ServerConfig
	// Log takes one line a request. Nil means slog.Default.
	Log *slog.Logger
}

// Server serves the control API.
type Server struct {
	config  Config
	routes  []route
	answers answers
	pages   pages
}

// New makes a server.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Server{config: c, routes: table(), pages: newPages()}
}

// Serve answers on l until ctx ends; requests in flight then have five
// seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ConnContext: withCredentials,
		ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close() // what is left is cut; its record stays open and says so
		}
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving control: %w", err)
	}
	<-ended
	return nil
}

// call is one control request on its way.
type call struct {
	s   *Server
	r   *http.Request
	id  string
	who caller
	row route
	arg string // what the path names

	policy *policy.Policy // in force when the request came; nil if none
	result any            // of the row
	failed error          // nil once the row did what it was asked to do
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	c := &call{s: s, r: r, id: gateway.NewRequestID(now), policy: s.config.Policy()}
	w.Header().Set("X-Request-Id", c.id)
	w.Header().Set("Server", "Sealgate")
	result, err := c.run(w, now)
	status := http.StatusOK
	if err != nil {
		p := problemOf(err)
		status = p.Status
		writeProblem(w, p, c.id)
	} else {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result) // a caller who is gone cannot be told
	}
	attrs := []slog.Attr{
		slog.String("request_id", c.id), slog.String("actor", c.who.actor), slog.String("action", c.row.action),
		slog.Int("status", status), slog.Int64("duration_us", time.Since(now).Microseconds()),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	s.config.Log.LogAttrs(r.Context(), slog.LevelInfo, "control", attrs...)
}

// run takes the request to its row: identify, decide, record, act.
func (c *call) run(w http.ResponseWriter, now time.Time) (any, error) {
	row, arg, ok := match(c.s.routes, c.r.Method, c.r.URL.Path)
	if !ok {
		return nil, Fail(NotFound, c.r.Method+" "+c.r.URL.Path+" is no route; GET /openapi.json lists them")
	}
	c.row, c.arg = row, arg
	who, err := c.s.callerOf(c.r, c.policy, now)
	if err != nil {
		return nil, Fail(Denied, "who calls could not be established")
	}
	c.who = who
	v := who.decide(row, row.key+arg, now)
	event := c.event(v.rule)
	if c.r.Header.Get("Origin") != "" { // a browser was made to send this
		return nil, c.deny(event, "", "requests from web pages are refused")
	}
	if !v.allowed {
		what := fmt.Sprintf("%s may not %s on %s/%s (%s)", who.actor, row.verb, row.bucket, event.Key, v.reason)
		return nil, c.deny(event, v.reason, what)
	}
	body, err := c.body(http.NewResponseController(w), now)
	if err != nil {
		return nil, err
	}
	return c.actOnce(now, body, func(repeat func(context.Context) any) (any, error) {
		if repeat != nil {
			event.Detail = map[string]string{"repeated": "true"}
		}
		return c.act(event, body, repeat)
	})
}

// body reads the request's body, as large and as slow as its row allows.
func (c *call) body(control *http.ResponseController, now time.Time) ([]byte, error) {
	if err := errors.Join(control.SetReadDeadline(now.Add(bodyTime)), control.SetWriteDeadline(now.Add(c.row.timeout+bodyTime))); err != nil {
		return nil, fmt.Errorf("bounding the request: %w", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, c.row.maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, Fail(TooLarge, fmt.Sprintf("the body exceeds %d bytes", c.row.maxBody))
	}
	if err != nil {
		return nil, Fail(Invalid, "the body was not sent whole")
	}
	_ = control.SetReadDeadline(time.Time{}) // net/http goes on reading: its end must not end the work
	return body, nil
}

// bodyTime is how long a body may take: the longest is 64 KiB.
const bodyTime = 5 * time.Second

// act records, acts, and makes the outcome of a change durable before it is
// acknowledged. What is only repeated does not act again.
func (c *call) act(event audit.Event, body []byte, repeat func(context.Context) any) (any, error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), c.row.timeout)
	defer cancel()
	event.Decision = "allow"
	pending, err := c.s.config.Audit.Begin(ctx, event)
	if err != nil {
		return nil, Fail(Unavailable, "the audit log is not available; try again")
	}
	start := time.Now()
	var result any
	if repeat != nil {
		result = repeat(ctx)
	} else {
		result, err = c.do(ctx, body)
		c.result, c.failed = result, err
	}
	outcome := audit.Outcome{Status: http.StatusOK, Duration: time.Since(start)}
	if err != nil {
		outcome.Status, outcome.Error = problemOf(err).Status, err.Error()
	}
	// What was done is recorded though the caller left or the time is up.
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer stop()
	if enderr := pending.End(end, outcome); enderr != nil && event.AwaitOutcome {
		return nil, Fail(Unavailable, "it was done, but its outcome could not be recorded; look before you repeat it")
	}
	return result, err
}

// outcomeTime bounds the wait for an outcome to be durable.
const outcomeTime = 10 * time.Second

// do calls the row. A panic there ends this request alone, with an outcome
// like any other; what it said may hold anything, and stays here.
func (c *call) do(ctx context.Context, body []byte) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, fmt.Errorf("panic in %s: %T", c.row.action, p)
		}
	}()
	return c.row.do(ctx, c, body)
}

func (c *call) event(rule string) audit.Event {
	e := audit.Event{
		Event: c.row.event, Actor: c.who.actor, ActorType: c.who.kind, Action: c.row.action,
		Bucket: c.row.bucket, Key: c.row.key + c.arg, Rule: rule, RequestID: c.id, SrcIP: c.who.src,
		TrustDomain: c.who.peer.ID.TrustDomain().String(), CertSerial: c.who.peer.Serial, AwaitOutcome: c.row.change,
	}
	if c.policy != nil {
		e.PolicyDigest = c.policy.Digest()
	}
	return e
}

// deny records a refusal and gives the error to answer.
func (c *call) deny(e audit.Event, reason, detail string) error {
	e.Decision, e.Reason, e.AwaitOutcome = "deny", reason, false
	if _, err := c.s.config.Audit.Deny(c.r.Context(), e); err != nil {
		return Fail(Unavailable, "the audit log is not available; try again")
	}
	p := Fail(Denied, detail)
	p.Reason = reason
	return p
}
