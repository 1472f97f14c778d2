// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// settleBuckets ends at a start what a crash cut off: a bucket that was being
// made is in use, one that was being removed is gone, or in use again.
func (s *system) settleBuckets(ctx context.Context) error {
	all, err := s.db.MadeBuckets(ctx)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.State == state.BucketReady || b.State == state.BucketRemoved || s.cfg.Backend(b.Backend) == nil {
			continue
		}
		maker, err := openBuckets(s.cfg, b.Backend)
		if err != nil {
			return err
		}
		settle := s.settleRemoved
		if b.State == state.BucketMaking {
			settle = s.settleMade
		}
		to, err := settle(ctx, s.cfg, maker, b)
		if err != nil {
			return fmt.Errorf("bucket %s, at which a stop cut off its %s: %w", b.Name, b.State, err)
		}
		if b.State == state.BucketMaking && to == state.BucketRemoved {
			err = s.notMade(ctx, b.Name, "")
		} else {
			err = s.db.SetBucket(ctx, b.Name, b.State, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *system) settleRemoved(ctx context.Context, _ *config.Config, maker store.BucketMaker, b state.MadeBucket) (string, error) {
	switch err := maker.RemoveBucket(ctx, b.Name); {
	case err == nil, errors.Is(err, store.ErrNotFound):
		return state.BucketRemoved, nil
	case errors.Is(err, store.ErrPrecondition):
		return state.BucketReady, nil
	default:
		return "", err
	}
}

// settleMade finishes the making. A bucket that holds what no gateway put
// there, or that does not lock as was asked, is not one that was just made.
func (s *system) settleMade(ctx context.Context, cfg *config.Config, maker store.BucketMaker, b state.MadeBucket) (_ string, err error) {
	if err := maker.MakeBucket(ctx, b.Name, store.BucketOptions{ObjectLock: b.ObjectLock}); err == nil {
		return state.BucketReady, nil
	} else if !errors.Is(err, store.ErrPrecondition) {
		return "", err
	}
	cfg, err = withMade(cfg, []state.MadeBucket{b})
	if err != nil {
		return state.BucketRemoved, nil // the configuration has another bucket in its place: nothing was made
	}
	st, closer, err := openStore(cfg, b.Name, s.persist)
	if err != nil {
		return "", err
	}
	if closer != nil {
		defer func() { err = errors.Join(err, closer()) }()
	}
	err = emptyOfClients(ctx, st)
	if err == nil {
		err = locksAs(ctx, st, b.ObjectLock)
	}
	switch {
	case errors.Is(err, store.ErrPrecondition):
		return state.BucketRemoved, nil
	case err != nil:
		return "", err
	}
	return state.BucketReady, nil
}

// locksAs is store.ErrPrecondition where a bucket locks objects though it should
// not, or the other way round.
func locksAs(ctx context.Context, st store.Store, want bool) error {
	l, ok := st.(store.Locker)
	if ok {
		_, err := l.LockRule(ctx)
		if err != nil && !errors.Is(err, store.ErrNoLock) {
			return err
		}
		ok = err == nil
	}
	if ok != want {
		return fmt.Errorf("the bucket that is there was made otherwise: %w", store.ErrPrecondition)
	}
	return nil
}
