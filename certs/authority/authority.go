// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Authority is an open authority. Its methods may be called by many goroutines.
type Authority struct {
	cfg   Config
	files files
	host  *host
	own   ownSVID
	gate  *gate

	// state is what is in force; replaced whole, never changed.
	state atomic.Pointer[state]

	mu sync.Mutex // orders changes of state and of the files
}

// state is one moment of the authority.
type state struct {
	entries []Entry
	keys    *keySet
	bundle  *certs.Bundle
	roots   []byte        // bundle.X509 as concatenated DER
	jwks    []byte        // bundle.JWT as a JWK set
	changed chan struct{} // closed when another state is in force
}

// Open opens the authority in c.Dir, making its first CA and JWT key if there are
// none, and issues the gateway's own SVID.
// Nothing is served before [Authority.Serve]. Nothing has to be closed: an
// Authority holds no file open.
func Open(ctx context.Context, c Config) (*Authority, error) {
	a, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("opening the built-in authority: %w", err)
	}
	return a, nil
}

// open does the work of Open in this order: what may be wrong with the configuration
// or the machine is found before anything is written.
func open(ctx context.Context, c Config) (*Authority, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Authority{cfg: c, files: files{dir: c.Dir, persist: c.Persist}, gate: newGate(c.Limits, c.Now)}
	if a.host, err = newHost(); err != nil {
		return nil, err
	}
	if a.own.id, err = gatewayID(c.TrustDomain); err != nil {
		return nil, err
	}
	a.own.snapshot = certs.NewSnapshot()
	if err := a.load(ctx); err != nil {
		return nil, err
	}
	if _, err := a.Step(ctx); err != nil {
		if a.own.svid == nil {
			return nil, err
		}
		a.cfg.Fault(err)
	}
	return a, nil
}

// load puts in force what is on disk.
func (a *Authority) load(ctx context.Context) error {
	if err := a.files.prepare(); err != nil {
		return err
	}
	keys, err := a.loadKeys(ctx)
	if err != nil {
		return err
	}
	entries, err := a.loadEntries()
	if err != nil {
		return err
	}
	first := &state{keys: keys, entries: entries, changed: make(chan struct{})}
	if err := first.derive(a.cfg.TrustDomain); err != nil {
		return err
	}
	a.state.Store(first)
	return nil
}

// derive fills in what follows from the keys.
func (st *state) derive(td certs.TrustDomain) error {
	var err error
	st.bundle, st.roots = st.keys.bundle(td), st.keys.roots()
	st.jwks, err = json.Marshal(st.keys.jwks())
	if err != nil {
		return fmt.Errorf("encoding the JWT bundle: %w", err)
	}
	return nil
}

// publish puts a changed copy of the state in force and wakes the streams. It is
// called with mu held, after the change is durable.
func (a *Authority) publish(change func(*state)) {
	old := a.state.Load()
	next := *old
	next.changed = make(chan struct{})
	change(&next)
	a.state.Store(&next)
	close(old.changed)
}

// Step makes all transitions of the keys that are due, and renews the gateway's own
// SVID if it is time. It returns when it next has something to do, and is safe to
// call at any time. [Authority.Serve] calls it.
func (a *Authority) Step(ctx context.Context) (time.Time, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next, err := a.rotateKeys(ctx)
	if err != nil {
		err = fmt.Errorf("rotating the authority's keys: %w", err)
	}
	// Also after an error: the keys in force may be good for days yet.
	renew, errOwn := a.renewOwn(ctx)
	if errOwn != nil {
		errOwn = fmt.Errorf("renewing the gateway's own SVID: %w", errOwn)
	}
	if err := errors.Join(err, errOwn); err != nil {
		return time.Time{}, err
	}
	return earlier(next, renew), nil
}

// rotateKeys writes all transitions that are due as one change.
func (a *Authority) rotateKeys(ctx context.Context) (time.Time, error) {
	now, old := a.cfg.Now(), a.state.Load().keys
	cas, tokens := schedule{ttl: a.cfg.SVIDTTL}, schedule{ttl: a.cfg.JWTTTL}
	next := &keySet{}
	x509Keys, raisedX := raise(old.x509, cas.ttl)
	jwtKeys, raisedJ := raise(old.jwt, tokens.ttl)
	var newX, newJ int
	var err error
	if next.x509, newX, err = cas.advance(x509Keys, now, func() (*signingKey, error) {
		return newCA(a.cfg.TrustDomain, now, a.cfg.CALifetime, cas.ttl)
	}); err != nil {
		return time.Time{}, err
	}
	if next.jwt, newJ, err = tokens.advance(jwtKeys, now, func() (*signingKey, error) {
		return newKey(now, a.cfg.CALifetime, tokens.ttl)
	}); err != nil {
		return time.Time{}, err
	}
	next.sequence = old.sequence + uint64(newX+newJ)
	if raisedX+raisedJ > 0 || !sameKeys(old, next) {
		if err := a.replaceKeys(ctx, next); err != nil {
			return time.Time{}, err
		}
	}
	return earlier(cas.wake(next.x509), tokens.wake(next.jwt)), nil
}

// replaceKeys makes keys durable and puts them in force, in this order: a root
// that a restart would forget is never published.
func (a *Authority) replaceKeys(ctx context.Context, keys *keySet) error {
	derived := &state{keys: keys}
	if err := derived.derive(a.cfg.TrustDomain); err != nil {
		return err
	}
	if err := a.saveKeys(ctx, keys); err != nil {
		return err
	}
	a.publish(func(st *state) {
		if st.keys.sequence == keys.sequence {
			st.keys = keys // the published set is the same: the bundle stays the very same
			return
		}
		st.keys, st.bundle, st.roots, st.jwks = keys, derived.bundle, derived.roots, derived.jwks
	})
	return nil
}
