// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"fmt"
)

// caller is whoever is at the other end of a connection. It lives as long as the
// connection does.
type caller struct {
	uid, gid uint32
	pid      int      // 0: not visible from here
	process  *process // nil: nothing but uid and gid is known
	fault    error    // not nil: nothing is answered on this connection
}

// close lets go of the process. Calls that are under way find it gone.
func (c *caller) close() {
	if c.process != nil {
		c.process.close()
	}
}

// entitled returns the entries that the caller matches now, and what was found out
// to decide. It looks at the process again each time, and only at what the entries
// ask for. An error means that the process is not the one that connected any more:
// then nothing it asks for may be answered.
func (c *caller) entitled(ctx context.Context, entries []Entry) ([]Entry, facts, error) {
	f := facts{uid: c.uid, gid: c.gid}
	if c.fault != nil {
		return nil, f, c.fault
	}
	entries = filter(entries, func(e Entry) bool { return e.matchesIDs(f) })
	if c.process == nil {
		return filter(entries, func(e Entry) bool { return e.matches(f) }), f, nil
	}
	f.unit, f.exec = c.process.unit(), c.process.execPath()
	entries = filter(entries, func(e Entry) bool { return e.matchesProcess(f) })
	if len(filter(entries, func(e Entry) bool { return e.ExecSHA256 != "" })) > 0 {
		var err error
		if f.hash, err = c.process.execHash(ctx); err != nil {
			f.hash = "" // matches no digest
		}
	}
	entries = filter(entries, func(e Entry) bool { return e.matches(f) })
	if err := c.process.confirm(entries); err != nil {
		return nil, f, err
	}
	return entries, f, nil
}

// public is what records say of the caller.
func (c *caller) public(f facts) *Caller {
	return &Caller{UID: c.uid, GID: c.gid, PID: c.pid, Unit: f.unit, Exec: f.exec}
}

// refusal tells a caller why it gets nothing. It holds only what the caller knows
// of itself.
func (c *caller) refusal(f facts) string {
	s := fmt.Sprintf("no registration entry matches uid %d, gid %d", c.uid, c.gid)
	if f.unit != "" {
		s += fmt.Sprintf(", unit %q", f.unit)
	}
	if f.exec != "" {
		s += fmt.Sprintf(", exec %q", f.exec)
	}
	return s + "; add one: sealgate certs entries add"
}

// filter makes a list of its own: entries is shared by all callers and in force.
func filter(entries []Entry, keep func(Entry) bool) []Entry {
	var out []Entry
	for _, e := range entries {
		if keep(e) {
			out = append(out, e)
		}
	}
	return out
}
