// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// check looks for what only the whole shows. It also runs when single values had
// faults, so that one run tells them all; what those values would have been is
// not guessed at.
func (d *decoder) check(c *Config) {
	d.checkIdentity(c)
	d.checkListeners(c)
	d.checkSessions(c)
	d.checkBuckets(c)
	d.checkOnDemand(c)
	d.checkPlaces(c)
	d.checkKEKs(c)
	d.checkKeyrings(c)
}

func (d *decoder) checkIdentity(c *Config) {
	if c.TrustDomain.IsZero() && !d.isGiven("trust_domain") {
		d.root.Fault(d.faults, "E007", `"trust_domain" is missing`, "only the built-in authority has one of its own")
	}
	id := c.Identity.Workload.ID
	if id.IsZero() || c.TrustDomain.IsZero() {
		return
	}
	if id.TrustDomain() != c.TrustDomain || id.Path() == "" {
		d.faultAt("identity.workload.id", "E503", fmt.Sprintf("%s is not a workload of trust domain %s", id, c.TrustDomain), "")
	}
}

func (d *decoder) checkListeners(c *Config) {
	l := c.Listeners
	taken := []struct{ path, address string }{
		{"listeners.s3_mtls.address", l.S3.Address},
		{"listeners.control.address", l.Control.Address},
		{"listeners.metrics.address", l.Metrics.Address},
	}
	if l.Session.Enabled {
		taken = append(taken, struct{ path, address string }{"listeners.s3_session_keys.address", l.Session.Address})
	}
	for i, a := range taken {
		for _, b := range taken[:i] {
			if collide(a.address, b.address) {
				d.faultAt(a.path, "E504", fmt.Sprintf("%s is taken by %s", a.address, b.path), "")
			}
		}
	}
}

// collide reports whether both cannot be listened on: one port on one host, or on
// all hosts. Port 0 is another one each time.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || everywhere(hostA) || everywhere(hostB)
}

func everywhere(host string) bool { return host == "0.0.0.0" || host == "::" }

func (d *decoder) checkBuckets(c *Config) {
	if n := d.given["buckets"]; len(c.Buckets) == 0 && (n == nil || n.Kind == strictyaml.Map) {
		d.root.Fault(d.faults, "E007", "no bucket is defined", `give "buckets", with the backend of each`)
	}
	for _, b := range c.Buckets {
		if b.Backend != "" && c.Backend(b.Backend) == nil {
			d.undefined("buckets."+b.Name+".backend", "backend", b.Backend, names(c.Backends, func(x Backend) string { return x.Name }))
		}
	}
	if c.System.Bucket != "" && c.Bucket(c.System.Bucket) == nil {
		d.undefined("system.bucket", "bucket", c.System.Bucket, bucketNames(c))
	}
	for _, b := range c.Backends {
		d.checkCredential(b)
	}
}

// checkOnDemand fills in what there is only one of. Switched off, nothing of it is
// looked at but what it names.
func (d *decoder) checkOnDemand(c *Config) {
	o := &c.OnDemand
	backends := names(c.Backends, func(x Backend) string { return x.Name })
	if o.Enabled && o.Backend == "" && len(backends) == 1 {
		o.Backend = backends[0]
	}
	if o.Enabled && o.KEK == "" && len(c.KEKs) == 1 {
		o.KEK = c.KEKs[0].Name
	}
	switch {
	case o.Backend != "" && c.Backend(o.Backend) == nil:
		d.undefined("buckets_on_demand.backend", "backend", o.Backend, backends)
	case o.Enabled && o.Backend == "":
		d.faultAt("buckets_on_demand", "E007", `"backend" is missing`, "with several backends it has to say which one holds the buckets")
	}
	switch {
	case o.KEK != "" && c.KEK(o.KEK) == nil:
		d.undefined("buckets_on_demand.kek", "kek", o.KEK, kekNames(c))
	case o.Enabled && o.KEK == "":
		d.faultAt("buckets_on_demand", "E007", `"kek" is missing`, "with several keks it has to say which one wraps the keyrings")
	}
}

