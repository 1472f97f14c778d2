// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// completion is one Complete on its way.
type completion struct {
	x      *exchange
	op     *s3api.CompleteMultipartUpload
	u      *upload
	listed []s3api.CompletedPart
	list   string // the digest of listed

	parts  []chosenPart // nil for an upload that is done
	staged []string     // keys that are whole and have to go
	tail   *envelope.Tail
	object store.Object
	found  bool // the object was there already, or its answer lost
	asked  bool // the store was told to make the object, in the attempt that is on
}

func (x *exchange) completeUpload(op *s3api.CompleteMultipartUpload, g policy.Grant) error {
	u, err := x.openUpload(g, op.UploadID)
	if err != nil {
		return err
	}
	c := &completion{x: x, op: op, u: u}
	if err := c.checkConditions(); err != nil {
		return err
	}
	if u.row.State != state.UploadDone { // else nothing is tagged any more
		if err := x.maySetTags(g, decodeTags(u.row.Tags)); err != nil {
			return err
		}
	}
	if c.listed, err = op.Parts(x.body); err != nil {
		return err
	}
	c.list = listDigest(c.listed)
	x.event.Detail = map[string]string{"parts": strconv.Itoa(len(c.listed))}
	if err := x.begin(); err != nil {
		return err
	}
	x.w.Header().Set("X-Sealgate-Object", x.event.Object)
	if err := x.late(c.run); err != nil {
		if asS3(err) == nil { // nothing at the key, where a condition needs it
			err = x.missing(g, x.doing(), err)
		}
		return err
	}
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	if x.isLate {
		s3api.WriteCompletedLate(x.w, op, c.answer())
	} else {
		s3api.WriteCompleted(x.w, op, c.answer())
	}
	return nil
}

func (c *completion) answer() s3api.Completed {
	return s3api.Completed{
		Location: s3api.Location(c.x.r), ETag: s3api.ETag(c.object.ETag), Checksum: manifestChecksum(c.tail.Manifest()), VersionID: c.object.VersionID,
	}
}

// checkConditions refuses conditions that contradict each other or that the
// bucket cannot decide. Those of Create hold as well.
func (c *completion) checkConditions() error {
	t := c.u.token
	none, match := c.op.IfNoneMatch || t.ifNoneMatch, c.op.IfMatch != "" || t.ifMatch != ""
	switch {
	case none && match:
		return s3api.InvalidRequest("if-match and if-none-match exclude each other, also those that the upload was created with")
	case (none || match) && !c.u.bucket.Conditional:
		return s3api.NotImplemented("conditional CompleteMultipartUpload on this bucket")
	}
	return nil
}

// run makes the object, or finds it made.
func (c *completion) run() error {
	x := c.x
	ctx := x.r.Context()
	if err := c.complete(ctx); err != nil {
		return x.uploadError(c.op.UploadID, err)
	}
	o := c.object
	x.outcome.Status, x.outcome.VersionID = http.StatusOK, o.VersionID
	x.outcome.Detail = map[string]string{"bytes": strconv.FormatInt(c.tail.Manifest().PlainSize, 10)}
	x.g.pins.check(c.u.row.Bucket, c.u.row.Key, o.ETag, c.u.sealer.ObjectID())
	c.tidy()
	return nil
}

// complete is idempotent: whoever asks for the same list again goes on where
// it stands. Receipts go when an upload is done: a list that has none may be one
// that was completed beside this request.
func (c *completion) complete(ctx context.Context) error {
	for {
		err := c.proceed(ctx)
		if _, refused := errors.AsType[*listError](err); !refused {
			return err
		}
		row, rowErr := c.x.g.config.State.Upload(ctx, c.u.row.ID)
		if rowErr != nil {
			return rowErr
		}
		if row.State == c.u.row.State {
			return err
		}
		c.u.row = row
	}
}

// proceed goes on from the state that the upload was last seen in.
func (c *completion) proceed(ctx context.Context) error {
	switch c.u.row.State {
	case state.UploadOpen:
		if err := c.freeze(ctx); err != nil || c.object.ETag != "" {
			return err
		}
		return c.assemble(ctx)
	case state.UploadFrozen, state.UploadDone:
		return c.again(ctx)
	}
	return state.ErrConflict
}

// listError refuses a list of parts for what the receipts say.
type listError struct{ error }

// Unwrap gives what the client is told.
func (e *listError) Unwrap() error { return e.error }

