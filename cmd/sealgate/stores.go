// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/store"
)

// openStores opens every bucket and finds out what its backend can do.
func (s *system) openStores(ctx context.Context) error {
	s.stores, s.caps, s.storeClosers, s.changing = map[string]store.Store{}, map[string]bool{}, map[string]func() error{}, map[string]*change{}
	s.onClose(s.closeStores)
	if err := s.settleBuckets(ctx); err != nil {
		return err
	}
	made, err := s.madeBuckets(ctx)
	if err != nil {
		return err
	}
	cfg, err := withMade(s.cfg, made)
	if err != nil {
		return fail(exitUsage, err, "")
	}
	for _, b := range cfg.Buckets {
		o, err := s.openBucket(ctx, cfg, b)
		if err != nil {
			return err
		}
		s.stores[b.Name], s.caps[b.Name] = o.store, o.conditional
		s.closeLater(b.Name, o)
	}
	s.made = made
	return nil
}

// closeStores closes what openBucket opened.
func (s *system) closeStores() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, end := range s.storeClosers {
		errs = append(errs, end())
	}
	clear(s.storeClosers)
	return errors.Join(errs...)
}

func (s *system) closeStore(bucket string) error {
	s.mu.Lock()
	end := s.storeClosers[bucket]
	delete(s.storeClosers, bucket)
	s.mu.Unlock()
	if end == nil {
		return nil
	}
	return end()
}

// opened is a bucket that openBucket opened.
type opened struct {
	store       store.Store
	conditional bool         // its storage honours conditions on writes
	end         func() error // nil where nothing has to be closed
}

func (o opened) close() error {
	if o.end == nil {
		return nil
	}
	return o.end()
}

// closeLater notes what must be closed of a bucket that is in force, besides what
// is open of it from an earlier time: requests may use that still, and a directory
// of which anything stays open cannot be removed. The caller has mu.
func (s *system) closeLater(bucket string, o opened) {
	if o.end == nil {
		return
	}
	if before := s.storeClosers[bucket]; before != nil {
		s.storeClosers[bucket] = func() error { return errors.Join(before(), o.end()) }
		return
	}
	s.storeClosers[bucket] = o.end
}

// openBucket opens one bucket and finds out what its storage can do. What fails
// leaves nothing open.
func (s *system) openBucket(ctx context.Context, cfg *config.Config, b config.Bucket) (o opened, err error) {
	if o.store, o.end, err = openStore(cfg, b.Name, s.persist); err != nil {
		return opened{}, fail(exitFailed, fmt.Errorf("opening bucket %s: %w", b.Name, err), "")
	}
	if err := s.probeBucket(ctx, cfg, b, &o); err != nil {
		return opened{}, errors.Join(err, o.close())
	}
	return o, nil
}

func (s *system) probeBucket(ctx context.Context, cfg *config.Config, b config.Bucket, o *opened) error {
	if backend := cfg.Backend(b.Backend); backend.Kind == config.BackendS3 && !backend.ConditionalWrites {
		return nil
	}
	caps, err := s.probe(ctx, cfg, b.Name, o.store)
	if err != nil {
		return fail(exitUnavailable, fmt.Errorf("probing bucket %s: %w", b.Name, err), "")
	}
	if !caps.Conditional() {
		return fail(exitFailed, fmt.Errorf("bucket %s: its storage ignores conditions on writes", b.Name),
			"a client could not create without overwriting; set conditional_writes: false on the backend to live without")
	}
	o.conditional = true
	return nil
}

// probe finds out whether a store honours conditions. It writes, so it is on
// the record first.
func (s *system) probe(ctx context.Context, cfg *config.Config, bucket string, st store.Store) (caps store.Capabilities, err error) {
	pending, err := s.audit.Begin(ctx, audit.Event{
		Event: "bucket.probe", Actor: cfg.GatewayID().String(), ActorType: "system", Action: "probe", Bucket: bucket, Key: ".sealgate/probe/",
		Decision: "allow", AwaitOutcome: true,
	})
	if err != nil {
		return caps, err
	}
	caps, err = store.Probe(ctx, st)
	outcome := audit.Outcome{}
	if err != nil {
		outcome.Error = err.Error()
	}
	return caps, errors.Join(err, pending.End(ctx, outcome))
}
