// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// DefaultAbandonAfter is how long an upload may rest when nothing else is
// configured.
const DefaultAbandonAfter = uploadLife

// stagedGrace is how long a part may still be on its way to where it waits.
const stagedGrace = 24 * time.Hour

// Reap gives up uploads that nobody goes on with and removes what ended ones
// left in the stores, now and then from time to time, until ctx ends. It knows
// of them by their rows alone: what a store lists decides nothing. Several
// replicas may do it at once. It needs Config.State.
func (g *Gateway) Reap(ctx context.Context) error {
	if g.config.State == nil {
		return nil
	}
	tick := time.NewTicker(min(10*time.Minute, max(time.Second, g.config.AbandonAfter/4)))
	defer tick.Stop()
	for {
		if err := g.reapOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			g.config.Log.LogAttrs(ctx, slog.LevelError, "uploads not cleaned up", slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reapOnce looks at every upload that needs it. One that cannot be cleaned up
// now does not hold up the others.
func (g *Gateway) reapOnce(ctx context.Context, now time.Time) error {
	var faults []error
	for row, err := range g.config.State.StaleUploads(ctx, now.Add(-g.config.AbandonAfter), now) {
		if err != nil {
			return errors.Join(append(faults, err)...)
		}
		if err := g.reap(ctx, row, now); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// reap cleans up after one upload, on the record.
func (g *Gateway) reap(ctx context.Context, row state.Upload, now time.Time) (err error) {
	snap := g.Current()
	m, ok := snap.Buckets[row.Bucket].Store.(store.Multiparter)
	if !ok {
		return nil // the bucket is not configured any more, or not yet
	}
	pending, err := g.config.Audit.Begin(ctx, audit.Event{
		Event: "staging.cleanup", Actor: g.config.Self, ActorType: "system", Action: "staging-cleanup", Bucket: row.Bucket, Key: row.Key,
		Object: row.Object, Decision: "allow", AwaitOutcome: true, Detail: map[string]string{"state": row.State, "created_by": row.Actor},
	})
	if err != nil {
		return err
	}
	defer func() {
		o := audit.Outcome{}
		if err != nil {
			o.Error = err.Error()
		}
		err = errors.Join(err, pending.End(context.WithoutCancel(ctx), o))
	}()
	if row, err = g.abandon(ctx, snap, m, row, now.Add(-g.config.AbandonAfter), now); err != nil {
		if errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrNotFound) {
			return nil // somebody went on with it, or was faster
		}
		return err
	}
	_, err = g.removeUpload(ctx, m, row, now)
	return err
}

// abandon ends an upload that nobody touched since idleSince. One whose Complete
// began is finished if its object is there.
func (g *Gateway) abandon(ctx context.Context, snap *Snapshot, m store.Multiparter, row state.Upload, idleSince, now time.Time) (state.Upload, error) {
	if row.State == state.UploadFrozen && snap.Keys != nil {
		id, err := envelope.ParseID(row.Object)
		if err != nil {
			return row, err
		}
		loc := envelope.Location{Bucket: row.Bucket, Key: row.Key}
		made, err := madeAt(ctx, m, loc, snap.Keys.Lookup, id)
		if err != nil {
			return row, fmt.Errorf("finding out what became of a completed upload: %w", err)
		}
		if made != nil {
			row.State = state.UploadDone
			_, err := g.config.State.FinishUpload(ctx, row.ID, *row.Frozen)
			return row, err
		}
	}
	if row.State != state.UploadDone {
		row.State = state.UploadAborting
		return row, g.config.State.AbandonUpload(ctx, row.ID, idleSince, now)
	}
	return row, nil
}

// removeUpload removes what an upload that ended left in the store, and its row
// when nothing is left; gone is false while something may still come. Doing it
// twice, or in two replicas at once, does no harm.
func (g *Gateway) removeUpload(ctx context.Context, m store.Multiparter, row state.Upload, now time.Time) (gone bool, err error) {
	db := g.config.State
	if row.State != state.UploadDone {
		if err := db.AbortUpload(ctx, row.ID); err != nil && !errors.Is(err, state.ErrNotFound) {
			return false, err
		}
	}
	if row.Backend != "" { // also behind an object that is there: a crash may have left its parts
		if err := m.AbortMultipart(ctx, row.Key, row.Backend); err != nil {
			return false, err
		}
	}
	left, err := g.removeStaged(ctx, m, row, now)
	if err != nil || left > 0 {
		return false, err
	}
	if row.State == state.UploadDone && now.Before(row.Expires) {
		return false, nil // it answers repeats
	}
	return true, db.ForgetUpload(ctx, row.ID)
}

// removeStaged deletes what is staged for an upload. What has no receipt may
// still be on its way: it is deleted again later.
func (g *Gateway) removeStaged(ctx context.Context, m store.Multiparter, row state.Upload, now time.Time) (left int, err error) {
	db := g.config.State
	staged, err := db.Staged(ctx, row.ID)
	if err != nil || len(staged) == 0 {
		return 0, err
	}
	whole := map[string]bool{}
	for r, err := range db.ReceiptsOf(ctx, row.ID) {
		if err != nil {
			return 0, err
		}
		whole[r.Staged] = true
	}
	grace := min(stagedGrace, g.config.AbandonAfter)
	for _, s := range staged {
		if err := m.Delete(ctx, s.Key); err != nil {
			return 0, err
		}
		if !whole[s.Key] && now.Sub(s.Since) < grace {
			left++
			continue
		}
		if err := db.ForgetStaged(ctx, s.Bucket, s.Key); err != nil {
			return 0, err
		}
	}
	return left, nil
}
