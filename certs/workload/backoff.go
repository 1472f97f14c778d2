// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"math/rand/v2"
	"time"
)

// backoff doubles from min to max. Half of each wait is chance, so that the
// processes of a machine do not all come back at once.
type backoff struct {
	min, max time.Duration
	n        int
}

func (b *backoff) next() time.Duration {
	d := b.max
	if b.n < 16 && b.min<<b.n < b.max {
		d = b.min << b.n
		b.n++
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // spreads load; nobody gains by guessing it
}

func (b *backoff) reset() { b.n = 0 }
