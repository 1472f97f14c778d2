// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/certs"
)

const (
	maxEntries  = 4096
	maxDNS      = 16         // names of one entry
	maxExecPath = 4095       // bytes, PATH_MAX without its NUL
	maxUnit     = 1024       // bytes
	nobodyID    = 65534      // the user that unmapped users of a user namespace are shown as
	gatewayPath = "/gateway" // the gateway's own identity
)

var (
	entryID   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
	// unitPath is a cgroup path below /system.slice/: slices, then one unit that can
	// hold processes. systemd escapes what is not of these bytes.
	unitPath = regexp.MustCompile(`^([A-Za-z0-9:_.\\@-]+\.slice/)*[A-Za-z0-9:_.\\@-]+\.(service|scope)$`)
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	digits   = regexp.MustCompile(`^[0-9]+$`)
)

// checkEntry holds e to AUTHORITY.md §2.1. The error wraps ErrEntry.
func (a *Authority) checkEntry(e Entry) error {
	checks := []func(Entry) error{checkEntryID, a.checkSPIFFE, checkSelectors, checkExec, a.checkNames, a.host.check}
	for _, check := range checks {
		if err := check(e); err != nil {
			return fmt.Errorf("%w: %w", ErrEntry, err)
		}
	}
	return nil
}

// checkEntryID: the id is shown in tables, records and hints, and typed by people.
func checkEntryID(e Entry) error {
	if !entryID.MatchString(e.ID) {
		return fmt.Errorf("its id %q is not of [a-z0-9-], at most 63 bytes", e.ID)
	}
	return nil
}

// checkSPIFFE: a workload with the gateway's own identity could pose as it.
func (a *Authority) checkSPIFFE(e Entry) error {
	switch {
	case e.SPIFFE.IsZero():
		return errors.New("it names no SPIFFE ID")
	case e.SPIFFE.TrustDomain() != a.cfg.TrustDomain:
		return fmt.Errorf("%s is not in this authority's trust domain %s", e.SPIFFE, a.cfg.TrustDomain)
	case e.SPIFFE.Path() == "":
		return fmt.Errorf("%s names the trust domain itself; give it a path", e.SPIFFE)
	case e.SPIFFE.Path() == gatewayPath:
		return fmt.Errorf("%s is the gateway's own identity", e.SPIFFE)
	}
	return nil
}

// checkSelectors: an entry must have a boundary, and it must select somebody.
func checkSelectors(e Entry) error {
	if err := checkNumbers(e); err != nil {
		return err
	}
	bounded := e.UID != nil || e.Unit != ""
	switch {
	case e.selectors() == 0:
		return errors.New("it selects nobody in particular; give a uid, gid or unit")
	case e.needsExec() && !bounded:
		return errors.New("exec and exec_sha256 only narrow an entry with a uid or unit; give one")
	case !bounded && *e.GID == 0:
		return errors.New("gid 0 alone selects too much; give a uid or unit too")
	case e.Unit != "" && (len(e.Unit) > maxUnit || !unitPath.MatchString(e.Unit)):
		return fmt.Errorf("unit %q is not the path of a unit below /system.slice/, such as train.service or system-train.slice/train@7.service", e.Unit)
	}
	return nil
}

// checkNumbers: an entry for nobody would be one for every user that a container's
// user namespace leaves unmapped.
func checkNumbers(e Entry) error {
	for _, id := range []struct {
		name  string
		value *uint32
	}{{"uid", e.UID}, {"gid", e.GID}} {
		if id.value != nil && (*id.value == nobodyID || *id.value == math.MaxUint32) {
			return fmt.Errorf("%s %d stands for nobody: users that the kernel cannot name are shown as it", id.name, *id.value)
		}
	}
	return nil
}

// checkExec refuses paths that /proc/PID/exe never shows, which would match nobody
// and look as if they did.
func checkExec(e Entry) error {
	if e.ExecSHA256 != "" && !sha256Hex.MatchString(e.ExecSHA256) {
		return errors.New("exec_sha256 is not 64 lower-case hex digits")
	}
	if e.Exec == "" {
		return nil
	}
	if !filepath.IsAbs(e.Exec) || filepath.Clean(e.Exec) != e.Exec || len(e.Exec) > maxExecPath || strings.ContainsAny(e.Exec, "\x00\n") {
		return fmt.Errorf("exec %q is not an absolute, clean path", e.Exec)
	}
	// A file that is not there yet may be installed later.
	if target, err := filepath.EvalSymlinks(e.Exec); err == nil && target != e.Exec {
		return fmt.Errorf("exec %q goes through a symbolic link and would never match; name %q", e.Exec, target)
	}
	return nil
}

// checkNames: a workload with a name of the gateway could pose as it to clients
// that check the name and not the SPIFFE ID.
func (a *Authority) checkNames(e Entry) error {
	if len(e.DNS) > maxDNS {
		return fmt.Errorf("%d DNS names; at most %d are allowed", len(e.DNS), maxDNS)
	}
	for _, name := range e.DNS {
		if err := checkDNS(name); err != nil {
			return err
		}
		if slices.Contains(a.cfg.GatewayDNS, name) {
			return fmt.Errorf("DNS name %q is the gateway's own", name)
		}
	}
	return nil
}

// checkDNS takes host names in their one spelling.
func checkDNS(name string) error {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !dnsLabel.MatchString(label) {
			return fmt.Errorf("%q is not a DNS name in lower case; wildcards and a final dot are not allowed", name)
		}
	}
	if len(name) > 253 || digits.MatchString(labels[len(labels)-1]) {
		return fmt.Errorf("%q is too long for a DNS name, or an address", name)
	}
	return nil
}

// checkEntries holds a whole set to the rules, as at load.
func (a *Authority) checkEntries(entries []Entry) error {
	if len(entries) > maxEntries {
		return fmt.Errorf("%w: %d entries; at most %d are allowed", ErrEntry, len(entries), maxEntries)
	}
	for i, e := range entries {
		if err := a.checkEntry(e); err != nil {
			return fmt.Errorf("entry %s: %w", e.ID, err)
		}
		if err := checkUnique(entries[:i], e); err != nil {
			return err
		}
	}
	return nil
}

// checkUnique: two entries that say the same would make a deletion look done that is
// not.
func checkUnique(others []Entry, e Entry) error {
	for _, o := range others {
		if o.ID == e.ID {
			return fmt.Errorf("%w: id %s is in use", ErrEntry, e.ID)
		}
		if o.sameGrant(e) {
			return fmt.Errorf("%w: entry %s already gives %s", ErrEntry, o.ID, e)
		}
	}
	return nil
}

// gatewayID is the identity of the gateway itself.
func gatewayID(td certs.TrustDomain) (certs.ID, error) { return td.Join(gatewayPath) }
