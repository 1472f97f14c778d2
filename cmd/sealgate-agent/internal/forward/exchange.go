// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// exchange is one request and its answer on the way through the agent.
type exchange struct {
	f       *Forwarder
	w       http.ResponseWriter
	r       *http.Request
	c       *conn
	control *http.ResponseController
	body    *body
	target  string // path and query as the gateway gets them
}

// forward passes an admitted request on and its answer back.
func (x *exchange) forward() {
	if x.r.ContentLength == 0 && x.expects() {
		// net/http does not say this for an empty body, and clients wait for it.
		x.w.WriteHeader(http.StatusContinue)
	}
	resp, err := x.roundTrip()
	if err != nil {
		x.failed(err)
		return
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	if !x.pinned(resp) {
		x.refuse(&refusal{s3api.InternalError("this object did not pass its integrity check: its ETag stood for another object before"), "mixed_versions", false})
		return
	}
	x.noteDenial(resp)
	x.answer(resp)
}

func (x *exchange) expects() bool {
	return strings.EqualFold(x.r.Header.Get("Expect"), "100-continue")
}

// outgoing makes the request for the gateway.
func (x *exchange) outgoing(ctx context.Context) *http.Request {
	out := &http.Request{
		Method: x.r.Method, URL: &url.URL{Scheme: "https", Host: x.f.pool.host, Opaque: x.target}, Host: x.f.pool.host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.r.Header.Clone(), Body: http.NoBody, ContentLength: x.r.ContentLength,
	}
	dropHeaders(out.Header)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // or net/http would put its own
	}
	if x.r.ContentLength != 0 {
		out.Body, out.Trailer = x.body, x.r.Trailer
	} else {
		out.Header.Del("Expect")
	}
	return out.WithContext(ctx)
}

// roundTrip asks the gateway; once more on a new connection where the first
// was no longer good for reasons that lie before the request.
func (x *exchange) roundTrip() (*http.Response, error) {
	for again := true; ; again = false {
		t, err := x.f.pool.current()
		if err != nil {
			return nil, err
		}
		reused := false
		ctx := httptrace.WithClientTrace(x.r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
		resp, err := t.RoundTrip(x.outgoing(ctx))
		untouched := x.r.ContentLength == 0 || !x.body.started.Load()
		switch {
		case !again || !untouched:
			return resp, err
		case err == nil && resp.StatusCode == http.StatusForbidden && resp.Header.Get("X-Sealgate-Reason") == "svid_expired":
			_ = resp.Body.Close() // its connection is closed with it
			x.f.pool.renew(t)
		case err != nil && reused && x.r.ContentLength != 0:
			// A connection that the gateway had given up. With a body, and none of
			// it sent, nothing can have been done; without one, net/http decides.
		default:
			return resp, err
		}
	}
}

// answer passes the gateway's answer on.
func (x *exchange) answer(resp *http.Response) {
	x.settle()
	h := x.w.Header()
	dropHop(resp.Header)
	for name, values := range resp.Header {
		h[spelled(name)] = values
	}
	x.w.WriteHeader(resp.StatusCode)
	if x.r.Method == http.MethodHead {
		return
	}
	if resp.ContentLength < 0 && x.control.Flush() != nil { // of an answer that comes late the head comes early
		return
	}
	if err := x.copy(resp.Body); err != nil {
		x.note(Refusal{Status: resp.StatusCode, Reason: "broken_answer", Message: err.Error(), RequestID: resp.Header.Get("X-Amz-Request-Id")})
		panic(http.ErrAbortHandler) // the client must see that this is not the end
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// copy passes bytes on as they come. The error is about the gateway's side; a
// client that went away ends it with nil.
func (x *exchange) copy(src io.Reader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(*buf)
		if n > 0 {
			if _, werr := x.w.Write((*buf)[:n]); werr != nil {
				return nil // nobody is there to be told
			}
			if x.control.Flush() != nil {
				return nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && x.r.Context().Err() != nil:
			return nil // the client went away, and took the gateway's side along
		case err != nil:
			return err
		}
	}
}

// How much of a body that nobody wants is read off, so that a client that
// sends first can read the answer.
const (
	drainLimit = 16 << 20
	drainTime  = 2 * time.Second
)

// settle is called before an answer: what is left of the body is read off or
// the connection closed. A client that waits for a 100 sends nothing without
// one.
func (x *exchange) settle() {
	if x.body.clean() {
		return
	}
	waits := x.expects() && !x.body.started.Load()
	// Deadlines are for a connection that is closed below; that it has none is
	// nothing to tell anybody.
	x.body.stop(func() { _ = x.control.SetReadDeadline(time.Now()) })
	if !waits {
		_ = x.control.SetReadDeadline(time.Now().Add(drainTime))
		_, _ = io.CopyN(io.Discard, reader(x.body.read), drainLimit) // what is wrong with it no longer matters
	}
	if !x.body.clean() {
		x.w.Header().Set("Connection", "close")
	}
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// refuse answers for the agent itself.
func (x *exchange) refuse(ref *refusal) {
	id := rand.Text()
	x.settle()
	if ref.close {
		x.w.Header().Set("Connection", "close")
	}
	if ref.reason == "unsigned" || ref.reason == "signature_mismatch" {
		x.w.Header().Set("X-Sealgate-Reason", ref.reason)
	}
	x.w.Header().Set("Server", "Sealgate-Agent")
	s3api.WriteError(x.w, x.r, ref.err, id)
	x.note(Refusal{Status: ref.err.Status, Code: ref.err.Code, Reason: ref.reason, Message: ref.err.Message, RequestID: id})
}

// note puts a refusal on the log and into the status.
func (x *exchange) note(n Refusal) {
	n.Time, n.Method = time.Now().UTC(), x.r.Method
	n.Path, _, _ = strings.Cut(x.r.RequestURI, "?") // a query may hold a signature
	n.Path = n.Path[:min(len(n.Path), 1024)]
	x.f.refused.Add(1)
	x.f.conf.Log.LogAttrs(x.r.Context(), slog.LevelWarn, "request refused", slog.String("method", n.Method), slog.String("path", n.Path),
		slog.Int("status", n.Status), slog.String("s3_error", n.Code), slog.String("reason", n.Reason), slog.String("error", n.Message),
		slog.String("request_id", n.RequestID))
	if x.f.conf.Refused != nil {
		x.f.conf.Refused(n)
	}
}

// noteDenial puts what the gateway refused on the log: a client of a HEAD has
// no other way to learn the reason.
func (x *exchange) noteDenial(resp *http.Response) {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode < http.StatusInternalServerError {
		return
	}
	x.note(Refusal{Status: resp.StatusCode, Reason: resp.Header.Get("X-Sealgate-Reason"), RequestID: resp.Header.Get("X-Amz-Request-Id")})
}

// pinned says whether an answer is about the object that its ETag stood for
// before.
func (x *exchange) pinned(resp *http.Response) bool {
	object, etag := resp.Header.Get("X-Sealgate-Object"), resp.Header.Get("Etag")
	if object == "" || etag == "" {
		return true
	}
	named := &http.Request{Method: x.r.Method, RequestURI: x.target, Host: x.f.pool.host, Header: x.r.Header, ContentLength: x.r.ContentLength}
	path, _, _ := strings.Cut(x.target, "?")
	at := s3api.Resource{Key: path} // where s3api cannot read what the gateway could
	if op, err := s3api.Parse(named, s3api.Options{}); err == nil {
		at = op.Resource()
	}
	return x.f.pins.check(at, etag, object)
}
