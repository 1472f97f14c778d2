// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Times of key sets (§3).
const (
	refreshEvery = 5 * time.Minute
	refreshLeast = 10 * time.Second // between two, for a kid that is not known
	keysHold     = 24 * time.Hour   // the last good set
	fetchTimeout = 10 * time.Second
	maxKeySet    = 256 << 10 // bytes
)

// keySet is the keys of one issuer: the last good ones.
type keySet struct {
	fetch  func(context.Context) ([]byte, error)
	flight singleflight.Group

	mu    sync.Mutex // guards all below
	keys  map[string]signingKey
	got   time.Time // when keys were fetched
	tried time.Time // when the last fetch began
	err   error     // of the last fetch
}

// held gives a key that is there. False also when the set is too old to be
// believed.
func (k *keySet) held(kid string) (signingKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.got) > keysHold {
		return signingKey{}, false
	}
	key, ok := k.keys[kid]
	return key, ok
}

// find gives a key, after another look at the issuer's set if it is not there.
func (k *keySet) find(ctx context.Context, kid string) (signingKey, error) {
	if key, ok := k.held(kid); ok {
		return key, nil
	}
	k.mu.Lock()
	soon := time.Since(k.tried) < refreshLeast
	k.mu.Unlock()
	if !soon {
		k.refresh(ctx)
	}
	if key, ok := k.held(kid); ok {
		return key, nil
	}
	if time.Since(k.fetched()) > keysHold {
		return signingKey{}, ErrIssuerKeys
	}
	return signingKey{}, fmt.Errorf("%w: its kid is not among its issuer's keys", ErrWebToken)
}

// fetched says when the set that is held was had; zero is never.
func (k *keySet) fetched() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.got
}

// olderThan says whether a fetch could bring what was there at t: none began
// since, or it failed a while ago.
func (k *keySet) olderThan(t time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.got.After(t) && (!k.tried.After(t) || time.Since(k.tried) >= refreshLeast)
}

// refresh fetches the set; those who ask at once wait for one fetch. A set that
// cannot be had leaves the old one in force.
func (k *keySet) refresh(ctx context.Context) {
	done := k.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		return nil, k.load(ctx)
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (k *keySet) load(ctx context.Context) error {
	began := time.Now()
	k.mu.Lock()
	k.tried = began
	k.mu.Unlock()
	raw, err := k.fetch(ctx)
	var keys map[string]signingKey
	if err == nil {
		keys, err = parseKeys(raw)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err = err; err == nil {
		k.keys, k.got = keys, began
	}
	return err
}

// run keeps the set fresh until ctx ends; report is told of each fetch.
func (k *keySet) run(ctx context.Context, report func(error)) {
	for {
		k.refresh(ctx)
		k.mu.Lock()
		err, wait := k.err, refreshEvery
		k.mu.Unlock()
		if ctx.Err() == nil {
			report(err)
		}
		if err != nil {
			wait = refreshLeast
		}
		wait += rand.N(wait / 10) //nolint:gosec // spreads load; nobody gains by guessing it
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// errFetch is what is said of a fetch that did not end in a key set. The cause
// stays out of answers: it may hold words of whoever answered.
var errFetch = errors.New("fetching the keys")

// overHTTPS fetches from a configured address, and from nowhere else.
func overHTTPS(address, caFile string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		roots, err := readRoots(caFile) // each time: whoever renews them changes the file
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFetch, err)
		}
		client := &http.Client{
			Transport: &http.Transport{ // no Proxy: nobody in between is asked
				TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 32 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFetch, err)
		}
		req.Header.Set("Accept", "application/jwk-set+json, application/json")
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFetch, err)
		}
		defer func() { _ = resp.Body.Close() }() // it was only read
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%w: %s answered %s", errFetch, address, resp.Status)
		}
		return bounded(resp.Body)
	}
}

// fromFile reads a set that somebody else keeps fresh.
func fromFile(name string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFetch, err)
		}
		defer func() { _ = f.Close() }() // it was only read
		return bounded(f)
	}
}

func bounded(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errFetch, err)
	case len(raw) > maxKeySet:
		return nil, fmt.Errorf("%w: the set has over %d bytes", errFetch, maxKeySet)
	}
	return raw, nil
}
