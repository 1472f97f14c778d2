// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// exchange is one request and its answer on the way through the gateway.
type exchange struct {
	g    *Gateway
	snap *Snapshot
	c    *conn
	r    *http.Request
	w    *answer
	body *requestBody

	id      string
	start   time.Time
	options s3api.Options
	caller  caller
	claimed string            // identity of a session whose signature was not right (yet)
	who     *policy.Principal // what the caller may do
	op      s3api.Op
	act     action

	event   audit.Event
	noted   bool          // the log was asked to take an intent or a refusal
	pending audit.Pending // nil until the intent is durable
	outcome audit.Outcome
	ended   bool // the outcome was handed to the log
	isLate  bool // the status went out before the outcome was known; that goes into the body
}

// serve is the one way in for every request of a connection.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	c := connOf(r.Context())
	start, rate := time.Now(), g.limits.Load().MinRate
	a := newAnswer(w, rate, start)
	x := &exchange{
		g: g, snap: g.Current(), c: c, r: r, w: a, id: NewRequestID(start), start: start,
		body: newRequestBody(r, a, c, rate), options: g.optionsOf(c),
	}
	if c.guard != nil {
		x.caller = byCertificate(c.guard.Peer())
	}
	g.config.Metrics.inflight.Inc()
	defer g.config.Metrics.inflight.Dec()
	defer x.finish()
	if r.ContentLength == 0 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		// net/http does not say this for an empty body; boto3 waits for it, and
		// would take the 100 of the next request on this connection for its own.
		a.arm(start)
		w.WriteHeader(http.StatusContinue)
	}
	h := w.Header()
	h.Set("Server", "Sealgate")
	h.Set("X-Amz-Request-Id", x.id)
	if err := x.run(); err != nil {
		x.fail(err)
	}
}

// run takes the request from identification to its handler.
func (x *exchange) run() error {
	x.event = x.baseEvent()
	wrong := x.c.tap.Begin(x.r.Method+" "+x.r.RequestURI+" "+x.r.Proto, x.r.ContentLength)
	if wrong != "" {
		x.closeAfter()
	}
	if x.c.owner.sessions {
		return x.runSigned(wrong)
	}
	if err := x.identify(); err != nil {
		return err
	}
	if wrong != "" {
		return x.refuse(s3api.InvalidRequest(wrong))
	}
	return x.within(func() error {
		op, err := s3api.Parse(x.r, x.options)
		if op != nil {
			x.name(op)
		}
		if err != nil {
			return x.refuse(err)
		}
		if call, ok := op.(*s3api.STSCall); ok {
			return x.sts(call)
		}
		if err := x.alsoSigned(); err != nil {
			return err
		}
		return x.carryOut()
	})
}

// within does the work of a request within the limits of its caller.
func (x *exchange) within(work func() error) error {
	id := x.caller.ID // whom the work may yet find to be another
	if x.c.over || !x.c.owner.enter(id) {
		x.closeAfter()
		return x.refuse(s3api.SlowDown("this identity has too many connections or requests at once"))
	}
	defer x.c.owner.leave(id)
	return work()
}

// carryOut decides and serves.
func (x *exchange) carryOut() error {
	grant, err := x.authorize()
	if err != nil {
		return err
	}
	if err = x.act.serve(x, grant); err != nil && !x.noted {
		return x.refuse(err) // allowed, but not to be done: no bucket, no keys, too large
	}
	return err
}

// name notes what the request is about, for the record and the metrics.
func (x *exchange) name(op s3api.Op) {
	r := op.Resource()
	x.op = op
	x.event.Action, x.event.Bucket, x.event.Key = op.Action(), r.Bucket, r.Key
	x.event.VersionID = versionOf(op)
	if prefix, ok := listedBelow(op); ok {
		x.event.Key = prefix
	}
}

// authorize decides; the only way to a Grant.
func (x *exchange) authorize() (policy.Grant, error) {
	act, ok := actionOf(x.op)
	if !ok {
		return policy.Grant{}, x.refuse(s3api.NotImplemented(x.op.Action()))
	}
	x.act, x.event.Event, x.event.AwaitOutcome = act, act.event, act.change
	if x.op.Resource().Reserved() {
		return policy.Grant{}, x.deny(policy.ReservedName, "", x.doing())
	}
	d := act.decide(x.who, x)
	x.event.Rule, x.event.Role, x.event.PolicyDigest = d.Rule(), d.Role(), x.snap.Policy.Digest()
	if !d.Allowed() {
		return policy.Grant{}, x.deny(d.Reason(), d.Rule(), x.doing())
	}
	x.g.config.Metrics.decisions.WithLabelValues("allow", "").Inc()
	return d.Grant()
}

