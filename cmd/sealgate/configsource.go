// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/policy"
)

// configSource is where the configuration of a gateway comes from, now and at
// every reload: a file, or the embedded defaults with what the demo changes
// of them.
type configSource struct {
	file    string // "" for embedded defaults
	dataDir string
	change  func(*config.Config) // of embedded defaults; may be nil
	policy  string               // the policy's text; "" reads the configured file
}

// configSource gives what the flags name.
func (a *app) configSource() (configSource, error) {
	dir, err := a.dataDir()
	if err != nil {
		return configSource{}, err
	}
	return configSource{file: a.config, dataDir: dir}, nil
}

// load reads the configuration; every fault of the file is printed, and what
// does not stop it goes to stderr.
func (c configSource) load(a *app) (*config.Config, error) {
	cfg, faults, err := c.read()
	if err != nil {
		return nil, err
	}
	if cfg == nil {
		return nil, a.unusable(faults)
	}
	for _, f := range faults {
		fmt.Fprintln(a.stderr, f)
	}
	return cfg, nil
}

// read is load that prints nothing; without a Config there are faults.
func (c configSource) read() (*config.Config, []fault, error) {
	if c.file == "" {
		cfg := config.Embedded(c.dataDir)
		cfg.Log.Level = "warn" // nobody asked for a log
		if c.change != nil {
			c.change(cfg)
		}
		return cfg, nil, nil
	}
	src, err := os.ReadFile(c.file)
	if err != nil {
		return nil, nil, usage("name another with --config, or none for embedded defaults", "reading the config: %w", err)
	}
	cfg, faults := config.Load(c.file, src, c.dataDir)
	if cfg != nil {
		if _, err := issuersOf(cfg); err != nil { // what config cannot know: how a session is made
			return nil, nil, usage("", "reading the config %s: %w", c.file, err)
		}
	}
	return cfg, faultsOf(faults), nil
}

// policyText gives the policy in force and the name it has in messages: the
// configured file, or the seed policy where none was named and none is there.
func (c configSource) policyText(cfg *config.Config) (name string, src []byte, err error) {
	if c.policy != "" {
		return "demo policy", []byte(c.policy), nil
	}
	src, err = os.ReadFile(cfg.Policy.File)
	switch {
	case err == nil:
		return cfg.Policy.File, src, nil
	case !missing(err) || !cfg.Policy.Seed:
		return "", nil, usage("write one with `sealgate policy init`", "reading the policy: %w", err)
	}
	user, err := userID(cfg.TrustDomain)
	if err != nil {
		return "", nil, err
	}
	return seedPolicy, policy.Seed(cfg.TrustDomain.String(), user), nil
}

// seedPolicy is the name of the policy that holds where none was written.
const seedPolicy = "seed policy"

// policyStamp changes when the policy file does.
func (c configSource) policyStamp(cfg *config.Config) string {
	info, err := os.Stat(cfg.Policy.File)
	if err != nil {
		return errors.Unwrap(err).Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
}

// user is whom a fresh authority registers first: whoever runs a gateway with
// the seed policy, which names this user; nobody where a policy was written.
func (c configSource) user(cfg *config.Config) (certs.ID, error) {
	if _, err := os.Stat(cfg.Policy.File); c.policy != "" || !cfg.Policy.Seed || !missing(err) {
		return certs.ID{}, nil
	}
	return userID(cfg.TrustDomain)
}

func (c configSource) describe(cfg *config.Config) string {
	if c.file == "" {
		return "no config, embedded defaults; all data in " + cfg.DataDir
	}
	return "config " + c.file + "; data in " + cfg.DataDir
}
