// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"fmt"
	"sync"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/state"
)

// Load opens every keyring version that may be used and returns them as one
// immutable Set. The records come from the database; those in the buckets are
// compared with them (ErrRecord), and written again where they are gone. A KEK
// or store that does not answer makes the whole Load fail with its error: a
// set that lacks keys would refuse some paths for no reason that shows. Keyrings
// of buckets that are not configured are left out.
func (k *Keyrings) Load(ctx context.Context) (*Set, error) {
	unlock, err := k.c.State.LockRecords(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	rows, err := k.c.State.ListKeyringVersions(ctx)
	if err != nil {
		return nil, err
	}
	l := loading{k: k, rings: map[string]*Ring{}}
	if err := each(ctx, k.c.Workers, rows, l.add); err != nil {
		return nil, err
	}
	rings := make([]Ring, 0, len(l.rings))
	for _, r := range l.rings {
		rings = append(rings, *r)
	}
	return NewSet(rings), nil
}

// loading collects the rings of a set in the making.
type loading struct {
	k     *Keyrings
	mu    sync.Mutex // guards rings
	rings map[string]*Ring
}

func (l *loading) add(ctx context.Context, v state.KeyringVersion) error {
	// Nothing in a bucket that the configuration has no more can be asked for.
	if v.State == state.StateDestroyed || l.k.c.Stores[v.Home] == nil {
		return nil
	}
	if err := l.k.compareRecord(ctx, v); err != nil {
		return err
	}
	if v.State == state.StateRetired {
		return nil
	}
	key, err := l.k.openRow(ctx, v)
	if err != nil {
		return fmt.Errorf("unwrapping keyrings under %s: %w", v.KEK, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rings[v.Scope]
	if r == nil {
		r = &Ring{Scope: v.Scope, ID: key.Ring(), Opens: map[uint32]*envelope.KeyringKey{}}
		l.rings[v.Scope] = r
	}
	r.Opens[v.Version] = key
	if v.State == state.StateActive {
		r.Active = key
	}
	return nil
}

// openRow opens the record that the database holds. Every name in it must be
// the row's: a record of another keyring in this row would open, under its own
// name, to a key that seals here what it must not.
func (k *Keyrings) openRow(ctx context.Context, v state.KeyringVersion) (*envelope.KeyringKey, error) {
	rec, err := k.decodeRow(v)
	if err != nil {
		return nil, err
	}
	kek, err := k.kek(v.KEK)
	if err != nil {
		return nil, err
	}
	return envelope.OpenRecord(ctx, kek, rec)
}

func (k *Keyrings) decodeRow(v state.KeyringVersion) (envelope.Record, error) {
	rec, err := envelope.DecodeRecord(v.Record)
	if err != nil {
		return envelope.Record{}, fmt.Errorf("keyring %s@%d: %w", v.Scope, v.Version, err)
	}
	same := rec.Deployment == k.c.Deployment && rec.Keyring.String() == v.Keyring && rec.Version == v.Version &&
		rec.Bucket == v.Bucket && rec.Prefix == v.Prefix && v.Scope == v.Bucket+"/"+v.Prefix &&
		rec.Wrapped.KEK == v.KEK && rec.Wrapped.Version == v.KEKVersion
	if !same {
		return envelope.Record{}, fmt.Errorf("%w: the state database's row of keyring %s@%d holds another record", ErrRecord, v.Scope, v.Version)
	}
	return rec, nil
}