// doing says in the words of the policy what the caller wanted, with nothing
// that the caller did not send.
func (x *exchange) doing() string {
	r, verb := x.op.Resource(), x.act.verb.String()
	if verb == "" {
		verb = "list"
	}
	switch {
	case r.Bucket == "":
		return "list buckets"
	case x.event.Key == "":
		return verb + " " + r.Bucket + "/"
	}
	return verb + " " + r.Bucket + "/" + x.event.Key
}

// begin makes the intent durable. Nothing may be disclosed or changed before
// it returned nil.
func (x *exchange) begin() error {
	x.noted, x.event.Decision = true, "allow"
	p, err := x.g.config.Audit.Begin(x.r.Context(), x.event)
	if err != nil {
		return x.unrecorded(err)
	}
	x.pending = p
	x.w.Header().Set("X-Sealgate-Audit", p.Receipt().String())
	return nil
}

// unrecorded is the answer when the record could not be made durable.
func (x *exchange) unrecorded(err error) error {
	x.g.config.Log.LogAttrs(x.r.Context(), slog.LevelError, "audit record refused",
		slog.String("request_id", x.id), slog.String("error", err.Error()))
	return s3api.ServiceUnavailable("the audit log is not available; try again")
}

// deny records a denial and gives the error to answer. Its text is the same
// whether or not the object exists, and names no role or rule.
func (x *exchange) deny(reason policy.Reason, rule, doing string) error {
	x.g.config.Metrics.decisions.WithLabelValues("deny", string(reason)).Inc()
	x.event.Reason, x.event.Rule = string(reason), rule
	if err := x.recordRefusal(); err != nil {
		return err
	}
	return x.accessDenied(reason, doing)
}

// recordRefusal makes the record of a refusal durable and names it in the
// answer; one that was only counted (AUDIT.md, "What is durable when") has no
// name.
func (x *exchange) recordRefusal() error {
	x.noted, x.event.Decision, x.event.AwaitOutcome = true, "deny", false
	receipt, err := x.g.config.Audit.Deny(x.r.Context(), x.event)
	if err != nil {
		return x.unrecorded(err)
	}
	if !receipt.IsZero() {
		x.w.Header().Set("X-Sealgate-Audit", receipt.String())
	}
	return nil
}

// accessDenied is the one text of a denial: what is forbidden and what is
// missing must look alike.
func (x *exchange) accessDenied(reason policy.Reason, doing string) error {
	x.w.Header().Set("X-Sealgate-Reason", string(reason))
	return s3api.AccessDenied(x.denial(reason, doing))
}

func (x *exchange) denial(reason policy.Reason, doing string) string {
	return fmt.Sprintf("%s may not %s (%s). Request %s", x.caller, doing, reason, x.id)
}

// refused is the event of a request that came to no operation.
const refused = "request.refused"

// refuse records a request that was not understood or is not served, and
// gives the error to answer.
func (x *exchange) refuse(err error) error {
	e := x.translate(err)
	x.event.Event, x.event.Detail = refused, map[string]string{"s3_error": e.Code}
	if x.claimed != "" {
		x.event.Detail["claimed"] = x.claimed
	}
	if x.op == nil { // what was asked for has no name: the record keeps how it was asked
		path, _, _ := strings.Cut(x.r.RequestURI, "?") // a query may carry a signature
		x.event.Detail["method"], x.event.Detail["target"] = x.r.Method, path
	}
	if err := x.recordRefusal(); err != nil {
		return err
	}
	return e
}

// end makes the outcome of a change durable before it is acknowledged; the
// outcome of a read follows lazily.
func (x *exchange) end() error {
	if x.pending == nil || x.ended {
		return nil
	}
	x.ended = true
	x.outcome.Duration, x.outcome.TTFB = time.Since(x.start), x.w.first
	if x.outcome.BytesReceived == 0 {
		x.outcome.BytesReceived = x.body.read // of a body that was not read whole: as it came, framing and all
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), outcomeTimeout)
	defer cancel()
	return x.pending.End(ctx, x.outcome)
}

// outcomeTimeout bounds the wait for the outcome of a request whose client
// may be gone.
const outcomeTimeout = 10 * time.Second

// closeAfter makes this answer the last one of its connection.
func (x *exchange) closeAfter() { x.w.Header().Set("Connection", "close") }

