// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// Who tunes the collector is not counteracted.
func TestBallast(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"": ballastSize, "HOME": ballastSize, "GOGC": 0, "GOMEMLIMIT": 0} {
		got := ballast(func(asked string) string {
			if asked == name {
				return "50"
			}
			return ""
		})
		if len(got) != want {
			t.Errorf("with %q set: %d bytes, want %d", name, len(got), want)
		}
	}
}
