// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"fmt"

	"github.com/sealgate/sealgate/gateway/state"
)

// removed says that a bucket is gone with all that was in it: it was made on
// demand, and the database knows that it was removed again. The records of its
// keyrings lie in the database alone, until a bucket of that name is made.
//
// A bucket without a store of which the database does not know that is ErrConfig:
// its records lie in it, and nothing may be done without them.
func (k *Keyrings) removed(ctx context.Context, bucket string) (bool, error) {
	if k.c.Stores[bucket] != nil {
		return false, nil
	}
	switch noted, err := k.c.State.BucketState(ctx, bucket); {
	case err != nil:
		return false, err
	case noted == state.BucketRemoved:
		return true, nil
	case noted == "":
		return false, notConfigured(bucket)
	default:
		return false, fmt.Errorf("%w: bucket %q was made on demand, is noted as %s and is not open here; repeat; if it stays so, have it made or removed again, or start this gateway again, first",
			ErrConfig, bucket, noted)
	}
}

func notConfigured(bucket string) error {
	return fmt.Errorf("%w: bucket %q holds keyring records and is not in the configuration; put it back there, then repeat", ErrConfig, bucket)
}

// reachable demands that the records of these versions, and every object left
// over, lie where they can be moved from. It is asked before the KEK makes a
// version: what cannot be ended is not begun.
func (k *Keyrings) reachable(ctx context.Context, versions []state.KeyringVersion) error {
	for _, v := range versions {
		if _, err := k.removed(ctx, v.Home); err != nil {
			return fmt.Errorf("keyring %s: %w", v.Scope, err)
		}
	}
	left, err := k.c.State.Leftovers(ctx)
	if err != nil {
		return err
	}
	for _, l := range left {
		if _, err := k.removed(ctx, l.Home); err != nil {
			return fmt.Errorf("record object %s: %w", l.Path, err)
		}
	}
	return nil
}
