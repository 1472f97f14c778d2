// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Snapshot is the part that all sources share: it holds the last good [Material]
// and never hands out one that has expired. It is a [Source]. The zero value is
// not usable; see [NewSnapshot].
type Snapshot struct {
	state atomic.Pointer[snapState]

	mu      sync.Mutex    // orders changes
	updated chan struct{} // guarded by mu; closed and replaced at each change
	count   uint64        // guarded by mu; generations given out
}

// snapState is either a material or the reason why there is none.
type snapState struct {
	material *Material
	err      error
}

var _ Source = (*Snapshot)(nil)

var errNothingYet = errors.New("nothing has been received yet")

// NewSnapshot returns a Snapshot that holds nothing.
func NewSnapshot() *Snapshot {
	s := &Snapshot{updated: make(chan struct{})}
	s.state.Store(&snapState{err: fmt.Errorf("%w: %w", ErrNoMaterial, errNothingYet)})
	return s
}

// Static returns a source that holds m for as long as it is valid. The error tells
// why m is not whole, see [Material.Check].
func Static(m *Material) (*Snapshot, error) {
	s := NewSnapshot()
	if err := s.Publish(m); err != nil {
		return nil, err
	}
	return s, nil
}

// Publish checks m and puts it in the place of what was there. On an error the
// last good one stays. It sets m.Generation; nobody may change m any more.
func (s *Snapshot) Publish(m *Material) error {
	if err := m.Check(time.Now()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	m.Generation = s.count
	s.replace(&snapState{material: m})
	return nil
}

// Withdraw takes the material away: the issuer has said that this process has no
// identity any more. Current returns why, wrapped with [ErrNoMaterial].
func (s *Snapshot) Withdraw(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(&snapState{err: fmt.Errorf("%w: %w", ErrNoMaterial, why)})
}

// Current returns the material in force. The error wraps [ErrNoMaterial].
func (s *Snapshot) Current() (*Material, error) {
	st := s.state.Load()
	if st.material == nil {
		return nil, st.err
	}
	if !time.Now().Before(st.material.NotAfter) {
		return nil, fmt.Errorf("%w: the certificate of %s ended at %s", ErrNoMaterial,
			st.material.ID, st.material.NotAfter.UTC().Format(time.RFC3339))
	}
	return st.material, nil
}

// Updated returns a channel that is closed at the next Publish or Withdraw.
func (s *Snapshot) Updated() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updated
}

// replace is called with mu held.
func (s *Snapshot) replace(st *snapState) {
	s.state.Store(st)
	close(s.updated)
	s.updated = make(chan struct{})
}
