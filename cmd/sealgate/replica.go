// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/state"
)

// openState opens the database.
func (s *system) openState(ctx context.Context) (err error) {
	c := stateConfig(s.cfg)
	c.Persist = s.persist
	if s.db, err = state.Open(ctx, c); err != nil {
		return awayIfSo(err)
	}
	s.onClose(s.db.Close)
	host, _ := os.Hostname() // for people only
	s.instance, err = s.db.RegisterInstance(ctx, state.Instance{
		ID: envelope.NewID().String(), Host: host, Boot: state.BootID(), PID: os.Getpid(), Lock: s.lock,
	})
	if err != nil {
		return err
	}
	s.run(func() error { return s.instance.Run(ctx) })
	return nil
}

// replica tells this gateway's data from that of every other replica: the
// machine and the data directory.
func (s *system) replica() string {
	host, _ := os.Hostname() // without a name the directory has to do
	return host + ":" + s.cfg.DataDir
}

// stateConfig says where the state database of a configuration is.
func stateConfig(cfg *config.Config) state.Config {
	c := state.Config{Path: cfg.StateFile()}
	if p := cfg.State.Postgres; p.URL != "" {
		c.Postgres = &state.Postgres{URL: p.URL}
		if file := p.Password.File; file != "" {
			c.Postgres.Password = func() (string, error) { return readPassword(file) }
		}
	}
	return c
}

// maxPassword is in bytes.
const maxPassword = 1024

// readPassword reads a file that holds a password and nothing else, but for the
// end of its line.
func readPassword(file string) (string, error) {
	b, err := readPrivate(file)
	if err != nil {
		return "", err
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 || len(b) > maxPassword || bytes.ContainsAny(b, "\r\n\x00") {
		return "", fmt.Errorf("%s does not hold one line of 1 to %d bytes", file, maxPassword)
	}
	return string(b), nil
}

// awayIfSo gives an error of a database that does not answer its exit code.
func awayIfSo(err error) error {
	if errors.Is(err, state.ErrUnavailable) || errors.Is(err, state.ErrBusy) {
		return fail(exitUnavailable, err, "")
	}
	return err
}

// problemIfAway is awayIfSo for an operator who asks the gateway.
func problemIfAway(err error) error {
	if errors.Is(err, state.ErrUnavailable) || errors.Is(err, state.ErrBusy) {
		return control.Fail(control.Unavailable, "the state database cannot be reached; try again")
	}
	return err
}

// epochEvery is how often a replica looks for keyrings and buckets that another
// one made.
const epochEvery = time.Second

// watchReplicas opens keyrings and buckets again when another replica has changed
// them: what it seals with a new keyring must open here too. While that fails,
// the ones in use stay, and it is tried again.
func (s *system) watchReplicas(ctx context.Context) error {
	tick := time.NewTicker(epochEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		text := ""
		if err := s.follow(ctx); err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if text != "" && text != said {
			s.log.Error("changes of other replicas not taken over", "error", text)
		}
		said = text
	}
}

// follow takes over what other replicas have changed, if anything.
func (s *system) follow(ctx context.Context) error {
	now, err := s.db.Epoch(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followTo(ctx, now)
}

// followTo is follow for who has mu, and has read the epoch.
func (s *system) followTo(ctx context.Context, now uint64) error {
	if now == s.epoch {
		return nil
	}
	if err := s.takeOver(ctx, s.policy, s.cfg); err != nil {
		return err
	}
	s.epoch = now
	s.log.Info("keyrings and buckets read again", "epoch", now)
	return nil
}
