// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// Reload implements control.Backend; the request is on the record already.
func (b *backend) Reload(ctx context.Context) (control.ReloadResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.apply(ctx)
	if err != nil {
		return r, control.Fail(control.Invalid, err.Error()+"; the running config stays in force")
	}
	return r, nil
}

// reload is Reload by a signal or a changed file: recorded here.
func (s *system) reload(ctx context.Context, why string) (control.ReloadResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending, err := s.audit.Begin(ctx, audit.Event{
		Event: "config.reload", Actor: "local:gateway", ActorType: "system", Action: "config-reload", Bucket: "gateway", Key: "config",
		Decision: "allow", Detail: map[string]string{"trigger": why}, AwaitOutcome: true,
	})
	if err != nil {
		return control.ReloadResult{}, err
	}
	start := time.Now()
	r, err := s.apply(ctx)
	outcome := audit.Outcome{Duration: time.Since(start), Detail: map[string]string{"policy_digest": r.PolicyDigest}}
	if err != nil {
		outcome.Error = err.Error()
	}
	return r, errors.Join(err, pending.End(ctx, outcome))
}

// apply reads config and policy, checks both whole, and swaps the snapshot.
// Whatever is wrong leaves the running ones in force.
func (s *system) apply(ctx context.Context) (control.ReloadResult, error) {
	var said bytes.Buffer
	quiet := *s.app
	quiet.stderr, quiet.json, quiet.consequence = &said, false, ""
	cfg, err := s.source.load(&quiet)
	if err != nil {
		return control.ReloadResult{}, faultText(err, &said)
	}
	changes := config.Diff(s.cfg, cfg)
	if fixed := slices.Concat(changes.Restart, changes.Never); len(fixed) > 0 {
		return control.ReloadResult{}, fmt.Errorf("%s cannot change while the gateway runs", strings.Join(fixed, ", "))
	}
	p, err := quiet.loadPolicy(s.source, cfg, s.log)
	if err != nil {
		return control.ReloadResult{}, faultText(err, &said)
	}
	if p.File() == seedPolicy && s.policy.File() != seedPolicy {
		// A file that is gone for a moment must not put other rights in force.
		return control.ReloadResult{}, fmt.Errorf("the policy %s is gone; put it back", cfg.Policy.File)
	}
	if err := s.takeOver(ctx, p, cfg); err != nil {
		return control.ReloadResult{}, err
	}
	result := control.ReloadResult{PolicyDigest: s.policy.Digest(), Changed: changes.Live}
	if result.Changed == nil {
		result.Changed = []string{}
	}
	return result, nil
}

// takeOver puts what was read in force, all at once. A bucket that is no
// longer named stays open for the requests that still use it.
func (s *system) takeOver(ctx context.Context, p *policy.Policy, cfg *config.Config) error {
	made, err := s.madeBuckets(ctx)
	if err != nil {
		return err
	}
	if _, err := withMade(cfg, withChanging(made, s.changing)); err != nil {
		return err
	}
	return s.putInForce(ctx, p, cfg, made)
}

// putInForce is takeOver with these buckets besides those of the
// configuration.
func (s *system) putInForce(ctx context.Context, p *policy.Policy, cfg *config.Config, made []state.MadeBucket) (err error) {
	whole, err := withMade(cfg, made)
	if err != nil {
		return err
	}
	fresh := map[string]opened{}
	defer func() {
		for name, o := range fresh {
			if err == nil {
				s.closeLater(name, o)
			} else {
				err = errors.Join(err, o.close())
			}
		}
	}()
	stores, caps := map[string]store.Store{}, map[string]bool{}
	for _, b := range whole.Buckets {
		if st, open := s.stores[b.Name]; open {
			stores[b.Name], caps[b.Name] = st, s.caps[b.Name]
			continue
		}
		o, err := s.openBucket(ctx, whole, b)
		if err != nil {
			return err
		}
		stores[b.Name], caps[b.Name], fresh[b.Name] = o.store, o.conditional, o
	}
	rings, err := s.keyrings(ctx, whole, stores)
	if err != nil {
		return err
	}
	keys, err := rings.Load(ctx)
	if err != nil {
		return err
	}
	if err := s.takeNames(ctx, cfg); err != nil {
		return err
	}
	if err := s.level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return err
	}
	if err := s.useSTS(cfg); err != nil {
		return err
	}
	s.policy, s.cfg, s.stores, s.caps, s.rings, s.made = p, cfg, stores, caps, rings, made
	s.gateway.Limit(limitsOf(cfg))
	s.gateway.Use(s.snapshot(keys))
	return nil
}

// faultText gives the faults that were printed as the error itself.
func faultText(err error, said *bytes.Buffer) error {
	if said.Len() == 0 {
		return err
	}
	return errors.New(strings.ReplaceAll(strings.TrimSpace(said.String()), "\n", " | "))
}

// userID is the SPIFFE ID that an embedded gateway gives to whoever runs it.
func userID(td certs.TrustDomain) (certs.ID, error) {
	name := "user"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return td.Join("/user/" + name)
}
