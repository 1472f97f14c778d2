// SPDX-License-Identifier: Apache-2.0

package audit

import "fmt"

// Fault is the first thing that is wrong with a log. It wraps ErrIntegrity.
type Fault struct { //nolint:errname // a fault of a log, which happens to be an error too
	File   string  `json:"file,omitempty"`   // relative to the log's directory
	Record *uint64 `json:"record,omitempty"` // number of the first bad record, when one can be named
	What   string  `json:"what"`
}

// Error is one line: where, and what is wrong.
func (f *Fault) Error() string {
	switch {
	case f.Record != nil:
		return fmt.Sprintf("record %d in %s: %s", *f.Record, f.File, f.What)
	case f.File != "":
		return f.File + ": " + f.What
	}
	return f.What
}

// Unwrap makes errors.Is(err, ErrIntegrity) true.
func (f *Fault) Unwrap() error { return ErrIntegrity }

// badRecord is a fault of record seq of the segment that begins with first.
func badRecord(first, seq uint64, what string) *Fault {
	return &Fault{File: segmentName(first), Record: &seq, What: what}
}
