// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
)

// Ensure makes the keyrings of scopes that do not exist yet, each at version 1
// and active, writes the deployment's marker where it is absent, and clears
// away what a crash left. It is called before anything is served. At least one
// scope is a system one.
//
// A scope that exists must have the KEK that it was made with. Scopes that
// exist and are no longer named stay as they are: objects may need them.
func (k *Keyrings) Ensure(ctx context.Context, scopes []Scope) error {
	unlock, err := k.c.State.LockRecords(ctx)
	if err != nil {
		return fmt.Errorf("preparing keyrings: %w", err)
	}
	defer unlock()
	if err := k.ensure(ctx, scopes); err != nil {
		return fmt.Errorf("preparing keyrings: %w", err)
	}
	return nil
}

func (k *Keyrings) ensure(ctx context.Context, scopes []Scope) error {
	scopes, err := withDeployment(scopes)
	if err != nil {
		return err
	}
	if err := k.sweep(ctx); err != nil {
		return err
	}
	rows, err := k.c.State.ListKeyringVersions(ctx)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		if err := k.ensureScope(ctx, s, rows); err != nil {
			return fmt.Errorf("scope %s: %w", s.Scope, err)
		}
	}
	key, err := k.deploymentKey(ctx)
	if err != nil {
		return err
	}
	return k.ensureMarker(ctx, key)
}

// withDeployment checks scopes and adds the keyring that seals the marker,
// under the KEK of the first system scope.
func withDeployment(scopes []Scope) ([]Scope, error) {
	seen := map[string]bool{}
	for _, s := range scopes {
		if err := s.check(); err != nil {
			return nil, err
		}
		if seen[s.Scope] {
			return nil, fmt.Errorf("%w: scope %q is given twice", ErrConfig, s.Scope)
		}
		seen[s.Scope] = true
	}
	i := slices.IndexFunc(scopes, func(s Scope) bool { return s.System })
	if i < 0 {
		return nil, fmt.Errorf("%w: there is no system scope", ErrConfig)
	}
	return append(slices.Clip(scopes), SystemScope(deploymentRing, scopes[i].KEK)), nil
}

func (k *Keyrings) ensureScope(ctx context.Context, s Scope, rows []state.KeyringVersion) error {
	i := slices.IndexFunc(rows, func(v state.KeyringVersion) bool { return v.Scope == s.Scope })
	if i < 0 {
		return k.createKeyring(ctx, s)
	}
	if v := rows[i]; v.KEK != s.KEK {
		return fmt.Errorf("%w: its records are wrapped by KEK %q, the configuration says %q; a keyring's KEK never changes", ErrConfig, v.KEK, s.KEK)
	}
	return nil
}

// createKeyring makes version 1 of a keyring.
func (k *Keyrings) createKeyring(ctx context.Context, s Scope) error {
	kek, err := k.kek(s.KEK)
	if err != nil {
		return err
	}
	ec := envelope.Context{Deployment: k.c.Deployment, Bucket: s.Bucket, Prefix: s.Prefix, Keyring: envelope.NewID(), Version: 1}
	e := audit.Event{Event: eventCreate, Action: "keyring-create", Bucket: s.Bucket, Key: s.Prefix, Detail: map[string]string{"keyring": ec.Keyring.String()}}
	return k.recorded(ctx, e, func(o *audit.Outcome) error {
		rec, _, err := envelope.NewRecord(ctx, kek, ec, k.c.Now())
		if err != nil {
			return err
		}
		o.Keyring, o.KeyringVersion, o.KEK, o.KEKVersion = ec.Keyring.String(), ec.Version, rec.Wrapped.KEK, rec.Wrapped.Version
		return k.activate(ctx, s, rec)
	})
}

// activate makes a new record the active version 1 of its keyring, after it
// was proved in the bucket.
func (k *Keyrings) activate(ctx context.Context, s Scope, rec envelope.Record) error {
	r, err := newSealed(rec)
	if err != nil {
		return err
	}
	if r.Wrapped.KEK != s.KEK {
		return fmt.Errorf("%w: KEK %q calls itself %q", ErrConfig, s.KEK, r.Wrapped.KEK)
	}
	home := k.home(s.Bucket)
	if err := k.putRecord(ctx, home, r); err != nil {
		return err
	}
	return k.orTakeBack(ctx, home, r, k.c.State.InsertKeyringVersion(ctx, state.KeyringVersion{
		Keyring: r.Keyring.String(), Version: r.Version, Scope: s.Scope, Bucket: s.Bucket, Prefix: s.Prefix, State: state.StateActive,
		KEK: r.Wrapped.KEK, KEKVersion: r.Wrapped.Version, Record: r.bytes, Digest: r.digest, Home: home, Path: r.path,
		Created: r.Created, Activated: k.c.Now(),
	}))
}

// deploymentKey opens the keyring that seals the marker.
func (k *Keyrings) deploymentKey(ctx context.Context) (*envelope.KeyringKey, error) {
	rows, err := k.c.State.ListKeyringVersions(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range rows {
		if v.Scope == systemScope(deploymentRing) && v.State == state.StateActive {
			return k.openRow(ctx, v)
		}
	}
	return nil, fmt.Errorf("scope %s: %w", systemScope(deploymentRing), ErrNoKeyring)
}
