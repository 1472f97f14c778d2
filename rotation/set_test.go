// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"testing"

	"github.com/sealgate/sealgate/envelope"
)

// A set takes the keyrings of one bucket from another and no others: neither those
// of a bucket whose name begins like it, nor the system's.
func TestSetWithABucket(t *testing.T) {
	t.Parallel()
	ring := func(scope string) Ring {
		key := new(envelope.KeyringKey)
		return Ring{Scope: scope, ID: envelope.NewID(), Active: key, Opens: map[uint32]*envelope.KeyringKey{1: key}}
	}
	system, a, old, below := ring("gateway/tokens/"), ring("aa/"), ring("a/"), ring("a/below/")
	s := NewSet([]Ring{system, a, old, below})
	fresh := ring("a/")
	other := NewSet([]Ring{ring("gateway/tokens/"), ring("aa/"), fresh})
	for name, tt := range map[string]struct {
		set  *Set
		want map[*Ring]bool
	}{
		"taken over": {s.With("a", other), map[*Ring]bool{&system: true, &a: true, &old: false, &below: false, &fresh: true}},
		"taken out":  {s.With("a", nil), map[*Ring]bool{&system: true, &a: true, &old: false, &below: false, &fresh: false}},
		"unchanged":  {s, map[*Ring]bool{&system: true, &a: true, &old: true, &below: true, &fresh: false}},
	} {
		for r, there := range tt.want {
			k, err := tt.set.Lookup(r.ID, 1)
			if there != (err == nil && k == r.Active) || !there && !errors.Is(err, ErrNoKeyring) {
				t.Errorf("%s: %v: %v", name, *r, err)
			}
		}
		if k := tt.set.System("tokens"); k != system.Active {
			t.Errorf("%s: another system keyring", name)
		}
	}
	if k, err := s.With("a", other).Active("a", "below/k"); err != nil || k != fresh.Active {
		t.Errorf("what seals in the bucket: %v", err)
	}
	if _, err := s.With("a", nil).Active("a", "k"); !errors.Is(err, ErrNoKeyring) {
		t.Errorf("what seals in no bucket: %v", err)
	}
}
