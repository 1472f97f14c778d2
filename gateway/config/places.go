// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// checkPlaces keeps apart what must never lie in one place: two buckets, and a
// store and any other file of the gateway. What lies in a store is the store's to
// replace, and a key that lies beside its ciphertext protects nothing.
func (d *decoder) checkPlaces(c *Config) {
	for i, b := range c.Buckets {
		for _, other := range c.Buckets[:i] {
			if overlap(c.place(b), c.place(other)) {
				d.faultAt("buckets."+b.Name, "E509", fmt.Sprintf("its ciphertext would lie in one place with that of %s", other.Name), "each bucket needs a place of its own")
			}
		}
	}
	for _, b := range c.Backends {
		if b.Kind == BackendDisk {
			d.checkDisk(c, b)
		}
	}
}

// checkDisk tells the first file that a disk store would hold, or lie in.
func (d *decoder) checkDisk(c *Config, b Backend) {
	path := "backends." + b.Name + ".dir"
	if within(c.DataDir, b.Dir) {
		d.faultAt(path, "E509", fmt.Sprintf("%s holds the data directory %s", b.Dir, c.DataDir), "take a directory of its own")
		return
	}
	for _, f := range c.otherFiles() {
		if within(f.path, b.Dir) || within(b.Dir, f.path) {
			d.faultAt(path, "E509", fmt.Sprintf("%s and %s (%s) must not lie in one another", b.Dir, f.path, f.what), "take a directory of its own")
			return
		}
	}
}

// place is where a bucket's ciphertext lies, in a form that is equal, or an
// ancestor, for places that overlap. "" is unknown.
func (c *Config) place(b Bucket) string {
	backend := c.Backend(b.Backend)
	switch {
	case backend == nil:
		return ""
	case backend.Kind == BackendDisk:
		return filepath.Join("/disk", backend.Dir, b.Bucket)
	case backend.Kind == BackendS3 && backend.Endpoint != "":
		return filepath.Join("/s3", authority(backend.Endpoint), b.Bucket)
	}
	return ""
}

// authority is the host and port of an endpoint in one spelling.
func authority(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// Shares gives the name of a bucket of c whose ciphertext would lie in one place
// with that of b, "" if there is none. A bucket of b's own name is one.
func (c *Config) Shares(b Bucket) string {
	for _, other := range c.Buckets {
		if other.Name == b.Name || overlap(c.place(b), c.place(other)) {
			return other.Name
		}
	}
	return ""
}

func overlap(a, b string) bool { return a != "" && b != "" && (within(a, b) || within(b, a)) }

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

type otherFile struct{ path, what string }

// otherFiles are the files and directories that must not meet a disk store.
func (c *Config) otherFiles() []otherFile {
	all := []otherFile{
		{c.LockFile(), "the lock"},
		{c.StateFile(), "the database"},
		{c.AuditDir(), "the audit log"},
		{c.AuthorityDir(), "the authority's keys"},
		{filepath.Dir(c.ControlSocket()), "the sockets"},
		{filepath.Join(c.DataDir, "keys"), "keys"},
		{c.Policy.File, "the policy"},
		{c.Identity.Files.Key, "the gateway's key"},
		{c.Identity.Files.Cert, "the gateway's certificate"},
		{c.Identity.Files.Bundle, "the trust bundle"},
		{c.Listeners.Session.TLS.Key, "the key of a listener"},
		{c.State.Postgres.Password.File, "the database's password"},
	}
	for _, k := range c.KEKs {
		all = append(all, otherFile{k.Keystore, "a keystore"}, otherFile{k.KeyFile, "a key file"}, otherFile{k.Passphrase.File, "a passphrase"})
	}
	for _, b := range c.Backends {
		all = append(all, otherFile{b.Credential.File, "a credential"})
	}
	named := all[:0]
	for _, f := range all {
		if f.path != "" {
			named = append(named, f)
		}
	}
	return named
}
