// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// fetchWait is how long Fetch waits for an issuer that is just starting.
const fetchWait = 3 * time.Second

// Fetch gets the identity once. While the Workload API does not answer it tries
// again, for 3 seconds at most or until ctx ends; a refusal is returned at once. The
// error wraps [ErrDenied] or [ErrUnavailable] where it is one of these.
func Fetch(ctx context.Context, c Config) (*certs.Material, error) {
	s, err := New(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	wait := backoff{min: s.timing.minWait / 4, max: time.Second}
	for {
		m, err := fetchOnce(ctx, s.conf)
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return m, err
		}
		if sleep(ctx, wait.next()); ctx.Err() != nil {
			return nil, err
		}
	}
}

func fetchOnce(ctx context.Context, c Config) (*certs.Material, error) {
	client, err := dial(ctx, c.Socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // nothing is left to be told
	x, err := client.FetchX509Context(ctx)
	if err != nil {
		return nil, classify(c.Socket, err)
	}
	m, err := material(x, c.ID)
	if err != nil {
		return nil, fmt.Errorf("fetching from %s: %w", c.Socket, err)
	}
	if err := m.Check(time.Now()); err != nil {
		return nil, fmt.Errorf("fetching from %s: %w", c.Socket, err)
	}
	return m, nil
}
