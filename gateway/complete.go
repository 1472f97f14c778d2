// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
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
// it stands.
func (c *completion) complete(ctx context.Context) error {
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

// freeze decides what the object will be, once for all.
func (c *completion) freeze(ctx context.Context) error {
	var err error
	if c.parts, c.staged, err = c.x.choose(ctx, c.u, c.listed); err != nil {
		return err
	}
	if err := c.u.checkListed(c.listed, c.parts); err != nil {
		return err
	}
	list, digests := c.u.manifestOf(c.parts)
	tail, err := c.u.sealer.Tail(list, digests)
	if err != nil {
		return err
	}
	if err := c.u.checkObject(c.op, tail.Manifest()); err != nil {
		return err
	}
	// A condition that does not hold now need not end the upload.
	if _, err := c.conditions(ctx); err != nil {
		return c.metAlready(ctx, tail, err)
	}
	return c.settle(ctx, tail)
}

// metAlready looks past a condition that does not hold any more because this
// very upload was completed beside this request.
func (c *completion) metAlready(ctx context.Context, tail *envelope.Tail, failed error) error {
	there, err := c.made(ctx)
	if err != nil || !there {
		return failed
	}
	c.tail = tail
	return nil
}

// settle writes the decision down, or takes over the one that was first.
func (c *completion) settle(ctx context.Context, tail *envelope.Tail) error {
	db := c.x.g.config.State
	for {
		// A slot of its own, also for a last part that waited: one that is still
		// on its way to the store must not come in its place.
		f := state.Frozen{List: c.list, Tail: tail.Sealed(), Slot: c.u.row.Highest + 1}
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

// take goes on with what was decided, if it is about this list.
func (c *completion) take(f state.Frozen) error {
	if f.List != c.list {
		return s3api.NewError("OperationAborted", "this upload was completed with another list of parts")
	}
	var err error
	c.u.row.Frozen = &f
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
	if c.parts, c.staged, err = c.x.choose(ctx, c.u, c.listed); err != nil {
		return err
	}
	return c.assemble(ctx)
}

// made says whether the object at the key is this upload's.
func (c *completion) made(ctx context.Context) (bool, error) {
	o, there, err := c.x.present(ctx, c.u)
	if there {
		c.object, c.found = o, true
	}
	return there, err
}

// present looks whether the object at the upload's key was made by it: only an
// object id from a header that opens decides.
func (x *exchange) present(ctx context.Context, u *upload) (store.Object, bool, error) {
	o, err := u.store.Head(ctx, u.row.Key)
	if errors.Is(err, store.ErrNotFound) {
		return store.Object{}, false, nil
	}
	if err != nil {
		return store.Object{}, false, err
	}
	loc := envelope.Location{Bucket: u.row.Bucket, Key: u.row.Key}
	object, err := envelope.OpenHeader(o.Metadata, loc, x.snap.Keys.Lookup)
	switch {
	case errors.Is(err, envelope.ErrAuth), errors.Is(err, rotation.ErrNoKeyring):
		return store.Object{}, false, nil // somebody else's, or damaged: not what this upload made
	case err != nil:
		return store.Object{}, false, err
	}
	return o, object.ObjectID() == u.sealer.ObjectID(), nil
}

// conditions gives the store what it has to decide, in its own tags.
func (c *completion) conditions(ctx context.Context) (store.CompleteOptions, error) {
	t := c.u.token
	if c.op.IfNoneMatch || t.ifNoneMatch {
		_, err := c.u.store.Head(ctx, c.u.row.Key)
		switch {
		case err == nil:
			return store.CompleteOptions{}, s3api.PreconditionFailed("If-None-Match")
		case !isNotFound(err):
			return store.CompleteOptions{}, err
		}
		return store.CompleteOptions{IfNoneMatch: true}, nil
	}
	if c.op.IfMatch == "" && t.ifMatch == "" {
		return store.CompleteOptions{}, nil
	}
	o, err := c.u.store.Head(ctx, c.u.row.Key)
	if err != nil {
		return store.CompleteOptions{}, err
	}
	for _, sent := range []string{c.op.IfMatch, t.ifMatch} {
		if sent != "" && !s3api.IfMatches(sent, s3api.ETag(o.ETag)) {
			return store.CompleteOptions{}, s3api.PreconditionFailed("If-Match")
		}
	}
	return store.CompleteOptions{IfMatch: o.ETag}, nil
}

// How often, and after what wait, a completion is tried that another one of
// the same list may have crossed.
const (
	completeTries = 4
	completeWait  = 200 * time.Millisecond
)

// assemble gives the store the tail and has it make the object. When that does
// not succeed, the object may be there all the same: made by a Complete that
// ran beside this one, or by this one, its answer lost.
func (c *completion) assemble(ctx context.Context) error {
	for try := 1; ; try++ {
		err := c.attempt(ctx)
		if err == nil {
			return nil
		}
		later, cancel := c.x.detached()
		there, lookErr := c.made(later)
		cancel()
		if there {
			return nil
		}
		if lookErr != nil {
			c.x.outcome.Detail = map[string]string{"reconciled": "unknown"}
		}
		if !errors.Is(err, store.ErrPart) || try == completeTries {
			return c.refused(err)
		}
		if err := pause(ctx, time.Duration(try)*completeWait); err != nil {
			return err
		}
	}
}

// refused says in S3's words why a list that has receipts did not become an
// object: a part was replaced behind its receipt.
func (c *completion) refused(err error) error {
	if errors.Is(err, store.ErrPart) {
		return s3api.NewError("InvalidPart", "").Cause(err)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (c *completion) attempt(ctx context.Context) error {
	o, err := c.conditions(ctx)
	if err != nil {
		return err
	}
	tag, err := c.sendTail(ctx)
	if err != nil {
		return err
	}
	var tags []store.PartTag
	for _, p := range c.parts {
		if p.staged == "" {
			tags = append(tags, p.tag)
		}
	}
	tags = append(tags, store.PartTag{Number: c.u.row.Frozen.Slot, ETag: tag})
	c.object, err = c.u.store.CompleteMultipart(ctx, c.u.row.Key, c.u.row.Backend, tags, o)
	return err
}

// sendTail writes the tail into its slot, behind the last part if that waited.
func (c *completion) sendTail(ctx context.Context) (string, error) {
	body, size := c.tail.Reader(), c.tail.Size()
	if last := c.parts[len(c.parts)-1]; last.staged != "" {
		staged, err := c.openStaged(ctx, last)
		if err != nil {
			return "", err
		}
		defer staged.Close() //nolint:errcheck // read side: nothing can be lost
		body = io.MultiReader(c.u.sealer.ResendPart(last.receipt.Part, staged), body)
		size += staged.Object.Size
	}
	return c.u.store.PutPart(ctx, c.u.row.Key, c.u.row.Backend, c.u.row.Frozen.Slot, body, size)
}

func (c *completion) openStaged(ctx context.Context, p chosenPart) (*store.Reader, error) {
	body, err := c.u.store.Get(ctx, p.staged, store.Whole())
	if isNotFound(err) {
		return nil, fmt.Errorf("the store lost part %d: %w", p.tag.Number, store.ErrPart)
	}
	if err != nil {
		return nil, err
	}
	attempt, err := c.u.sealer.SealPart(p.tag.Number, p.receipt.Part.Size) // for its length alone
	if err == nil && body.Object.Size != attempt.StoredSize() {
		err = fmt.Errorf("the store holds %d bytes of part %d, which has %d: %w", body.Object.Size, p.tag.Number, attempt.StoredSize(), envelope.ErrAuth)
	}
	if err != nil {
		_ = body.Close() // read side: nothing can be lost
		return nil, err
	}
	return body, nil
}

// tidy notes that the object is there and removes what waited for it. The
// client need not wait for what fails here: a repeat finds the object, and the
// reaper the rest.
func (c *completion) tidy() {
	ctx, cancel := c.x.detached()
	defer cancel()
	db, row := c.x.g.config.State, c.u.row
	if err := db.FinishUpload(ctx, row.ID, c.object.ETag); err != nil && row.State != state.UploadDone {
		c.x.outcome.Error = "the upload stays unfinished: " + err.Error()
		return
	}
	if c.found {
		_ = c.u.store.AbortMultipart(ctx, row.Key, row.Backend) // a crash may have left its parts: the reaper would find them
	}
	c.x.tagObject(ctx, c.u)
	slices.Sort(c.staged)
	for _, key := range slices.Compact(c.staged) {
		if c.u.store.Delete(ctx, key) != nil || db.ForgetStaged(ctx, row.Bucket, key) != nil {
			return
		}
	}
}
