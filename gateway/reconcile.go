// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/store"
)

// reconcile says whether the object of an unfinished write lies at its key.
// Only an object id from a header that opens decides: that something is there
// is the store's word. A zero id asks whether the key, or the version of it,
// holds anything at all. A copy has the object id of its source: the digest of
// its header, not "" then, tells it from what was there before.
func reconcile(ctx context.Context, s store.Store, loc envelope.Location, keys envelope.KeyLookup, want envelope.ID, header string) string {
	o, err := s.Head(ctx, loc.Key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return audit.ReconciledAbsent
	case err != nil:
		return audit.ReconciledUnknown
	case want.IsZero():
		return audit.ReconciledPresent
	}
	object, err := envelope.OpenHeader(o.Metadata, loc, keys)
	switch {
	case err != nil:
		return audit.ReconciledUnknown
	case object.ObjectID() != want, header != "" && headerDigest(o.Metadata) != header:
		return audit.ReconciledAbsent
	}
	return audit.ReconciledPresent
}

// whatBecame is reconcile for a key, or one version of it, of the bucket.
func (rd reader) whatBecame(ctx context.Context, key, version string, want envelope.ID, header string) string {
	s, err := versioned(rd.store, version)
	if err != nil {
		return audit.ReconciledUnknown
	}
	return reconcile(ctx, s, envelope.Location{Bucket: rd.bucket, Key: key}, rd.x.snap.Keys.Lookup, want, header)
}

// Unfinisher is the part of an audit log that knows what a crash left open.
type Unfinisher interface {
	Unfinished() []audit.Unfinished
	Reconcile(ctx context.Context, u audit.Unfinished, result string) error
}

// Reconcile completes the record of every write that a crash cut off, before
// the listeners open.
func (g *Gateway) Reconcile(ctx context.Context, log Unfinisher) error {
	snap := g.Current()
	for _, u := range log.Unfinished() {
		result := audit.ReconciledUnknown
		id, err := envelope.ParseID(u.Record.Object)
		deleted := u.Record.Event == "artifact.delete" // it has no object id: gone is gone
		if b, ok := snap.Buckets[u.Record.Bucket]; ok && snap.Keys != nil && (err == nil || deleted) {
			rd := reader{x: &exchange{g: g, snap: snap}, bucket: u.Record.Bucket, store: b.Store}
			result = rd.whatBecame(ctx, u.Record.Key, u.Record.VersionID, id, u.Record.Detail[headerDetail])
		}
		if err := log.Reconcile(ctx, u, result); err != nil {
			return fmt.Errorf("reconciling record %s: %w", u.Receipt, err)
		}
	}
	return nil
}
