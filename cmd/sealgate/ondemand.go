// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// onDemand makes and removes buckets while the gateway runs. What it made is
// remembered in the database, and served like the buckets of the configuration.
type onDemand struct{ *system }

var _ gateway.Buckets = onDemand{}

// madeBuckets gives the buckets made on demand that are in use.
func (s *system) madeBuckets(ctx context.Context) ([]state.MadeBucket, error) {
	all, err := s.db.MadeBuckets(ctx)
	return slices.DeleteFunc(all, func(b state.MadeBucket) bool { return b.State != state.BucketReady }), err
}

// takeNames notes that a bucket of the configuration which has the name of one
// that was removed is another one: its keyring's records lie in it, whoever
// leaves it out of the configuration later. It comes after the keyrings are open,
// so that a configuration which cannot be put in force has taken no name.
func (s *system) takeNames(ctx context.Context, cfg *config.Config) error {
	for _, b := range cfg.Buckets {
		switch noted, err := s.db.BucketState(ctx, b.Name); {
		case err != nil:
			return err
		case noted != state.BucketRemoved:
			continue
		}
		if err := s.db.ForgetBucket(ctx, b.Name); err != nil {
			return err
		}
	}
	return nil
}

// withMade is a configuration with buckets that were made on demand besides.
func withMade(cfg *config.Config, made []state.MadeBucket) (*config.Config, error) {
	out := *cfg
	out.Buckets, out.Keyrings = slices.Clip(cfg.Buckets), slices.Clip(cfg.Keyrings)
	for _, b := range made {
		as := config.Bucket{Name: b.Name, Backend: b.Backend, Bucket: b.Name}
		switch other := cfg.Shares(as); {
		case other != "":
			return nil, fmt.Errorf("bucket %s was made on demand, and bucket %s of the configuration would lie in one place with it", b.Name, other)
		case cfg.Backend(b.Backend) == nil:
			return nil, fmt.Errorf("bucket %s was made on demand in backend %s, which the configuration does not name", b.Name, b.Backend)
		}
		out.Buckets = append(out.Buckets, as)
		out.Keyrings = append(out.Keyrings, config.Keyring{Scope: b.Name + "/", KEK: b.KEK})
	}
	return &out, nil
}

// Make implements gateway.Buckets.
func (s onDemand) Make(ctx context.Context, name string, o store.BucketOptions) error {
	if !config.IsBucketName(name) {
		return fmt.Errorf("bucket %s: %w", name, store.ErrKey)
	}
	c, err := s.claim(ctx, name)
	if err != nil {
		return err
	}
	defer s.release(name)
	all, err := s.db.MadeBuckets(ctx)
	if err != nil {
		return err
	}
	again := slices.ContainsFunc(all, func(old state.MadeBucket) bool { return old.Name == name && old.State == state.BucketMaking })
	b := state.MadeBucket{Name: name, Backend: c.cfg.OnDemand.Backend, KEK: c.cfg.OnDemand.KEK, ObjectLock: o.ObjectLock, Created: time.Now()}
	if err := s.reserve(c, b); err != nil {
		return err
	}
	if err := s.db.MakeBucket(ctx, b); errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("bucket %s: %w", name, store.ErrPrecondition)
	} else if err != nil {
		return err
	}
	if err := s.makeBehind(ctx, c, again); err != nil {
		return err
	}
	return s.bring(ctx, c, state.BucketMaking)
}

// makeBehind makes the bucket of the backend. One that is there already is
// somebody else's and never taken over, but for one whose making failed
// half-way before.
func (s *system) makeBehind(ctx context.Context, c *change, again bool) error {
	b := c.bucket
	maker, err := openBuckets(c.cfg, b.Backend)
	if err != nil {
		return err
	}
	err = maker.MakeBucket(ctx, b.Name, store.BucketOptions{ObjectLock: b.ObjectLock})
	if errors.Is(err, store.ErrPrecondition) && again {
		to, serr := s.settleMade(ctx, c.cfg, maker, b)
		if serr != nil || to == state.BucketReady {
			return serr
		}
	}
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrKey) || errors.Is(err, store.ErrNoLock) {
		err = errors.Join(err, s.db.SetBucket(ctx, b.Name, state.BucketMaking, state.BucketRemoved))
	}
	return err
}

// Remove implements gateway.Buckets. It first takes the bucket away from
// clients, then looks whether anything of theirs is in it, and removes what is
// the gateway's own last: the backend itself refuses to remove a bucket into
// which something came meanwhile.
func (s onDemand) Remove(ctx context.Context, name string) error {
	c, err := s.claim(ctx, name)
	if err != nil {
		return err
	}
	defer s.release(name)
	all, err := s.db.MadeBuckets(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(b state.MadeBucket) bool {
		return b.Name == name && (b.State == state.BucketReady || b.State == state.BucketRemoving)
	})
	switch {
	case i < 0 && c.cfg.Bucket(name) != nil:
		return gateway.ErrConfigured
	case i < 0:
		return fmt.Errorf("bucket %s: %w", name, store.ErrNotFound)
	case all[i].State == state.BucketRemoving:
		return s.removeAgain(ctx, c, all[i])
	}
	if s.hold(c, all[i]); c.old == nil { // another replica has just made it, or it could not be given back
		if err := s.bring(ctx, c, state.BucketReady); err != nil {
			return err
		}
	}
	if err := emptyOfClients(ctx, c.old); err != nil {
		return err
	}
	return s.remove(ctx, c)
}