// fail answers an error, or cuts the connection when the answer had begun:
// never a clean end on what is not whole.
func (x *exchange) fail(err error) {
	e := x.translate(err)
	x.outcome.Status, x.outcome.S3Error = e.Status, e.Code
	x.giveReason(e)
	if x.w.status != 0 {
		x.outcome.Status = x.w.status
	}
	if x.w.status != 0 && !x.isLate {
		x.abort(err)
	}
	if x.outcome.Abort == "" {
		x.outcome.Abort = x.gone()
	}
	if x.act.change {
		if enderr := x.end(); enderr != nil {
			e = asS3(x.unrecorded(enderr))
		}
	}
	if !x.body.settle(x.r.Header.Get("Expect")) {
		x.closeAfter()
	}
	if x.isLate {
		s3api.WriteErrorLate(x.w, x.r, e, x.id)
		return
	}
	if s3api.IsSTS(x.r, x.options) {
		s3api.WriteSTSError(x.w, e, x.id)
		return
	}
	s3api.WriteError(x.w, x.r, e, x.id)
}

// abort ends the connection in the middle of an answer.
func (x *exchange) abort(err error) {
	if x.outcome.Abort == "" {
		x.outcome.Abort = x.gone()
	}
	switch {
	case x.outcome.Abort != "":
	case isIntegrity(err):
		x.outcome.Abort = audit.AbortIntegrity
	default:
		x.outcome.Abort = audit.AbortBackend
	}
	if x.outcome.Abort == audit.AbortIntegrity || x.outcome.Abort == audit.AbortBackend {
		// What was verified goes out, so that a client that asks for the rest
		// begins where it is bad, and is told so.
		_ = http.NewResponseController(x.w).Flush() // the connection is cut next, whatever came of it
	}
	x.c.abort(x.outcome.Abort)
	panic(http.ErrAbortHandler)
}

// gone says why nobody is there any more for the answer, "" while somebody
// may be (AUDIT.md, "Record": abort).
func (x *exchange) gone() string {
	var ne net.Error
	switch {
	case x.c.cut.Load() != nil:
		return *x.c.cut.Load()
	case errors.As(x.w.err, &ne) && ne.Timeout():
		return audit.AbortClientTimeout
	case x.w.err != nil || x.r.Context().Err() != nil:
		return audit.AbortClientReset
	}
	return ""
}

// finish runs whatever happened: it ends the record, counts, and logs. A
// panic of a handler ends this request alone.
func (x *exchange) finish() {
	p := recover()
	x.c.running.Store(nil)
	if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
		x.g.config.Metrics.panics.Inc()
		x.g.config.Log.LogAttrs(x.r.Context(), slog.LevelError, "panic while serving",
			slog.String("request_id", x.id), slog.String("what", panicText(p)), slog.String("stack", stack()))
		x.outcome.Status, x.outcome.S3Error, x.outcome.Abort = http.StatusInternalServerError, "InternalError", audit.AbortPanic
		x.c.abort(audit.AbortPanic)
		p = http.ErrAbortHandler
	}
	if x.outcome.Status == 0 {
		x.outcome.Status = x.w.status
	}
	if err := x.end(); err != nil {
		_ = x.unrecorded(err) // the answer is gone; the log itself goes CLOSED or ends the process
	}
	x.log()
	if p != nil {
		panic(p)
	}
}

func (x *exchange) log() {
	name := x.event.Action
	if name == "" {
		name = "unknown"
	}
	took := time.Since(x.start)
	x.g.config.Metrics.done(name, x.outcome.Status, took, x.w.first)
	x.g.config.Log.LogAttrs(x.r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", x.id), slog.String("actor", x.caller.ID.String()), slog.String("action", name),
		slog.String("bucket", x.event.Bucket), slog.String("key", x.event.Key), slog.String("decision", x.event.Decision),
		slog.String("rule", x.event.Rule), slog.String("reason", x.event.Reason), slog.Int("status", x.outcome.Status),
		slog.String("s3_error", x.outcome.S3Error), slog.Int64("bytes_sent", x.w.sent), slog.Int64("bytes_received", x.body.read),
		slog.Int64("duration_us", took.Microseconds()), slog.Int64("ttfb_us", x.w.first.Microseconds()),
		slog.String("src_ip", x.event.SrcIP))
}

func (x *exchange) baseEvent() audit.Event {
	host, _, _ := net.SplitHostPort(x.r.RemoteAddr)
	return audit.Event{
		Actor: x.caller.ID.String(), ActorType: x.caller.kind(), TrustDomain: x.caller.ID.TrustDomain().String(),
		CertSerial: x.caller.serial, RequestID: x.id, SrcIP: host, UserAgent: x.r.UserAgent(),
	}
}
