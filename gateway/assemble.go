// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

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
		switch {
		case there:
			return nil
		case errors.Is(err, store.ErrPart) && try < completeTries && pause(ctx, time.Duration(try)*completeWait) == nil:
			continue
		case lookErr != nil, c.asked && isLost(err): // what is not there now may yet come
			c.x.outcome.Detail = map[string]string{"reconciled": audit.ReconciledUnknown}
			return c.refused(err)
		}
		return c.takeBack(err)
	}
}

// isLost says that a call may have been carried out, or still be, for all that
// its answer tells.
func isLost(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled)
}

// takeBack opens the upload again when the store did nothing because of the
// list or a condition: what was refused decides nothing. A request of the same
// list that is still on its way may make the object even so; it says so itself
// then, and made tells its object from that of another list.
func (c *completion) takeBack(err error) error {
	if !refusedByStore(err) {
		return err
	}
	ctx, cancel := c.x.detached()
	defer cancel()
	thawErr := c.x.g.config.State.ThawUpload(ctx, c.u.row.ID, *c.u.row.Frozen)
	if thawErr != nil && !errors.Is(thawErr, state.ErrConflict) { // a conflict: another request decided since
		c.x.outcome.Error = "the upload takes no other list until this one is sent again: " + thawErr.Error()
	}
	return c.refused(err)
}

// refusedByStore says that the store did nothing because of the list or of a
// condition. What it has no upload for any more was refused for neither.
func refusedByStore(err error) bool {
	if errors.Is(err, store.ErrNoUpload) {
		return false
	}
	condition := errors.Is(err, store.ErrPrecondition) || errors.Is(err, s3api.PreconditionFailed("")) || isNotFound(err)
	return condition || errors.Is(err, store.ErrPart)
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
	c.asked = false
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
	c.asked = true
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
