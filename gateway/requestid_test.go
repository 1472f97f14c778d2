// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"
	"time"
)

func TestRequestIDsSortByTimeAndDiffer(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	last, seen := "", map[string]bool{}
	for i := range 1000 {
		id := NewRequestID(now.Add(time.Duration(i) * time.Millisecond))
		if len(id) != 26 {
			t.Fatalf("length of %q: got %d, want 26", id, len(id))
		}
		if id <= last || seen[id] {
			t.Fatalf("id %q does not sort after %q", id, last)
		}
		last, seen[id] = id, true
	}
	if a, b := NewRequestID(now), NewRequestID(now); a == b {
		t.Fatalf("two ids of one millisecond are equal: %q", a)
	}
}
