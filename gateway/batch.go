// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// batchWidth is how many objects of one DeleteObjects are deleted at once.
const batchWidth = 16

// deleteObjects deletes up to a thousand objects. Each is decided by itself
// and has a record of its own, durable before it goes: what stands in one
// answer is a thousand decisions (S3.md, "Batches").
func (x *exchange) deleteObjects(op *s3api.DeleteObjects, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	keys, quiet, err := op.Keys(x.body)
	if err != nil {
		return err
	}
	x.noted = true // from here on each object is on the record
	results := make([]s3api.Deletion, len(keys))
	var unrecorded atomic.Int64
	sideBySide(len(keys), func(i int) { results[i] = x.deleteOne(rd, keys[i], &unrecorded) })
	if unrecorded.Load() == int64(len(keys)) {
		return s3api.ServiceUnavailable("the audit log is not available; try again")
	}
	x.outcome.Status = http.StatusOK
	s3api.WriteDeleted(x.w, quiet, results)
	return nil
}

// sideBySide does n pieces of work, batchWidth at once. A panic in one of them
// ends the request, once the others are done, and never the process.
func sideBySide(n int, work func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	panicked := make(chan any, batchWidth)
	worker := func() {
		defer func() {
			if p := recover(); p != nil {
				panicked <- p
			}
		}()
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			work(int(i))
		}
	}
	for range min(n, batchWidth) {
		running.Go(worker)
	}
	running.Wait()
	select {
	case p := <-panicked:
		panic(p) // ends this request as one in its own goroutine does
	default:
	}
}

// deleteOne decides on one object of a batch, records and deletes it.
func (x *exchange) deleteOne(rd reader, k s3api.KeyVersion, unrecorded *atomic.Int64) s3api.Deletion {
	d := deletion{x: x, rd: rd, k: k, event: x.event, unrecorded: unrecorded}
	d.event.Event, d.event.Key, d.event.VersionID, d.event.AwaitOutcome = "artifact.delete", k.Key, k.VersionID, true
	result := s3api.Deletion{Key: k.Key, VersionID: k.VersionID}
	gone, err := d.run()
	if err != nil {
		result.Err = d.say(err)
		return result
	}
	if result.Marker = gone.Marker; gone.Marker {
		result.MarkerVersion = gone.VersionID
	}
	return result
}

// deletion is one object of a batch.
type deletion struct {
	x     *exchange
	rd    reader
	k     s3api.KeyVersion
	event audit.Event

	unrecorded *atomic.Int64 // objects of the batch of which the log took nothing
}

func (d *deletion) run() (store.Deleted, error) {
	x, start := d.x, time.Now()
	if err := d.decide(); err != nil {
		return store.Deleted{}, err
	}
	d.event.Decision = "allow"
	pending, err := x.g.config.Audit.Begin(x.r.Context(), d.event)
	if err != nil {
		d.unrecorded.Add(1)
		return store.Deleted{}, x.unrecorded(err)
	}
	defer d.panicked(pending)
	gone, err := d.rd.remove(x.r.Context(), d.k.Key, d.k.VersionID)
	o := audit.Outcome{Status: http.StatusNoContent, VersionID: gone.VersionID, Duration: time.Since(start)}
	if err != nil {
		e := d.say(err)
		o.Status, o.S3Error, o.Error, o.Detail = e.Status, e.Code, err.Error(), d.reconciled(err)
	}
	ctx, cancel := x.detached()
	defer cancel()
	if enderr := pending.End(ctx, o); enderr != nil {
		return gone, x.unrecorded(enderr)
	}
	return gone, err
}

// panicked ends the record of a deletion that panicked, and lets it go on: what
// became of the object is not known.
func (d *deletion) panicked(pending audit.Pending) {
	p := recover()
	if p == nil {
		return
	}
	ctx, cancel := d.x.detached()
	defer cancel()
	o := audit.Outcome{Status: http.StatusInternalServerError, S3Error: "InternalError", Abort: audit.AbortPanic}
	o.Detail = map[string]string{"reconciled": audit.ReconciledUnknown}
	_ = pending.End(ctx, o) // the log itself says what is wrong with it
	panic(p)
}

// decide allows the deletion, or records that it was refused.
func (d *deletion) decide() error {
	x := d.x
	r := d.k.Resource(d.rd.bucket)
	if d.k.Err != nil {
		d.event.Key = d.event.Key[:min(len(d.event.Key), store.MaxKey)]
		return d.notUnderstood(asS3(d.k.Err))
	}
	if r.Reserved() {
		return d.refuse(policy.ReservedName, nil)
	}
	v := x.who.Decide(policy.Query{Verb: policy.VerbDelete, Bucket: r.Bucket, Key: r.Key, Now: x.start})
	d.event.Rule, d.event.Role = v.Rule(), v.Role()
	if !v.Allowed() {
		return d.refuse(v.Reason(), nil)
	}
	x.g.config.Metrics.decisions.WithLabelValues("allow", "").Inc()
	if err := d.rd.checkVersion(d.k.VersionID); err != nil {
		return d.notUnderstood(asS3(err))
	}
	return nil
}

// notUnderstood records an object of which no answer could be but e.
func (d *deletion) notUnderstood(e *s3api.Error) error {
	d.event.Event, d.event.Detail = refused, map[string]string{"s3_error": e.Code}
	return d.refuse("", e)
}

// refuse records that nothing was done, and gives the answer: as, or a denial
// for the reason.
func (d *deletion) refuse(reason policy.Reason, as *s3api.Error) error {
	x := d.x
	d.event.Decision, d.event.Reason, d.event.AwaitOutcome = "deny", string(reason), false
	if as == nil {
		x.g.config.Metrics.decisions.WithLabelValues("deny", string(reason)).Inc()
		as = s3api.AccessDenied(x.denial(reason, "delete "+d.rd.bucket+"/"+d.k.Key))
	}
	if _, err := x.g.config.Audit.Deny(x.r.Context(), d.event); err != nil {
		d.unrecorded.Add(1)
		return x.unrecorded(err)
	}
	return as
}

// say is translate for one object: what is wrong with it is not what became
// of the request.
func (d *deletion) say(err error) *s3api.Error {
	own := exchange{g: d.x.g, snap: d.x.snap, r: d.x.r, id: d.x.id, op: d.x.op, act: d.x.act, caller: d.x.caller, event: d.event}
	return own.translate(err)
}

// reconciled finds out what became of a deletion whose answer was lost.
func (d *deletion) reconciled(err error) map[string]string {
	if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.Canceled) {
		return nil
	}
	ctx, cancel := d.x.detached()
	defer cancel()
	return map[string]string{"reconciled": d.rd.whatBecame(ctx, d.k.Key, d.k.VersionID, envelope.ID{}, "")}
}
