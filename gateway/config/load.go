// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"reflect"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// Load reads a configuration from src. Faults are reported under the name file,
// whose directory is where relative paths start; nothing is opened. dataDir, an
// absolute path, counts where src has no data_dir. With an error among the faults
// the Config is nil.
func Load(file string, src []byte, dataDir string) (*Config, strictyaml.Faults) {
	var faults strictyaml.Faults
	root := strictyaml.Parse(file, src, &faults)
	if root == nil {
		return nil, faults
	}
	d := &decoder{dir: directory(file), faults: &faults, given: map[string]*strictyaml.Node{}, root: root}
	c := base(dataDir)
	d.fill(root, reflect.ValueOf(c).Elem())
	c.complete()
	d.check(c)
	faults.Sort()
	if faults.Errors() > 0 {
		return nil, faults
	}
	return c, faults
}

// directory is that of file, absolute if the working directory is known.
func directory(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	return filepath.Dir(file)
}

// Embedded is the configuration of a gateway without a file: everything below
// dataDir, which is an absolute path; the built-in authority; S3 and metrics on
// the loopback.
func Embedded(dataDir string) *Config {
	c := base(dataDir)
	c.complete()
	return c
}

// complete fills in what is absent and follows from the rest.
func (c *Config) complete() {
	if c.TrustDomain.IsZero() && c.Identity.Source == SourceAuthority {
		c.TrustDomain = certs.MustParseTrustDomain(DefaultTrustDomain)
	}
	if c.Policy.File == "" {
		c.Policy.File, c.Policy.Seed = filepath.Join(c.DataDir, "policy.yaml"), true
	}
	c.completeStores()
	c.completeKeys()
	if c.System.Bucket == "" && len(c.Buckets) > 0 {
		c.System.Bucket = c.Buckets[0].Name
	}
}

func (c *Config) completeStores() {
	if c.Backends == nil {
		c.Backends = []Backend{{Name: BackendDisk, Kind: BackendDisk, ConditionalWrites: true}}
	}
	for i := range c.Backends {
		if b := &c.Backends[i]; b.Kind == BackendDisk && b.Dir == "" {
			b.Dir = filepath.Join(c.DataDir, "objects")
		}
	}
	if disk := c.Backend(BackendDisk); c.Buckets == nil && disk != nil {
		for _, name := range defaultBuckets {
			c.Buckets = append(c.Buckets, Bucket{Name: name, Backend: BackendDisk})
		}
	}
	for i := range c.Buckets {
		if b := &c.Buckets[i]; b.Bucket == "" {
			b.Bucket = b.Name
		}
	}
}

func (c *Config) completeKeys() {
	if c.KEKs == nil {
		c.KEKs = []KEK{{Name: KEKLocal, Kind: KEKLocal}}
	}
	for i := range c.KEKs {
		k := &c.KEKs[i]
		if k.Keystore == "" {
			k.Keystore = filepath.Join(c.DataDir, "keys", "keystore")
		}
		if k.KeyFile == "" && k.Passphrase.File == "" {
			k.KeyFile = filepath.Join(c.DataDir, "keys", "keyfile")
		}
	}
	if c.Keyrings == nil && len(c.KEKs) == 1 {
		for _, b := range c.Buckets {
			c.Keyrings = append(c.Keyrings, Keyring{Scope: b.Name + "/", KEK: c.KEKs[0].Name})
		}
	}
}
