// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// fetch reads the intents that are still open from before the replayed part.
func (r *recovery) fetch() error {
	wanted := make(map[uint64]bool)
	for _, m := range []map[uint64]bool{r.hist.open, r.hist.unsettled} {
		for seq := range m {
			if _, ok := r.intents[seq]; !ok {
				wanted[seq] = true
			}
		}
	}
	for len(wanted) > 0 {
		seq := oldest(wanted)
		at, found := slices.BinarySearch(r.firsts, seq)
		if !found {
			at--
		}
		if err := r.fetchFrom(r.firsts[at], wanted); err != nil {
			return err
		}
		if wanted[seq] {
			return badRecord(r.firsts[at], seq, "the skip index calls it an open intent, which it is not")
		}
	}
	return nil
}

func (r *recovery) fetchFrom(first uint64, wanted map[uint64]bool) error {
	f, err := r.d.open(segmentName(first))
	if err != nil {
		return fmt.Errorf("opening a segment: %w", err)
	}
	defer closeRead(f)
	size, err := f.size()
	if err != nil {
		return fmt.Errorf("opening a segment: %w", err)
	}
	in := newLines(io.NewSectionReader(f, 0, size))
	for seq := first; ; seq++ {
		raw, err := in.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTail) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", segmentName(first), err)
		}
		if !wanted[seq] {
			continue
		}
		rec, _, err := decodeRecord(raw, nil)
		if err != nil || rec.Seq != seq || rec.Phase != PhaseIntent {
			return badRecord(first, seq, "the skip index calls it an open intent, which it is not")
		}
		r.intents[seq] = rec
		delete(wanted, seq)
	}
}
