// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"sync"
	"sync/atomic"
	"time"
)

// load is a fixed amount of work, shared out among clients: each takes the
// next operation when it has done its last, so that a slow one holds up
// nobody.
type load struct {
	clients, ops int
	// do does operation i; it may be called concurrently.
	do func(i int) error
}

// run gives operations per second, or the first failure: figures of a run
// that had one mean nothing.
func (l load) run() (float64, error) {
	var next atomic.Int64
	var once sync.Once
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range l.clients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < l.ops; i = int(next.Add(1)) - 1 {
				if err := l.do(i); err != nil {
					once.Do(func() { failed = err })
					next.Store(int64(l.ops))
				}
			}
		})
	}
	wg.Wait()
	return float64(l.ops) / time.Since(began).Seconds(), failed
}

// alternate runs the sides in turn, for so many rounds, each round beginning
// with another side, and gives each side's figures.
func alternate(n int, sides ...func() (float64, error)) ([]rounds, error) {
	all := make([]rounds, len(sides))
	for r := range n {
		for i := range sides {
			side := (r + i) % len(sides)
			v, err := sides[side]()
			if err != nil {
				return nil, err
			}
			all[side] = append(all[side], v)
		}
	}
	return all, nil
}
