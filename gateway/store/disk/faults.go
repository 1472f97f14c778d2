// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/sealgate/sealgate/gateway/store"
)

// kinds maps errors of the system to those of the contract, most specific
// first. Whatever is not here is ErrUnavailable: the disk did not do it.
var kinds = []struct {
	is   error
	kind error
}{
	{syscall.ENOSPC, store.ErrNoSpace},
	{syscall.EDQUOT, store.ErrNoSpace},
	{syscall.EFBIG, store.ErrTooLarge},
	{syscall.ENAMETOOLONG, store.ErrKeyTooLong},
}

// sentinels are the errors that pass through classify as they are.
var sentinels = []error{
	store.ErrNotFound, store.ErrPrecondition, store.ErrRange, store.ErrKey, store.ErrOptions, store.ErrLength,
	store.ErrDamaged, context.Canceled, context.DeadlineExceeded,
}

// classify gives an error of the system its kind of the contract.
func classify(err error) error {
	if err == nil {
		return nil
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return err
		}
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return fmt.Errorf("%w (%w)", k.kind, err)
		}
	}
	return fmt.Errorf("%w (%w)", store.ErrUnavailable, err)
}
