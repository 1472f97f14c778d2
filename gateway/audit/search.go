// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// SearchQuery filters records; empty fields match everything.
type SearchQuery struct {
	// Who is a glob over the actor, Path one over BUCKET/KEY: "*" matches
	// within a segment, "**" any number of segments.
	Who, Path string
	// Since (inclusive) and Until (exclusive) bound the record's time.
	Since, Until time.Time
	// Event matches the event exactly, or a group as in "artifact.*".
	Event string
	// Decision is allow or deny.
	Decision string
	// RequestID is ours or the client's.
	RequestID string
}

// Match is one record found.
type Match struct {
	Record Record
	Raw    []byte // the line as it is in the log, without newline; valid only during the call
	// Related marks a progress or outcome of an intent that matched; it says
	// who and what only by its "of".
	Related bool
}

// Search calls yield for each record of the log in dir that matches q, in
// order, until it returns false. It takes no lock and works on a log that is
// being written; it sees what was written when it came there. It checks no
// signature: that is Verify's work. A damaged record is an error.
func Search(dir string, q SearchQuery, yield func(Match) bool) error {
	s := newSearch(dir, q, yield)
	names, err := s.disk.list(segmentDir)
	if err != nil {
		return fmt.Errorf("searching %s: %w", dir, err)
	}
	if len(names) == 0 {
		return fmt.Errorf("searching %s: no audit log is there", dir)
	}
	firsts, err := parseSegments(names)
	for i := 0; err == nil && i < len(firsts) && !s.stop; i++ {
		if s.skip(firsts[i]) {
			continue
		}
		s.newest = i == len(firsts)-1
		err = s.segment(firsts[i])
	}
	if err != nil {
		return fmt.Errorf("searching %s: %w", dir, err)
	}
	return nil
}

type search struct {
	disk  osDisk
	q     SearchQuery
	yield func(Match) bool
	stop  bool

	newest bool // the segment being searched is the newest known

	who, path *glob
	tokens    []uint64        // all must be in a segment's index
	needles   [][]byte        // all must be in a line that matches
	followed  map[uint64]bool // intents that matched and have no outcome yet
	scratch   []byte
}

func newSearch(dir string, q SearchQuery, yield func(Match) bool) *search {
	s := &search{
		disk: osDisk{root: dir}, q: q, yield: yield,
		who: newGlob(q.Who), path: newGlob(q.Path), followed: make(map[uint64]bool),
	}
	s.plan()
	return s
}

// plan derives what lets segments and lines be passed over undecoded.
func (s *search) plan() {
	s.glob(tokenActor, s.who)
	s.glob(tokenPath, s.path)
	if s.q.RequestID != "" {
		s.tokens = append(s.tokens, token(tokenRequest, s.q.RequestID))
		s.needle(s.q.RequestID)
	}
	if s.q.Event != "" && !strings.HasSuffix(s.q.Event, "*") {
		s.tokens = append(s.tokens, token(tokenEvent, s.q.Event))
		s.needle(s.q.Event)
	}
	if s.q.Decision != "" {
		s.tokens = append(s.tokens, token(tokenDeny, s.q.Decision))
		s.needle(s.q.Decision)
	}
}

// glob adds what every match of g must have in its index and in its line.
func (s *search) glob(kind byte, g *glob) {
	if g == nil {
		return
	}
	prefix, whole := g.literal()
	if prefix == "" {
		return
	}
	if strings.Count(prefix, "/") < filterDepth {
		s.tokens = append(s.tokens, token(kind, prefix))
	}
	// Bucket and key are two fields: only the key's part, or the bucket, is
	// certain to be in the line as it stands.
	if kind == tokenPath {
		if bucket, key, ok := strings.Cut(prefix, "/"); ok && whole {
			prefix = key
		} else {
			prefix = bucket
		}
	}
	s.needle(prefix)
}

// needle adds text as the encoder writes it inside a string.
func (s *search) needle(text string) {
	quoted := appendString(nil, text)
	s.needles = append(s.needles, quoted[1:len(quoted)-1])
}

// skip reports whether the segment's index excludes every match.
func (s *search) skip(first uint64) bool {
	if len(s.followed) > 0 {
		return false // an outcome may be there
	}
	b, err := s.disk.read(indexName(first))
	if err != nil {
		return false
	}
	x, err := decodeIndex(b, first)
	if err != nil {
		return false
	}
	if !s.q.Since.IsZero() && x.Latest.Before(s.q.Since) || !s.q.Until.IsZero() && !x.Earliest.Before(s.q.Until) {
		return true
	}
	return slices.ContainsFunc(s.tokens, func(t uint64) bool { return !x.filter.has(t) })
}

// segment stops at the first thing that is no whole line: reserved space, or a
// batch being written. Whether more is wrong there, Verify says.
func (s *search) segment(first uint64) error {
	f, err := os.Open(s.disk.path(segmentName(first)))
	if err != nil {
		return err
	}
	defer closeRead(f)
	in := newLines(f)
	for seq := first; !s.stop; seq++ {
		raw, err := in.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTail) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.line(raw); err != nil {
			if s.newest && locked(s.disk.root) {
				return nil // being written
			}
			return badRecord(first, seq, err.Error())
		}
	}
	return nil
}

// line yields a match, and later what belongs to it.
func (s *search) line(raw []byte) error {
	if !s.possible(raw) {
		return nil
	}
	r, scratch, err := decodeRecord(raw, s.scratch)
	s.scratch = scratch
	if err != nil {
		return err
	}
	related := s.followed[r.Of] && r.Of != 0
	if !related && !s.matches(&r) {
		return nil
	}
	switch r.Phase {
	case PhaseIntent:
		s.followed[r.Seq] = true
	case PhaseOutcome:
		if r.Reconciled != ReconciledPending {
			delete(s.followed, r.Of)
		}
	}
	s.stop = !s.yield(Match{Record: r, Raw: raw, Related: related})
	return nil
}

// possible is the cheap look at a line before it is decoded.
func (s *search) possible(raw []byte) bool {
	if len(s.followed) > 0 && bytes.Contains(raw, []byte(`,"of":`)) {
		return true
	}
	for _, n := range s.needles {
		if !bytes.Contains(raw, n) {
			return false
		}
	}
	return true
}

func (s *search) matches(r *Record) bool {
	q := &s.q
	switch {
	case !q.Since.IsZero() && r.Time.Before(q.Since), !q.Until.IsZero() && !r.Time.Before(q.Until):
		return false
	case q.Decision != "" && r.Decision != q.Decision:
		return false
	case q.RequestID != "" && r.RequestID != q.RequestID && r.ClientRequestID != q.RequestID:
		return false
	case !matchEvent(q.Event, r.Event), !s.who.match(r.Actor):
		return false
	}
	return s.path.match(r.Path()) || slices.ContainsFunc(r.Denied, func(d string) bool { return s.path.match(deniedPath(d)) })
}

func matchEvent(pattern, event string) bool {
	if group, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(event, group)
	}
	return pattern == "" || pattern == event
}
