// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"time"

	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// DropUploads gives up every upload in a bucket that is about to be removed,
// and what they left in its store. No request may reach the bucket any more.
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
			if _, err := g.removeUpload(ctx, m, row, time.Now()); err != nil {
				return err
			}
			q.KeyMarker, q.IDMarker = row.Key, row.ID
		}
		if !more {
			return nil
		}
	}
}