// remove removes a bucket that is in force.
func (s *system) remove(ctx context.Context, c *change) error {
	if err := s.db.SetBucket(ctx, c.bucket.Name, state.BucketReady, state.BucketRemoving); err != nil {
		return err
	}
	err := s.unserve(c)
	if err == nil {
		err = s.clearAndRemove(ctx, c)
	}
	if err == nil {
		return s.noteGone(ctx, c)
	}
	gone, serr := s.endRemoval(ctx, c)
	if gone {
		return serr
	}
	return errors.Join(err, serr)
}

// removeAgain takes up a removal whose end is not known. If the bucket is there
// still, it is removed as any other.
func (s *system) removeAgain(ctx context.Context, c *change, b state.MadeBucket) error {
	if err := s.reserve(c, b); err != nil { // nothing in force has to do with it, and another bucket may lie there
		return err
	}
	if gone, err := s.endRemoval(ctx, c); gone || err != nil {
		return err
	}
	return s.remove(ctx, c)
}

// Bounds of the end of a removal that met an error, which begins when all the time
// that there was may be gone: for its backend, and for the database.
const (
	endTime  = time.Minute
	noteTime = 10 * time.Second
)

// endRemoval settles a removal that met an error. The backend may have removed the
// bucket all the same, its answer lost: then it is gone, and never called ready
// again. If it is there, clients have it back. A backend that tells neither leaves
// it out of force, for who asks again to remove it, and for the next start.
func (s *system) endRemoval(ctx context.Context, c *change) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	maker, err := openBuckets(c.cfg, c.bucket.Backend)
	if err != nil {
		return false, err
	}
	closed := s.closeStore(c.bucket.Name) // a directory that is open is not removed
	to, asked := s.settleRemoved(ctx, c.cfg, maker, c.bucket)
	if to == state.BucketRemoved {
		return true, s.noteGone(ctx, c)
	}
	err = s.bring(ctx, c, state.BucketRemoving)
	if err == nil {
		return false, nil
	}
	// That tells nothing: it may have been removed, by another replica too, after it was asked.
	switch to, again := s.settleRemoved(ctx, c.cfg, maker, c.bucket); to {
	case state.BucketRemoved:
		return true, s.noteGone(ctx, c)
	case state.BucketReady: // the next reload opens it
		return false, errors.Join(err, s.note(ctx, c, state.BucketRemoving, state.BucketReady))
	default:
		return false, errors.Join(closed, asked, err, again)
	}
}

// note is SetBucket though the time of the request is over.
func (s *system) note(ctx context.Context, c *change, from, to string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	return s.db.SetBucket(ctx, c.bucket.Name, from, to)
}

// noteGone notes that the bucket of a change is removed. Another replica that took
// up the same removal may have noted it.
func (s *system) noteGone(ctx context.Context, c *change) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*noteTime)
	defer cancel()
	err := s.note(ctx, c, state.BucketRemoving, state.BucketRemoved)
	if errors.Is(err, state.ErrConflict) {
		if noted, berr := s.db.BucketState(ctx, c.bucket.Name); berr == nil && noted == state.BucketRemoved {
			return nil
		}
	}
	return err
}

// clearAndRemove removes a bucket that no request reaches any more.
func (s *system) clearAndRemove(ctx context.Context, c *change) error {
	b, st := c.bucket, c.old
	if err := s.gateway.DropUploads(ctx, b.Name, st); err != nil {
		return err
	}
	if err := emptyOfClients(ctx, st); err != nil {
		return err
	}
	if err := dropReserved(ctx, st); err != nil {
		return err
	}
	if err := s.closeStore(b.Name); err != nil {
		return err
	}
	maker, err := openBuckets(c.cfg, b.Backend)
	if err != nil {
		return err
	}
	if err := maker.RemoveBucket(ctx, b.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// emptyOfClients is store.ErrPrecondition where a key is not the gateway's.
func emptyOfClients(ctx context.Context, st store.Store) error {
	// What sorts before the reserved names, and what sorts behind them.
	for _, o := range []store.ListOptions{{Max: 1}, {Max: 1, StartAfter: store.Reserved + "\U0010FFFF"}} {
		page, err := st.List(ctx, o)
		if err != nil {
			return err
		}
		for _, found := range page.Objects {
			if !strings.HasPrefix(found.Key, store.Reserved) {
				return fmt.Errorf("an object is in the bucket: %w", store.ErrPrecondition)
			}
		}
	}
	return nil
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
		if err := s.db.SetBucket(ctx, b.Name, b.State, to); err != nil {
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

// bucketMaker is nil where the buckets of the configuration are all there are.
func (s *system) bucketMaker() gateway.Buckets {
	if !s.cfg.OnDemand.Enabled {
		return nil
	}
	return onDemand{s}
}
