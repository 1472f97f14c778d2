// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// refusal is why a request is not passed on, and what the client is told.
type refusal struct {
	err    *s3api.Error
	reason string // AGENT.md, "What it demands of a request"
	close  bool   // the connection cannot be used any more
}

// ask is what every hint about keys comes down to.
const ask = `use the keys of this agent: eval "$(sealgate-agent env)", or sealgate-agent run -- CMD`

// admit holds a request against the demands of AGENT.md, in their order, and
// settles where it goes. It returns nil for a request that may use the agent's
// identity.
func (x *exchange) admit() *refusal {
	// The tap must hear of each request, or it takes the next for pipelined.
	ambiguous := x.c.tap.Begin(x.r.Method+" "+x.r.RequestURI+" "+x.r.Proto, x.r.ContentLength)
	if ref := x.checkPeer(); ref != nil {
		return ref
	}
	if !x.r.ProtoAtLeast(1, 1) {
		return &refusal{s3api.InvalidRequest("the agent speaks HTTP/1.1, not " + x.r.Proto), "old_protocol", true}
	}
	if ambiguous == "" && !knownOptions(x.r.Header) {
		ambiguous = "the Connection header names other headers"
	}
	if ambiguous != "" {
		return &refusal{s3api.InvalidRequest(ambiguous), "framing", true}
	}
	if ref := x.checkTarget(); ref != nil {
		return ref
	}
	if ref := x.checkSignature(time.Now()); ref != nil {
		return ref
	}
	x.c.Prove()
	if x.r.Method == http.MethodPut && x.r.ContentLength == 0 && x.r.Header["Content-Length"] == nil && x.r.Header["X-Amz-Copy-Source"] == nil {
		return &refusal{s3api.NewError("MissingContentLength", ""), "no_length", true}
	}
	return nil
}

// checkPeer: the kernel says who connected to a unix socket.
func (x *exchange) checkPeer() *refusal {
	switch c := x.c; {
	case !c.unix:
		return nil
	case c.uidErr != nil:
		return &refusal{s3api.AccessDenied("who you are cannot be told: " + c.uidErr.Error()), "peer_uid", true}
	case c.uid != x.f.conf.UID:
		return &refusal{s3api.AccessDenied(fmt.Sprintf("this socket is for uid %d, you are uid %d; run an agent of your own", x.f.conf.UID, c.uid)), "peer_uid", true}
	}
	return nil
}

// checkTarget settles the path that goes on to the gateway.
func (x *exchange) checkTarget() *refusal {
	const notProxy = "this is an S3 endpoint and no proxy; take it out of HTTP_PROXY and name it as the endpoint"
	target := x.r.RequestURI
	switch {
	case x.r.Method == http.MethodConnect:
		return &refusal{s3api.NewError("MethodNotAllowed", notProxy), "connect", true}
	case !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//"):
		return &refusal{s3api.InvalidRequest("the target of a request is a path that begins with one slash; " + notProxy), "target", true}
	}
	bucket, ok := x.f.hosts.bucket(x.r.Host)
	if !ok {
		return &refusal{s3api.AccessDenied("the Host of the request is not this agent's; name the agent by its address, or set forward.domain"), "unknown_host", false}
	}
	x.target = target
	if bucket != "" {
		x.target = "/" + bucket + target
	}
	return nil
}

// checkSignature demands a signature by the keys of this start.
func (x *exchange) checkSignature(now time.Time) *refusal {
	keys := x.f.conf.Keys
	s, err := s3api.ReadSignature(x.r)
	switch {
	case err != nil:
		return x.asRefusal(err, "signature_form")
	case s == nil:
		return &refusal{s3api.AccessDenied("the request is not signed; " + ask), "unsigned", false}
	case s.Presigned:
		return &refusal{s3api.AuthError(x.r, "InvalidRequest", "the agent takes no presigned requests: it would lend its identity to whoever has the URL; "+ask), "presigned", false}
	case s.Service != "s3":
		return &refusal{s3api.AuthError(x.r, "InvalidRequest", "the agent passes S3 on and no other service; for session keys use sealgate-agent credentials"), "service", false}
	case s.AccessKey != keys.AccessKey:
		return &refusal{s3api.NewError("InvalidAccessKeyId", "the access key is not one of this agent, which makes a new pair at each start; "+ask), "unknown_key", false}
	}
	if _, err := s.Verify(x.r, []byte(keys.Secret), now); err != nil {
		return x.asRefusal(err, "signature_mismatch")
	}
	return nil
}

// asRefusal keeps what s3api found.
func (x *exchange) asRefusal(err error, reason string) *refusal {
	e, ok := errors.AsType[*s3api.Error](err)
	if !ok {
		e = s3api.InternalError("").Cause(err)
	}
	switch e.Code {
	case "RequestTimeTooSkewed":
		reason = "clock_skew"
	case "InvalidRequest":
		reason = "signature_form"
	}
	return &refusal{e, reason, false}
}
