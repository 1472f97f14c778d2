// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/sealgate/sealgate/gateway/store"
)

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return fmt.Errorf("deleting %q: %w", key, err)
	}
	name := pathOf(key)
	dir := path.Dir(name)
	if err := s.unlink(key, name, dir); err != nil {
		return fmt.Errorf("deleting %q: %w", key, classify(err))
	}
	s.prune(dir)
	return nil
}

// unlink removes the names of the object and its tags and makes that durable. A
// name that is not there may have gone a moment ago: its going is made durable
// as well, or a repeated Delete would promise what the first one did not reach.
func (s *Store) unlink(key, name, dir string) error {
	mu := s.keyLock(key)
	mu.Lock()
	defer mu.Unlock()
	if err := s.realDir(dir); absent(err) {
		return nil
	} else if err != nil {
		return err
	}
	s.persist(pointUnlink)
	if err := s.root.Remove(name); err != nil && !absent(err) {
		return err
	}
	// The tags go after their object: without it they are nobody's.
	if err := s.root.Remove(tagsPath(key)); err != nil && !absent(err) {
		return err
	}
	s.persist(pointGoneSync)
	if err := s.syncDir(dir); err != nil && !absent(err) {
		return err
	}
	return nil
}
