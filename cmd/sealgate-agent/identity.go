// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// identity is who the agent is: kept fresh from outside, and one for as long
// as the agent runs (AGENT.md, "The agent").
type identity struct {
	certs.Source
	run  func(context.Context) error // keeps it fresh until its context ends
	from string                      // for messages: the socket or the file

	mu    sync.Mutex
	first certs.ID // guarded by mu; zero until there was one
}

var _ certs.Source = (*identity)(nil)

// errChanged is wrapped by the error of Current when the issuer gives another
// SPIFFE ID than at first.
var errChanged = errors.New("another identity")

// Current gives what is held now. Another SPIFFE ID than the first is an
// error: what began as one does not go on as another.
func (i *identity) Current() (*certs.Material, error) {
	m, err := i.Source.Current()
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.first.IsZero() {
		i.first = m.ID
	}
	if m.ID != i.first {
		return nil, fmt.Errorf("%w: %w: this agent began as %s and is now said to be %s; start it again", certs.ErrNoMaterial, errChanged, i.first, m.ID)
	}
	return m, nil
}

// adopt forgets who this was: what comes next is another run.
func (i *identity) adopt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.first = certs.ID{}
}

// await gives the identity as soon as there is one, and what the last attempt
// met when that takes longer than patience.
func (i *identity) await(ctx context.Context, patience time.Duration) (*certs.Material, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return i.awaitEver(ctx)
}

// awaitEver is await until ctx ends.
func (i *identity) awaitEver(ctx context.Context) (*certs.Material, error) {
	for {
		updated := i.Updated()
		m, err := i.Current()
		if err == nil {
			return m, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-updated:
		}
	}
}

// reporter tells of attempts to get an identity: what is the same as before is
// not told again.
func reporter(log *slog.Logger) func(error) {
	var mu sync.Mutex
	last := ""
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text == last {
			return
		}
		if last = text; err != nil {
			log.Warn("identity", "error", text)
		}
	}
}
