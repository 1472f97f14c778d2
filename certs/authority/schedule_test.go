// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"testing"
	"time"
)

var t0 = time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// aKey is a key of 30 days that was made at t0 + created.
func aKey(s keyState, created time.Duration) *signingKey {
	k := &signingKey{state: s, created: t0.Add(created), end: t0.Add(created + 30*day), maxTTL: time.Hour}
	if s == retired {
		k.retired = k.created.Add(15*day + time.Hour)
	}
	return k
}

// TestTransitions: the table in AUTHORITY.md §5.1, one moment before each and at it.
func TestTransitions(t *testing.T) {
	t.Parallel()
	a, b := aKey(active, 0), aKey(prepared, 15*day)
	gone := aKey(retired, 0) // retired at 15 d 1 h
	late := aKey(prepared, 30*day-90*time.Minute)
	for _, tc := range []struct {
		name string
		keys []*signingKey
		at   time.Duration
		want transition
		key  *signingKey
	}{
		{"nothing yet", nil, 0, prepare, nil},
		{"first key", []*signingKey{b}, 15 * day, activate, b},
		{"young", []*signingKey{a}, day, none, nil},
		{"just before half its life", []*signingKey{a}, 15*day - time.Second, none, nil},
		{"half its life", []*signingKey{a}, 15 * day, prepare, nil},
		{"published", []*signingKey{a, b}, 15*day + time.Second, none, nil},
		{"just before W", []*signingKey{a, b}, 15*day + time.Hour - time.Second, none, nil},
		{"W", []*signingKey{a, b}, 15*day + time.Hour, activate, b},
		{"prepared late, one TTL left", []*signingKey{a, late}, 30*day - time.Hour, activate, late},
		{"prepared late, more left", []*signingKey{a, late}, 30*day - time.Hour - time.Second, none, nil},
		{"an SVID may live", []*signingKey{gone, aKey(active, 15*day)}, 15*day + 2*time.Hour, none, nil},
		{"none can live any more", []*signingKey{gone, aKey(active, 15*day)}, 15*day + 2*time.Hour + time.Minute, drop, gone},
		{"off for more than its life", []*signingKey{a}, 30 * day, drop, a},
		{"off, with one prepared", []*signingKey{a, b}, 30 * day, drop, a},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, key := schedule{ttl: time.Hour}.due(tc.keys, t0.Add(tc.at))
			if got != tc.want || key != tc.key {
				t.Errorf("want %d of %p, got %d of %p", tc.want, tc.key, got, key)
			}
		})
	}
}

// TestLongestLifeCounts: a root stays for SVIDs of an older, longer TTL.
func TestLongestLifeCounts(t *testing.T) {
	t.Parallel()
	k := aKey(retired, 0)
	k.maxTTL = 12 * time.Hour
	if want, got := k.retired.Add(12*time.Hour+dropSlack), dropAt(k); !got.Equal(want) {
		t.Errorf("want it dropped at %s, got %s", want, got)
	}
	raised, n := raise([]*signingKey{aKey(active, 0), aKey(retired, 0)}, 3*time.Hour)
	if n != 1 || raised[0].maxTTL != 3*time.Hour || raised[1].maxTTL != time.Hour {
		t.Errorf("want the active key raised alone, got %d: %v, %v", n, raised[0].maxTTL, raised[1].maxTTL)
	}
	if _, n := raise(raised, time.Hour); n != 0 {
		t.Error("a shorter TTL lowered what is stored")
	}
}

// TestWake: wake is the first moment at which due has something.
func TestWake(t *testing.T) {
	t.Parallel()
	s := schedule{ttl: time.Hour}
	mint := func(now time.Time) func() (*signingKey, error) {
		return func() (*signingKey, error) { return newKey(now, 30*day, time.Hour) }
	}
	keys, _, err := s.advance(nil, t0, mint(t0))
	if err != nil {
		t.Fatal(err)
	}
	now, changes := t0, 0
	for range 40 {
		next := s.wake(keys)
		if what, _ := s.due(keys, next.Add(-time.Nanosecond)); what != none || !next.After(now) {
			t.Fatalf("at %s something is due before %s", now, next)
		}
		if what, _ := s.due(keys, next); what == none {
			t.Fatalf("nothing is due at %s", next)
		}
		now = next
		before := len(keys)
		if keys, _, err = s.advance(keys, now, mint(now)); err != nil {
			t.Fatal(err)
		}
		if len(keys) != before {
			changes++
		}
		if find(keys, active) == nil || len(keys) > 2 {
			t.Fatalf("at %s: %d keys, active: %v", now, len(keys), find(keys, active))
		}
	}
	if changes < 20 {
		t.Errorf("want keys to come and go, saw %d changes", changes)
	}
}

// TestHalfLife: 45 to 55 % of the life, and not always the same.
func TestHalfLife(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := halfLife(t0, t0.Add(time.Hour)).Sub(t0)
		if d < 27*time.Minute || d >= 33*time.Minute {
			t.Fatalf("rotation after %s of 1h", d)
		}
		seen[d] = true
	}
	if len(seen) < 900 {
		t.Errorf("1000 rotations come at %d times", len(seen))
	}
}
