// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/certs"
)

var (
	// ErrEntry is wrapped by every error about an entry that may not be.
	ErrEntry = errors.New("bad registration entry")
	// ErrNoEntry is wrapped where no entry has the id.
	ErrNoEntry = errors.New("no such registration entry")
)

// Entry gives one SPIFFE ID to the callers that match all of its selectors
// (AUTHORITY.md §2). A nil or empty selector is not asked for. The names are those
// of entries.json.
type Entry struct {
	// ID names the entry: [a-z0-9-], at most 63 bytes. AddEntry draws one if empty.
	ID string `json:"id"`
	// SPIFFE is what callers get.
	SPIFFE certs.ID `json:"spiffe_id"`
	// UID and GID are the caller's effective user and primary group.
	UID *uint32 `json:"uid,omitempty"`
	GID *uint32 `json:"gid,omitempty"`
	// Unit is the whole cgroup path below /system.slice/, such as "train.service".
	Unit string `json:"unit,omitempty"`
	// Exec is the absolute path of the running file, ExecSHA256 its digest in
	// lower-case hex. Both only narrow a UID or Unit.
	Exec       string `json:"exec,omitempty"`
	ExecSHA256 string `json:"exec_sha256,omitempty"`
	// DNS names go into the certificate.
	DNS []string `json:"dns,omitempty"`
}

// facts are what is known of a caller. An empty string is unknown and matches no
// selector.
type facts struct {
	uid, gid         uint32
	unit, exec, hash string
}

// matchesIDs compares what the kernel recorded at connect.
func (e Entry) matchesIDs(f facts) bool {
	return (e.UID == nil || *e.UID == f.uid) && (e.GID == nil || *e.GID == f.gid)
}

// matchesProcess compares everything but the digest.
func (e Entry) matchesProcess(f facts) bool {
	return e.matchesIDs(f) && (e.Unit == "" || e.Unit == f.unit) && (e.Exec == "" || e.Exec == f.exec)
}

// matches is the whole comparison: every selector that is given must hold.
func (e Entry) matches(f facts) bool {
	return e.matchesProcess(f) && (e.ExecSHA256 == "" || e.ExecSHA256 == f.hash)
}

// needsProcess reports whether the process must be looked at to decide.
func (e Entry) needsProcess() bool { return e.Unit != "" || e.needsExec() }

func (e Entry) needsExec() bool { return e.Exec != "" || e.ExecSHA256 != "" }

// selectors counts them: more is more specific.
func (e Entry) selectors() int {
	n := 0
	for _, given := range []bool{e.UID != nil, e.GID != nil, e.Unit != "", e.Exec != "", e.ExecSHA256 != ""} {
		if given {
			n++
		}
	}
	return n
}

// sameGrant reports whether both give the same ID to the same callers.
func (e Entry) sameGrant(o Entry) bool {
	return e.SPIFFE == o.SPIFFE && equalPtr(e.UID, o.UID) && equalPtr(e.GID, o.GID) &&
		e.Unit == o.Unit && e.Exec == o.Exec && e.ExecSHA256 == o.ExecSHA256
}

// equal reports whether nothing differs.
func (e Entry) equal(o Entry) bool {
	return e.ID == o.ID && e.sameGrant(o) && slices.Equal(e.DNS, o.DNS)
}

func equalPtr(a, b *uint32) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// clone shares nothing with e, so that a caller cannot change an entry in force.
func (e Entry) clone() Entry {
	if e.UID != nil {
		e.UID = new(*e.UID)
	}
	if e.GID != nil {
		e.GID = new(*e.GID)
	}
	e.DNS = slices.Clone(e.DNS)
	return e
}

// grant is one identity that a caller is entitled to.
type grant struct {
	id      certs.ID
	hint    string // id of the most specific entry
	entries []string
	dns     []string // sorted, each once
}

// grants turns matching entries into identities, the most specific first (§2.3).
func grants(matched []Entry) []grant {
	slices.SortStableFunc(matched, func(a, b Entry) int { return cmp.Compare(b.selectors(), a.selectors()) })
	var out []grant
	for _, e := range matched {
		i := slices.IndexFunc(out, func(g grant) bool { return g.id == e.SPIFFE })
		if i < 0 {
			i = len(out)
			out = append(out, grant{id: e.SPIFFE, hint: e.ID})
		}
		out[i].entries = append(out[i].entries, e.ID)
		out[i].dns = append(out[i].dns, e.DNS...)
	}
	for i := range out {
		slices.Sort(out[i].dns)
		out[i].dns = slices.Compact(out[i].dns)
	}
	return out
}

// sameGrants reports whether a message for a would be one for b.
func sameGrants(a, b []grant) bool {
	return slices.EqualFunc(a, b, func(x, y grant) bool {
		return x.id == y.id && x.hint == y.hint && slices.Equal(x.entries, y.entries) && slices.Equal(x.dns, y.dns)
	})
}

// String describes who is selected and what they get, for messages.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", e.SPIFFE)
	if e.UID != nil {
		fmt.Fprintf(&b, " uid %d", *e.UID)
	}
	if e.GID != nil {
		fmt.Fprintf(&b, " gid %d", *e.GID)
	}
	for _, s := range []struct{ name, value string }{{"unit", e.Unit}, {"exec", e.Exec}, {"sha256", e.ExecSHA256}} {
		if s.value != "" {
			fmt.Fprintf(&b, " %s %q", s.name, s.value)
		}
	}
	return b.String()
}
