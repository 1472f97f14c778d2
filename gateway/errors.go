// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// asS3 gives the S3 error in a chain, nil if there is none.
func asS3(err error) *s3api.Error {
	e, _ := errors.AsType[*s3api.Error](err)
	return e
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

func isIntegrity(err error) bool {
	return errors.Is(err, envelope.ErrAuth) || errors.Is(err, store.ErrDamaged)
}

// translate is the one table from what went wrong inside to what a client is
// told. The text never holds a path, a key id or a word of a backend; those
// go into the record and the log. It does not touch the answer, which another
// goroutine may be at.
func (x *exchange) translate(err error) *s3api.Error {
	if e := asS3(err); e != nil {
		return e
	}
	x.outcome.Error = err.Error()
	if isIntegrity(err) {
		x.integrity(err)
		return s3api.InternalError("this object did not pass its integrity check. Request " + x.id)
	}
	if errors.Is(err, errUnmanaged) {
		return s3api.AccessDenied(x.denial(policy.UnmanagedObject, x.doing())).Cause(err)
	}
	for _, row := range translations {
		if errors.Is(err, row.is) {
			return row.say(x)
		}
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return s3api.NewError("RequestTimeout", "")
	}
	return s3api.InternalError("the request failed inside the gateway. Request " + x.id)
}

// giveReason names the reason of a denial that came of what lies in the store.
func (x *exchange) giveReason(e *s3api.Error) {
	if errors.Is(e, errUnmanaged) {
		x.w.Header().Set("X-Sealgate-Reason", string(policy.UnmanagedObject))
	}
}

// said is an answer with a fixed text.
func said(say func(string) *s3api.Error, text string) func(*exchange) *s3api.Error {
	return func(*exchange) *s3api.Error { return say(text) }
}

var translations = []struct {
	is  error
	say func(*exchange) *s3api.Error
}{
	{store.ErrNotFound, func(x *exchange) *s3api.Error { return s3api.NoSuchKey(x.event.Key) }},
	{store.ErrPrecondition, func(*exchange) *s3api.Error { return s3api.PreconditionFailed("") }},
	{store.ErrNoLock, func(x *exchange) *s3api.Error { return s3api.BucketLocksNothing(x.op) }},
	{store.ErrLocked, func(*exchange) *s3api.Error { return s3api.ObjectLocked() }},
	{store.ErrTooLarge, tooLarge},
	{envelope.ErrTooLarge, tooLarge},
	{envelope.ErrAttrTooLarge, func(*exchange) *s3api.Error { return s3api.MetadataTooLarge(0) }},
	{envelope.ErrAttrInvalid, said(s3api.InvalidRequest, "a metadata header holds what cannot be stored")},
	{store.ErrKeyTooLong, func(*exchange) *s3api.Error { return s3api.NewError("KeyTooLongError", "") }},
	{store.ErrKey, said(s3api.InvalidRequest, "the storage behind this bucket cannot hold this key")},
	{store.ErrNoSpace, said(s3api.ServiceUnavailable, "the storage is full")},
	{store.ErrUnavailable, said(s3api.ServiceUnavailable, "the storage does not answer; try again")},
	{envelope.ErrUnavailable, said(s3api.ServiceUnavailable, "the keys are not available; try again")},
	{envelope.ErrThrottled, said(s3api.ServiceUnavailable, "the keys are not available; try again")},
	{state.ErrUnavailable, said(s3api.ServiceUnavailable, "the state database is not available; try again")},
	{state.ErrBusy, said(s3api.ServiceUnavailable, "the state database is not available; try again")},
	{state.ErrNoSpace, said(s3api.ServiceUnavailable, "the state database is not available; try again")},
	{rotation.ErrNoKeyring, said(s3api.ServiceUnavailable, "no keyring seals this prefix")},
	{envelope.ErrLength, cutShort},
	{store.ErrLength, cutShort},
	{io.ErrUnexpectedEOF, cutShort},
	{context.Canceled, func(*exchange) *s3api.Error { return s3api.NewError("RequestTimeout", "") }}, // the client left: nobody reads it
}

// cutShort answers bytes that ended too early: those of the client's body, or
// those of the store.
func cutShort(x *exchange) *s3api.Error {
	switch x.op.(type) {
	case *s3api.PutObject, *s3api.UploadPart:
		return s3api.NewError("IncompleteBody", "")
	}
	return s3api.ServiceUnavailable("the storage broke off; try again")
}

func tooLarge(x *exchange) *s3api.Error {
	size := int64(0)
	if op, ok := x.op.(*s3api.PutObject); ok {
		size = op.Size
	}
	return s3api.EntityTooLarge(size, envelope.MaxPutSize)
}

// integrity raises the alarm: someone changed what lies in the store, or it
// is broken.
func (x *exchange) integrity(err error) {
	x.g.config.Metrics.integrity.Inc()
	if x.outcome.Abort == "" {
		x.outcome.Abort = audit.AbortIntegrity
	}
	x.g.config.Log.LogAttrs(x.r.Context(), slog.LevelError, "integrity check failed",
		slog.String("request_id", x.id), slog.String("bucket", x.event.Bucket), slog.String("key", x.event.Key),
		slog.String("error", envelope.Fault(err)))
}
