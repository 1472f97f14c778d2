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
	before := ""
	if i := slices.IndexFunc(all, func(old state.MadeBucket) bool { return old.Name == name }); i >= 0 {
		before = all[i].State
	}
	b := state.MadeBucket{Name: name, Backend: c.cfg.OnDemand.Backend, KEK: c.cfg.OnDemand.KEK, ObjectLock: o.ObjectLock, Created: time.Now()}
	if err := s.reserve(c, b); err != nil {
		return err
	}
	if err := s.db.MakeBucket(ctx, b); errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("bucket %s: %w", name, store.ErrPrecondition)
	} else if err != nil {
		return err
	}
	if err := s.makeBehind(ctx, c, before); err != nil {
		return err
	}
	return s.bring(ctx, c, state.BucketMaking)
}

// makeBehind makes the bucket of the backend. One that is there already is
// somebody else's and never taken over, but for one whose making failed
// half-way before.
func (s *system) makeBehind(ctx context.Context, c *change, before string) error {
	b := c.bucket
	maker, err := openBuckets(c.cfg, b.Backend)
	if err != nil {
		return err
	}
	err = maker.MakeBucket(ctx, b.Name, store.BucketOptions{ObjectLock: b.ObjectLock})
	if errors.Is(err, store.ErrPrecondition) && before == state.BucketMaking {
		to, serr := s.settleMade(ctx, c.cfg, maker, b)
		if serr != nil || to == state.BucketReady {
			return serr
		}
	}
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrKey) || errors.Is(err, store.ErrNoLock) {
		err = errors.Join(err, s.notMade(ctx, b.Name, before))
	}
	return err
}

// notMade notes that a making was refused. Only a bucket that was removed before is
// noted so again: of another name records of keyrings may lie in a bucket that is
// out of the configuration, and a rotation must not pass over that.
func (s *system) notMade(ctx context.Context, name, before string) error {
	if before == state.BucketRemoved {
		return s.db.SetBucket(ctx, name, state.BucketMaking, state.BucketRemoved)
	}
	return s.db.UnmakeBucket(ctx, name)
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
	err, asked := s.unserve(c), false
	if err == nil {
		asked, err = s.clearAndRemove(ctx, c)
	}
	switch {
	case err == nil:
		return s.noteGone(ctx, c)
	case !asked:
		return errors.Join(err, s.giveBack(ctx, c))
	}
	gone, serr := s.endRemoval(ctx, c)
	if gone {
		return serr
	}
	return errors.Join(err, serr)
}

// giveBack ends a removal that its backend has not heard of: the bucket is there,
// and is noted so before anything else. What cannot be opened now, the next reload
// opens.
func (s *system) giveBack(ctx context.Context, c *change) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := s.note(ctx, c, state.BucketRemoving, state.BucketReady); err != nil {
		return err
	}
	return errors.Join(s.closeStore(c.bucket.Name), s.bring(ctx, c, state.BucketReady))
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

// clearAndRemove removes a bucket that no request reaches any more, and says whether
// its backend was asked to.
func (s *system) clearAndRemove(ctx context.Context, c *change) (asked bool, err error) {
	b, st := c.bucket, c.old
	if err := s.gateway.DropUploads(ctx, b.Name, st); err != nil {
		return false, err
	}
	if err := emptyOfClients(ctx, st); err != nil {
		return false, err
	}
	if err := dropReserved(ctx, st); err != nil {
		return false, err
	}
	if err := s.closeStore(b.Name); err != nil {
		return false, err
	}
	maker, err := openBuckets(c.cfg, b.Backend)
	if err != nil {
		return false, err
	}
	if err := maker.RemoveBucket(ctx, b.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
		return true, err
	}
	return true, nil
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

// bucketMaker is nil where the buckets of the configuration are all there are.
func (s *system) bucketMaker() gateway.Buckets {
	if !s.cfg.OnDemand.Enabled {
		return nil
	}
	return onDemand{s}
}
