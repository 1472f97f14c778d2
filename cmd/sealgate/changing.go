// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// change is the making or the removing of one bucket, under way in this process.
// Its name is what is locked while it asks the backend, and mu is not: of one
// bucket there is one change at a time, and a backend that takes its time keeps
// nobody else waiting, neither a reload nor who makes another bucket. Changes of
// buckets hold mu where what is in force is read or swapped, without a word to the
// network; a reload and a rotation hold it from their first look to their end, and
// what they ask of database and buckets meanwhile has bounds of its own.
type change struct {
	cfg    *config.Config   // in force when it began; what it uses of that only a restart changes
	bucket state.MadeBucket // no name before it is known
	system store.Store      // of the system's bucket
	old    store.Store      // of the bucket itself, nil where it is not in force

	done chan struct{} // closed at its end
}

// claim waits for its turn to change the bucket; release ends it.
func (s *system) claim(ctx context.Context, name string) (*change, error) {
	for {
		s.mu.Lock()
		other, busy := s.changing[name]
		if !busy {
			c := &change{cfg: s.cfg, system: s.stores[s.cfg.System.Bucket], done: make(chan struct{})}
			s.changing[name] = c
			s.mu.Unlock()
			return c, nil
		}
		s.mu.Unlock()
		if err := other.wait(ctx); err != nil {
			return nil, fmt.Errorf("waiting for another change of bucket %s: %w (%w)", name, store.ErrUnavailable, err)
		}
	}
}

func (s *system) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changing[name].done)
	delete(s.changing, name)
}

func (c *change) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lockAlone takes mu when no bucket is being changed; none begins to be while it
// is held.
func (s *system) lockAlone(ctx context.Context) error {
	for {
		s.mu.Lock()
		if len(s.changing) == 0 {
			return nil
		}
		other := slices.Collect(maps.Values(s.changing))[0]
		s.mu.Unlock()
		if err := other.wait(ctx); err != nil {
			return fmt.Errorf("waiting for a bucket that is being made or removed: %w", err)
		}
	}
}

// reserve says which bucket a change is about, if its place is free in the
// configuration. From now on no reload puts another one there.
func (s *system) reserve(c *change, b state.MadeBucket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg, err := withMade(s.cfg, s.made)
	if err != nil {
		return err
	}
	if other := cfg.Shares(config.Bucket{Name: b.Name, Backend: b.Backend, Bucket: b.Name}); other != "" {
		return fmt.Errorf("bucket %s would lie in one place with %s: %w", b.Name, other, store.ErrPrecondition)
	}
	c.bucket = b
	return nil
}

// hold says that a change is about a bucket that was made, and finds what it is
// open as. Until release no reload puts another one in its place.
func (s *system) hold(c *change, b state.MadeBucket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.bucket, c.old = b, s.stores[b.Name]
}

// withChanging is made with what is being changed besides.
func withChanging(made []state.MadeBucket, changing map[string]*change) []state.MadeBucket {
	out := slices.Clone(made)
	for name, c := range changing {
		known := slices.ContainsFunc(made, func(b state.MadeBucket) bool { return b.Name == name })
		if c.bucket.Name != "" && !known {
			out = append(out, c.bucket)
		}
	}
	return out
}

// bring opens the bucket of a change, and its keyring, which is made where it is
// not there, notes that it is ready, and puts both in force: what clients write to a
// bucket that the database does not call ready would be out of their reach after the
// next reload. It asks the bucket itself, and no other but the system's.
func (s *system) bring(ctx context.Context, c *change, from string) error {
	b := c.bucket
	bare := *c.cfg
	bare.Buckets = nil
	bare.Keyrings = slices.DeleteFunc(slices.Clone(c.cfg.Keyrings), func(k config.Keyring) bool { return k.Scope != c.cfg.System.Bucket+"/" })
	cfg, err := withMade(&bare, []state.MadeBucket{b})
	if err != nil {
		return err
	}
	o, err := s.openBucket(ctx, cfg, cfg.Buckets[0])
	if err != nil {
		return err
	}
	rings, err := s.keyrings(ctx, cfg, map[string]store.Store{cfg.System.Bucket: c.system, b.Name: o.store})
	var keys *rotation.Set
	if err == nil {
		keys, err = rings.Load(ctx)
	}
	if err == nil && from != state.BucketReady {
		err = s.note(ctx, c, from, state.BucketReady)
	}
	if err == nil {
		err = s.serve(c, o, keys)
	}
	if err != nil {
		err = errors.Join(err, o.close())
	}
	return err
}

// serve puts the bucket of a change in force, beside all that is.
func (s *system) serve(c *change, o opened, keys *rotation.Set) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := c.bucket
	stores, caps := maps.Clone(s.stores), maps.Clone(s.caps)
	stores[b.Name], caps[b.Name] = o.store, o.conditional
	if err := s.swap(append(without(s.made, b.Name), b), stores, caps, keys, b.Name); err != nil {
		return err
	}
	s.closeLater(b.Name, o)
	c.old = o.store
	return nil
}

// unserve takes a bucket out of force: no new request finds it.
func (s *system) unserve(c *change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := c.bucket.Name
	stores, caps := maps.Clone(s.stores), maps.Clone(s.caps)
	delete(stores, name)
	delete(caps, name)
	return s.swap(without(s.made, name), stores, caps, nil, name)
}

// without is made without one bucket, in a slice of its own.
func without(made []state.MadeBucket, name string) []state.MadeBucket {
	return slices.DeleteFunc(slices.Clone(made), func(b state.MadeBucket) bool { return b.Name == name })
}

// swap puts these buckets in force, with the keyrings of one of them as keys has
// them. The caller has mu.
func (s *system) swap(made []state.MadeBucket, stores map[string]store.Store, caps map[string]bool, keys *rotation.Set, bucket string) error {
	rings, err := s.ringsOver(s.cfg, stores)
	if err != nil {
		return err
	}
	s.made, s.stores, s.caps, s.rings = made, stores, caps, rings
	s.gateway.Use(s.snapshot(s.gateway.Current().Keys.With(bucket, keys)))
	return nil
}