// choose takes the listed parts from their receipts.
func (c *completion) choose(ctx context.Context) (err error) {
	if c.parts, c.staged, err = c.x.choose(ctx, c.u, c.listed); err == nil {
		err = c.u.checkListed(c.listed, c.parts)
	}
	if asS3(err) != nil {
		return &listError{err}
	}
	return err
}

// freeze decides what the object will be, unless the store refuses that.
func (c *completion) freeze(ctx context.Context) error {
	if err := c.choose(ctx); err != nil {
		return err
	}
	list, digests := c.u.manifestOf(c.parts)
	var err error
	if c.tail, err = c.u.sealer.Tail(list, digests); err != nil {
		return err
	}
	if err := c.u.checkObject(c.op, c.tail.Manifest()); err != nil {
		return err
	}
	// A condition that does not hold now need not end the upload.
	if _, err := c.conditions(ctx); err != nil {
		return c.metAlready(ctx, err)
	}
	return c.settle(ctx)
}

// metAlready looks past a condition that does not hold any more because this
// very upload was completed beside this request.
func (c *completion) metAlready(ctx context.Context, failed error) error {
	if there, err := c.made(ctx); err != nil || !there {
		return failed
	}
	return nil
}

// settle writes the decision down, or takes over the one that was first.
func (c *completion) settle(ctx context.Context) error {
	db := c.x.g.config.State
	for {
		f := c.decision()
		won, err := db.FreezeUpload(ctx, c.u.row.ID, f)
		if errors.Is(err, state.ErrStale) { // a part was issued meanwhile
			if c.u.row, err = db.Upload(ctx, c.u.row.ID); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		return c.take(won)
	}
}

// decision is what this list makes of the upload.
func (c *completion) decision() state.Frozen {
	// A slot of its own, also for a last part that waited: one that is still
	// on its way to the store must not come in its place.
	return state.Frozen{List: c.list, Tail: c.tail.Sealed(), Slot: c.u.row.Highest + 1}
}

// take goes on with what was decided, if it is about this list.
func (c *completion) take(f state.Frozen) error {
	if f.List != c.list {
		return s3api.NewError("OperationAborted", "this upload was completed with another list of parts")
	}
	c.u.row.Frozen = &f
	if c.tail != nil && bytes.Equal(f.Tail, c.tail.Sealed()) {
		return nil // this very request decided
	}
	var err error
	c.tail, err = c.u.sealer.ResumeTail(f.Tail)
	return err
}

// again goes on with a completion that somebody began. Only the object itself
// tells that it is done.
func (c *completion) again(ctx context.Context) error {
	done := c.u.row.State == state.UploadDone
	if done && c.u.row.Frozen.List != c.list {
		return state.ErrConflict
	}
	if err := c.take(*c.u.row.Frozen); err != nil {
		return err
	}
	if err := c.u.checkObject(c.op, c.tail.Manifest()); err != nil {
		return err
	}
	there, err := c.made(ctx)
	switch {
	case err != nil || there:
		return err
	case done: // it was, and was replaced or deleted since
		return state.ErrNotFound
	}
	if err := c.choose(ctx); err != nil {
		return err
	}
	return c.assemble(ctx)
}

// tidy notes that the object is there and removes what waited for it. The
// client need not wait for what fails here: a repeat finds the object, and the
// reaper the rest. Only who noted it first sets the tags: later ones would undo
// what was done with them since.
func (c *completion) tidy() {
	ctx, cancel := c.x.detached()
	defer cancel()
	db, row := c.x.g.config.State, c.u.row
	f := c.decision()
	if row.Frozen != nil {
		f = *row.Frozen
	}
	f.ETag = c.object.ETag
	first, err := db.FinishUpload(ctx, row.ID, f)
	if err != nil && row.State != state.UploadDone {
		c.x.outcome.Error = "the upload stays unfinished: " + err.Error()
		return
	}
	if c.found {
		_ = c.u.store.AbortMultipart(ctx, row.Key, row.Backend) // a crash may have left its parts: the reaper would find them
	}
	if first {
		c.x.tagObject(ctx, c.u, c.object.VersionID)
	}
	slices.Sort(c.staged)
	for _, key := range slices.Compact(c.staged) {
		if c.u.store.Delete(ctx, key) != nil || db.ForgetStaged(ctx, row.Bucket, key) != nil {
			return
		}
	}
}
