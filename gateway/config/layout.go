// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"slices"

	"github.com/sealgate/sealgate/certs"
)

// LockFile is locked by the process that owns the data directory.
func (c *Config) LockFile() string { return filepath.Join(c.DataDir, "lock") }

// StateFile is the SQLite database.
func (c *Config) StateFile() string { return filepath.Join(c.DataDir, "state.db") }

// AuditDir holds the audit log.
func (c *Config) AuditDir() string { return filepath.Join(c.DataDir, "audit") }

// AuthorityDir holds the built-in authority's sealed keys and its entries.
func (c *Config) AuthorityDir() string { return filepath.Join(c.DataDir, "authority") }

// ControlSocket is the unix socket for operators.
func (c *Config) ControlSocket() string { return filepath.Join(c.DataDir, "run", "control.sock") }

// WorkloadSocket is the unix socket of the built-in authority's Workload API.
func (c *Config) WorkloadSocket() string { return filepath.Join(c.DataDir, "run", "workload.sock") }

// GatewayID is the identity that the gateway must hold: the configured one, else
// /gateway in its trust domain.
func (c *Config) GatewayID() certs.ID {
	if !c.Identity.Workload.ID.IsZero() {
		return c.Identity.Workload.ID
	}
	return certs.MustParseID(c.TrustDomain.ID().String() + "/gateway")
}

// Backend returns the backend of that name, nil if there is none.
func (c *Config) Backend(name string) *Backend {
	if i := slices.IndexFunc(c.Backends, func(b Backend) bool { return b.Name == name }); i >= 0 {
		return &c.Backends[i]
	}
	return nil
}

// Bucket returns the bucket of that name, nil if there is none.
func (c *Config) Bucket(name string) *Bucket {
	if i := slices.IndexFunc(c.Buckets, func(b Bucket) bool { return b.Name == name }); i >= 0 {
		return &c.Buckets[i]
	}
	return nil
}

// KEK returns the KEK of that name, nil if there is none.
func (c *Config) KEK(name string) *KEK {
	if i := slices.IndexFunc(c.KEKs, func(k KEK) bool { return k.Name == name }); i >= 0 {
		return &c.KEKs[i]
	}
	return nil
}

// SystemKEK names the KEK of the gateway's own keyrings: that of the whole system
// bucket.
func (c *Config) SystemKEK() string {
	for _, k := range c.Keyrings {
		if k.Scope == c.System.Bucket+"/" {
			return k.KEK
		}
	}
	return ""
}
