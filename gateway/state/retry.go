// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// How long PostgreSQL is asked again, from the first attempt on.
const (
	// patience is for transactions that met another one: as long as SQLite
	// waits for a writer.
	patience = busyTimeout
	// reconnecting is for connections that were lost or refused: enough to go
	// through a pool of dead ones and for a server to restart.
	reconnecting = 3 * time.Second

	// answerWithin is how long one attempt may take. A network that swallows
	// everything gives no other sign.
	answerWithin = 30 * time.Second

	firstPause = 5 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// persevere calls try until it succeeds, or fails for a reason that another
// attempt would not change, or the time is up. undone says that the attempt
// surely changed nothing: what may have been committed is not tried again. On
// SQLite it calls try once: waiting happens below it.
func (db *DB) persevere(ctx context.Context, try func() (undone bool, err error)) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		undone, err := try()
		if err == nil || !db.on.remote {
			return err
		}
		if !undone || time.Since(began)+pause > timeFor(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // G404: who goes first is no secret
		}
	}
}

// attempt calls fn, which is one attempt. On PostgreSQL it has answerWithin.
func (db *DB) attempt(ctx context.Context, fn func(ctx context.Context) error) error {
	if !db.on.remote {
		return fn(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, db.within)
	defer cancel()
	err := fn(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("%w: no answer in %s (%w)", ErrUnavailable, db.within, err)
	}
	return err
}

// timeFor is how long an error is worth another attempt.
func timeFor(err error) time.Duration {
	switch s := sentinelOf(err); {
	case errors.Is(s, ErrUnavailable):
		return reconnecting
	case errors.Is(s, ErrBusy):
		return patience
	default:
		return 0
	}
}
