// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/gateway/store"
)

// keeps reports whether what is overwritten and deleted is kept.
func (m *Mem) keeps() bool { return m.Versioned || m.Locks }

func (m *Mem) mayLock(l store.Lock) error {
	if l.IsZero() || m.Locks {
		return nil
	}
	return store.ErrNoLock
}

// Retain implements store.Locker.
func (m *Mem) Retain(ctx context.Context, key, version string, r store.Retention) error {
	if err := errors.Join(store.CheckKey(key), r.Check(), m.mayLock(store.Lock{Retention: r}), ctx.Err()); err != nil {
		return fmt.Errorf("retaining %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(key, version)
	if !ok || m.objects[key][i].marker {
		return fmt.Errorf("retaining %q: %w", key, store.ErrNotFound)
	}
	was := &m.objects[key][i].Lock.Retention
	if r.Until.Before(was.Until) || was.Mode == store.Compliance && r.Mode != store.Compliance {
		return fmt.Errorf("retaining %q: %w", key, store.ErrLocked)
	}
	*was = r
	return nil
}

// LockRule implements store.Locker.
func (m *Mem) LockRule(ctx context.Context) (store.LockRule, error) {
	if !m.Locks {
		return store.LockRule{}, store.ErrNoLock
	}
	return m.Rule, ctx.Err()
}
