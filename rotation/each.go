// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// each calls do for every item, at most workers at once, and returns when all
// have ended. The first error stops the rest. One worker runs in the caller's
// goroutine and in order.
func each[T any](ctx context.Context, workers int, items []T, do func(context.Context, T) error) error {
	if workers == 1 {
		for _, item := range items {
			if err := do(ctx, item); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, item := range items {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, item)
		})
	}
	return g.Wait()
}
