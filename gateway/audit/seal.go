// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// sealing is a segment that gets no more records.
type sealing struct {
	seg    *segment
	next   uint64 // first record of the next segment
	ledger ledger // as of the end of this one
}

// sealer takes segments off the committer's hands: nobody waits for it.
type sealer struct {
	notify chan struct{}

	mu    sync.Mutex
	tasks []sealing // guarded by mu
}

func newSealer() *sealer { return &sealer{notify: make(chan struct{}, 1)} }

func (s *sealer) hand(t sealing) {
	s.mu.Lock()
	s.tasks = append(s.tasks, t)
	s.mu.Unlock()
	signal(s.notify)
}

func (s *sealer) take() []sealing {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.tasks
	s.tasks = nil
	return out
}

// runSealer ends after the committer, with nothing left to seal but the last
// segment.
func (l *Log) runSealer() {
	for {
		select {
		case <-l.sealer.notify:
			l.sealAll()
		case <-l.stopped:
			l.sealAll()
			return
		}
	}
}

// sealAll treats a missing index as a nuisance (the next start makes it) and
// records that cannot be read back as a disk that cannot be trusted.
func (l *Log) sealAll() {
	for _, t := range l.sealer.take() {
		if errors.Is(l.cond.check(), ErrPoisoned) {
			return
		}
		err := l.disk.seal(t)
		switch {
		case err == nil:
			l.cond.warn("index", "")
		case transient(err):
			l.cond.warn("index", "no skip index for "+segmentName(t.seg.first)+": "+err.Error())
		default:
			l.poison(err)
		}
	}
}

// sealLast seals the segment that is open when the log is closed.
func (l *Log) sealLast() error {
	w := &l.writer
	g := w.ledger.clone()
	g.closed = true
	return l.disk.seal(sealing{seg: w.seg, next: w.next, ledger: g})
}

// seal cuts the reserved space off, closes the file and writes its index. A
// segment that an earlier process left is opened first.
func (s durable) seal(t sealing) (err error) {
	if t.seg.f == nil {
		if t.seg.f, err = s.open(segmentName(t.seg.first)); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, t.seg.f.Close()) }()
	s.at(pointSeal)
	if err := t.seg.f.Truncate(t.seg.off); err != nil {
		return fmt.Errorf("sealing %s: %w", segmentName(t.seg.first), err)
	}
	if err := t.seg.f.datasync(); err != nil {
		return fmt.Errorf("sealing %s: %w", segmentName(t.seg.first), &syncError{err})
	}
	b, err := buildIndex(t.seg.f, t.seg.first, t.seg.off, t.ledger)
	if err != nil {
		return err
	}
	name := indexName(t.seg.first)
	if err := s.replace(indexDir, name, b, steps{pointIndex, pointIndexRename, pointIndexRename}); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// buildIndex reads the records in the first size bytes of a segment.
func buildIndex(r io.ReaderAt, first uint64, size int64, g ledger) ([]byte, error) {
	b := newIndexBuilder(first)
	in := newLines(io.NewSectionReader(r, 0, size))
	var scratch []byte
	for {
		raw, err := in.next()
		if errors.Is(err, io.EOF) {
			return b.encode(g)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s again: %w", segmentName(first), err)
		}
		r, s, err := decodeRecord(raw, scratch)
		if err != nil {
			return nil, fmt.Errorf("reading record %d again: %w", b.head.Next, err)
		}
		scratch = s
		b.add(&r, int64(len(raw))+1)
	}
}
