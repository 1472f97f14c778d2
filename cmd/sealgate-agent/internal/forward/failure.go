// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// failed answers for a gateway that did not (AGENT.md, "How it fails").
func (x *exchange) failed(err error) {
	if x.r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client has gone; nobody is there to be told
	}
	if cause := x.body.failed(); cause != nil {
		x.refuse(&refusal{s3api.NewError("IncompleteBody", "").Cause(cause), "broken_body", true})
		return
	}
	ref := gatewayFailure(x.f.conf.Gateway, err)
	ref.err.Err = err
	x.refuse(ref)
}

// gatewayFailure names what went wrong on the way to the gateway.
func gatewayFailure(gateway string, err error) *refusal {
	unavailable := func(reason, text string) *refusal {
		return &refusal{s3api.ServiceUnavailable(text), reason, false}
	}
	reject, rejected := errors.AsType[*certs.RejectError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, certs.ErrNoMaterial), rejected && reject.Reason == certs.ReasonNotReady:
		return unavailable("no_identity", "this agent has no identity at present: "+err.Error()+"; look at sealgate-agent status")
	case rejected:
		return unavailable("gateway_untrusted", "the server at "+gateway+" is not the gateway: "+reject.Error()+"; check gateway.id and the trust bundle of the agent")
	case isOp && op.Op == "remote error": // a TLS alert
		return &refusal{
			s3api.AccessDenied("the gateway at " + gateway + " does not take this agent's certificate (" + op.Err.Error() + "); has it expired, is it denied, or of another trust domain?"),
			"certificate_refused", false,
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return unavailable("gateway_timeout", "the gateway at "+gateway+" does not answer; try again")
	}
	return unavailable("gateway_unreachable", "the gateway at "+gateway+" cannot be reached: "+rootCause(err).Error()+"; try again")
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
