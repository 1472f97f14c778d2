// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/envelope"
)

// ErrNoKeyring says that no keyring's scope holds a path, or that a keyring
// version asked for is not there, or may not be used.
var ErrNoKeyring = errors.New("no such keyring")

// Ring is one keyring with its unwrapped versions.
type Ring struct {
	// Scope is BUCKET/PREFIX/, or gateway/NAME/ of a system keyring.
	Scope string
	// ID is the keyring's id.
	ID envelope.ID
	// Active is the version that seals.
	Active *envelope.KeyringKey
	// Opens holds every version that opens, the active one too.
	Opens map[uint32]*envelope.KeyringKey
}

// Set is every keyring that is open at one moment. It never changes, so one
// request sees one set.
type Set struct {
	rings []Ring // longest scope first
	byID  map[envelope.ID]Ring
}

// Format prints the scope and id, never a key: package fmt reaches the bytes
// behind unexported fields without asking their methods.
func (r Ring) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%s %s", r.Scope, r.ID) }

// Format prints how many keyrings there are, never a key.
func (s Set) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%d keyrings", len(s.rings)) }

// NewSet makes a set of rings, whose scopes must differ.
func NewSet(rings []Ring) *Set {
	s := &Set{rings: slices.Clone(rings), byID: make(map[envelope.ID]Ring, len(rings))}
	slices.SortFunc(s.rings, func(a, b Ring) int {
		return cmp.Or(cmp.Compare(len(b.Scope), len(a.Scope)), cmp.Compare(a.Scope, b.Scope))
	})
	for _, r := range rings {
		s.byID[r.ID] = r
	}
	return s
}

// With is s with the keyrings of one bucket as other has them, and without any of
// that bucket that s had. Where other is nil, the bucket has none.
func (s *Set) With(bucket string, other *Set) *Set {
	of := func(r Ring) bool { return strings.HasPrefix(r.Scope, bucket+"/") }
	rings := slices.DeleteFunc(slices.Clone(s.rings), of)
	if other != nil {
		rings = append(rings, slices.DeleteFunc(slices.Clone(other.rings), func(r Ring) bool { return !of(r) })...)
	}
	return NewSet(rings)
}

// Active gives the key that seals new objects at bucket/key: the longest
// scope that the path begins with wins. ErrNoKeyring if there is none, or if
// that one has no active version: what belongs under a keyring of its own must
// never be sealed under a wider one. System keyrings seal no objects.
func (s *Set) Active(bucket, key string) (*envelope.KeyringKey, error) {
	path := bucket + "/" + key
	for _, r := range s.rings {
		if !strings.HasPrefix(path, r.Scope) || bucket == systemBucket {
			continue
		}
		if r.Active == nil {
			break
		}
		return r.Active, nil
	}
	return nil, fmt.Errorf("sealing under %s: %w", bucket, ErrNoKeyring)
}

// Lookup gives the version of a keyring that an object names; it is an
// envelope.KeyLookup. ErrNoKeyring if there is none that opens.
func (s *Set) Lookup(ring envelope.ID, version uint32) (*envelope.KeyringKey, error) {
	if k, ok := s.byID[ring].Opens[version]; ok {
		return k, nil
	}
	return nil, fmt.Errorf("opening with keyring %s version %d: %w", ring, version, ErrNoKeyring)
}

// System gives the active key of a system keyring ("tokens", "audit",
// "identity"), nil if there is none.
func (s *Set) System(name string) *envelope.KeyringKey {
	for _, r := range s.rings {
		if r.Scope == systemScope(name) {
			return r.Active
		}
	}
	return nil
}

// SystemVersion gives one version of a system keyring. ErrNoKeyring if it is
// not there.
func (s *Set) SystemVersion(name string, version uint32) (*envelope.KeyringKey, error) {
	for _, r := range s.rings {
		if k, ok := r.Opens[version]; ok && r.Scope == systemScope(name) {
			return k, nil
		}
	}
	return nil, fmt.Errorf("opening with system keyring %s version %d: %w", name, version, ErrNoKeyring)
}

// systemScope is where a system keyring lives: no bucket has that name.
func systemScope(name string) string { return systemBucket + "/" + name + "/" }
