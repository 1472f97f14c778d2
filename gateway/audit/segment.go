// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// reserveStep is how much space is zero-filled at once: little enough that no
// commit behind it waits long.
const reserveStep = 256 << 10

// segment is the file that records are appended to. Only the committer (and
// Open before it, Close after it) touches it.
type segment struct {
	f        file
	first    uint64
	off      int64 // behind the last durable record
	reserved int64 // zero-filled up to here
	begun    time.Time
}

var zeros [reserveStep]byte

func isExist(err error) bool { return errors.Is(err, fs.ErrExist) }

// beginSegment makes a segment that is durable itself and has room reserved.
func (s durable) beginSegment(first uint64, room int64, now time.Time) (*segment, error) {
	name := segmentName(first)
	s.at(pointCreate)
	f, err := s.create(name)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	g := &segment{f: f, first: first, begun: now}
	if err := s.settle(g, room); err != nil {
		// An empty segment would be harmless, but its space is wanted.
		return nil, errors.Join(fmt.Errorf("reserving %s: %w", name, err), f.Close(), s.remove(name))
	}
	return g, nil
}

// settle makes the new file, its space and its name durable before a record
// goes into it: commits then have no metadata to write.
func (s durable) settle(g *segment, room int64) error {
	if err := s.reserve(g, room); err != nil {
		return err
	}
	s.at(pointReserve)
	if err := g.f.datasync(); err != nil {
		return &syncError{err}
	}
	s.at(pointDirectory)
	return s.syncDir(segmentDir)
}

// reserve zero-fills g up to the offset upTo. A short write is undone, so
// that reserved always tells the truth.
func (s durable) reserve(g *segment, upTo int64) error {
	for g.reserved < upTo {
		n := min(int64(len(zeros)), upTo-g.reserved)
		written, err := g.f.WriteAt(zeros[:n], g.reserved)
		if err == nil && int64(written) < n {
			err = io.ErrShortWrite
		}
		if err != nil {
			return errors.Join(err, g.f.Truncate(g.reserved))
		}
		g.reserved += n
	}
	return nil
}

// syncError marks a failed fdatasync: the one error after which the file
// must not be touched again.
type syncError struct{ err error }

func (e *syncError) Error() string { return "fdatasync: " + e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

// lostError marks a segment whose path does not lead to it any more.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// append makes b durable behind the last record: one write, one fdatasync,
// one look at whether the file is still where readers will look for it.
func (s durable) append(g *segment, b []byte) error {
	s.at(pointWrite)
	n, err := g.f.WriteAt(b, g.off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	s.at(pointSync)
	if err := g.f.datasync(); err != nil {
		return &syncError{err}
	}
	if err := g.f.intact(); err != nil {
		return &lostError{err}
	}
	g.off += int64(len(b))
	g.reserved = max(g.reserved, g.off)
	return nil
}

// cut takes back everything behind the last good record, reserved space too.
func (s durable) cut(g *segment) error {
	s.at(pointCut)
	if err := g.f.Truncate(g.off); err != nil {
		return fmt.Errorf("cutting back to the last good record: %w", err)
	}
	g.reserved = g.off
	return nil
}

// transient reports whether an append that failed with err may be undone and
// tried again later. Everything else poisons: AUDIT.md "Fail closed".
func transient(err error) bool {
	if _, ok := errors.AsType[*syncError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*lostError](err); ok {
		return true
	}
	return noSpace(err) || errors.Is(err, io.ErrShortWrite)
}
