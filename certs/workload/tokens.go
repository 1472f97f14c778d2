// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"crypto"
	"fmt"
	"maps"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"

	"github.com/sealgate/sealgate/certs"
)

// tokenKeys are the keys of JWT-SVIDs, by trust domain and key ID.
type tokenKeys map[certs.TrustDomain]map[string]crypto.PublicKey

// watchTokens keeps the keys of JWT-SVIDs fresh until ctx ends. An issuer that
// does not serve them takes nothing from the identity itself: its fault is
// reported, and the keys that were had last stay.
func (s *Source) watchTokens(ctx context.Context) {
	wait := backoff{min: s.timing.minWait, max: s.timing.maxWait}
	for ctx.Err() == nil {
		if err := s.watchTokensOnce(ctx, &wait); ctx.Err() == nil {
			s.conf.Report(fmt.Errorf("watching the keys of JWT-SVIDs: %w", err))
		}
		sleep(ctx, wait.next())
	}
}

// watchTokensOnce is one watch on a connection of its own, until its first
// error.
func (s *Source) watchTokensOnce(ctx context.Context, wait *backoff) error {
	client, err := dial(ctx, s.conf.Socket)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is left to be told
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	_ = client.WatchJWTBundles(ctx, &tokenWatcher{source: s, end: cancel, wait: wait}) // at best its cause again
	return context.Cause(ctx)
}

// tokenWatcher gives what go-spiffe receives to a source.
type tokenWatcher struct {
	source *Source
	end    context.CancelCauseFunc
	wait   *backoff
}

// OnJWTBundlesUpdate takes a message: it is the whole state, and a domain that
// is not in it has no keys any more.
func (w *tokenWatcher) OnJWTBundlesUpdate(set *jwtbundle.Set) {
	keys := tokenKeys{}
	for _, b := range set.Bundles() {
		td, err := certs.ParseTrustDomain(b.TrustDomain().Name())
		if err != nil {
			w.end(fmt.Errorf("reading a bundle's name: %w", err))
			return
		}
		keys[td] = b.JWTAuthorities()
	}
	if err := w.source.tookTokens(keys); err != nil {
		w.end(err)
		return
	}
	w.wait.reset()
}

// OnJWTBundlesWatchError ends the watch, as [watcher.OnX509ContextWatchError]
// does.
func (w *tokenWatcher) OnJWTBundlesWatchError(err error) {
	w.end(classify(w.source.conf.Socket, err))
}

// tookTokens publishes the identity that is held with other keys.
func (s *Source) tookTokens(keys tokenKeys) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = keys
	if _, err := s.snap.Current(); err != nil || s.latest == nil {
		return nil // the identity brings the keys along when it comes
	}
	return s.publish()
}

// publish puts the latest identity with the latest keys in force. It is called
// with mu held.
func (s *Source) publish() error {
	m := &certs.Material{
		ID: s.latest.ID, Chain: s.latest.Chain, Key: s.latest.Key,
		NotBefore: s.latest.NotBefore, NotAfter: s.latest.NotAfter, Bundles: map[certs.TrustDomain]*certs.Bundle{},
	}
	for td, b := range s.latest.Bundles {
		m.Bundles[td] = &certs.Bundle{TrustDomain: td, X509: b.X509, JWT: maps.Clone(s.tokens[td])}
	}
	for td, keys := range s.tokens { // a domain may issue tokens alone
		if m.Bundles[td] == nil {
			m.Bundles[td] = &certs.Bundle{TrustDomain: td, JWT: maps.Clone(keys)}
		}
	}
	return s.snap.Publish(m)
}
