// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// Neither the operator nor a quota is overruled.
func TestWide(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                string
		env                 string
		processors, allowed int
		want                int
	}{
		{"all are ours", "", 2, 2, 4},
		{"operator", "3", 2, 2, 0},
		{"quota", "", 8, 2, 0},
	} {
		got := wide(func(string) string { return tt.env }, tt.processors, tt.allowed)
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