func (d *decoder) checkCredential(b Backend) {
	path := "backends." + b.Name + ".credential"
	n := d.given[path]
	if n == nil || n.Kind != strictyaml.Map || (b.Credential.File == "") == b.Credential.Instance {
		return
	}
	d.faultAt(path, "E515", "one of file and instance is wanted", "write {file: PATH} or {instance: true}")
}

func (d *decoder) undefined(path, what, name string, defined []string) {
	d.faultAt(path, "E508", fmt.Sprintf("no %s %q is defined", what, name), strictyaml.DidYouMean(name, defined))
}

func names[T any](list []T, name func(T) string) []string {
	var all []string
	for _, x := range list {
		all = append(all, name(x))
	}
	return all
}

func bucketNames(c *Config) []string {
	return names(c.Buckets, func(b Bucket) string { return b.Name })
}
func kekNames(c *Config) []string { return names(c.KEKs, func(k KEK) string { return k.Name }) }

func (d *decoder) checkKEKs(c *Config) {
	if len(c.KEKs) == 0 {
		d.faultAt("keks", "E007", "no KEK is defined", `leave "keks" out for a local one`)
	}
	for i, k := range c.KEKs {
		if d.isGiven("keks."+k.Name+".key_file") && d.isGiven("keks."+k.Name+".passphrase") {
			d.faultAt("keks."+k.Name+".passphrase", "E515", "one of key_file and passphrase opens the keystore, not both", "")
		}
		for _, other := range c.KEKs[:i] {
			if k.Keystore == other.Keystore {
				d.faultAt("keks."+k.Name+".keystore", "E509", fmt.Sprintf("%s is the keystore of %s already", k.Keystore, other.Name), "")
				break
			}
		}
	}
}

func (d *decoder) checkKeyrings(c *Config) {
	if c.Keyrings == nil && len(c.KEKs) > 1 {
		d.root.Fault(d.faults, "E007", `"keyrings" is missing`, "with several keks it has to say which one protects what")
		return
	}
	whole := map[string]bool{} // buckets with a keyring of their own
	var seen []string
	for i, k := range c.Keyrings {
		bucket, prefix, _ := strings.Cut(k.Scope, "/")
		path := keyringPath(i)
		switch {
		case !isScope(k.Scope):
			d.atKeyring(path, "E510", fmt.Sprintf("%q is not a scope", k.Scope), "write BUCKET/ or BUCKET/PREFIX/")
		case slices.Contains(seen, k.Scope):
			d.atKeyring(path, "E510", fmt.Sprintf("scope %s has a keyring already", k.Scope), "")
		case c.Bucket(bucket) == nil:
			d.atKeyring(path, "E508", fmt.Sprintf("scope %s: no bucket %q is defined", k.Scope, bucket), strictyaml.DidYouMean(bucket, bucketNames(c)))
		case prefix == "":
			whole[bucket] = true
		}
		seen = append(seen, k.Scope)
		if k.KEK != "" && c.KEK(k.KEK) == nil {
			d.atKeyring(path+".kek", "E508", fmt.Sprintf("no kek %q is defined", k.KEK), strictyaml.DidYouMean(k.KEK, kekNames(c)))
		}
	}
	for _, b := range c.Buckets {
		if c.Keyrings != nil && !whole[b.Name] {
			d.faultAt("keyrings", "E511", fmt.Sprintf("paths of %s/ have no keyring", b.Name), fmt.Sprintf("add {scope: %s/, kek: NAME}", b.Name))
		}
	}
}

// atKeyring places a fault at a node that keyrings has kept.
func (d *decoder) atKeyring(path, code, text, hint string) {
	n := d.given[path]
	if n == nil {
		n = d.root
	}
	n.Fault(d.faults, code, text, hint)
}

// isScope: a bucket, then whole segments, each as a key may have it; .sealgate is the
// gateway's own.
func isScope(s string) bool {
	rest, ended := strings.CutSuffix(s, "/")
	if !ended || len(s) > 1024 || !utf8.ValidString(s) {
		return false
	}
	segments := strings.Split(rest, "/")
	for _, seg := range segments {
		if seg == "" || seg == "." || seg == ".." || strings.ContainsRune(seg, 0) {
			return false
		}
	}
	return len(segments) == 1 || segments[1] != ".sealgate"
}
