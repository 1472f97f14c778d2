// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// DropUploads gives up every upload in a bucket that is about to be removed,
// and what they left in its store. No request may reach the bucket any more. An
// upload that became an object is finished instead: it keeps the bucket.
func (g *Gateway) DropUploads(ctx context.Context, bucket string, s store.Store) error {
	m, ok := s.(store.Multiparter)
	if !ok || g.config.State == nil {
		return nil
	}
	q := state.UploadQuery{Bucket: bucket, Max: listPage}
	for {
		rows, more, err := g.config.State.Uploads(ctx, q)
		if err != nil {
			return err
		}
		for _, row := range rows {
			q.KeyMarker, q.IDMarker = row.Key, row.ID
			now := time.Now()
			// However lately a client of another replica touched it.
			row, err = g.abandon(ctx, g.Current(), m, row, now.Add(uploadLife), now)
			if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrConflict) {
				continue // it ended meanwhile, by another replica
			}
			if err != nil {
				return err
			}
			if _, err := g.removeUpload(ctx, m, row, now); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}
