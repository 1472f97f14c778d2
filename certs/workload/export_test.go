// SPDX-License-Identifier: Apache-2.0

package workload

import "time"

// Hurry makes the waits of s short enough for a test.
func Hurry(s *Source) {
	s.timing = timing{
		minWait: 2 * time.Millisecond, maxWait: 20 * time.Millisecond,
		first: 150 * time.Millisecond, deniedFor: 300 * time.Millisecond,
	}
}

// Waits returns the first n waits of the backoff that Run uses.
func Waits(n int) []time.Duration {
	b := backoff{min: defaultTiming.minWait, max: defaultTiming.maxWait}
	var all []time.Duration
	for range n {
		all = append(all, b.next())
	}
	return all
}
