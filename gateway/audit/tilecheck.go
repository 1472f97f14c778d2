// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// tile compares a complete tile with the file, if the checkpoint covers it.
func (c *check) tile(t tile) error {
	if end := (t.n + 1) << (tileHeight * (t.level + 1)); end > c.size() || c.suspect != nil {
		return nil //nolint:nilerr // the first suspect is enough, and no verdict yet
	}
	b, err := c.disk.read(t.path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errRead, err)
	}
	c.compareTile(t, b)
	return nil
}

// partials compares the tiles that are not full at the checkpoint's size.
func (c *check) partials() error {
	for _, t := range c.hist.tree.partial() {
		if c.suspect == nil {
			c.compareTile(t, c.partial[t.path()])
		}
	}
	return nil
}

// compareTile keeps the first difference. Of a leaf tile it names the record.
func (c *check) compareTile(t tile, got []byte) {
	if bytes.Equal(got, t.data()) {
		return
	}
	f := &Fault{File: t.path(), What: "it is missing, cut, or not of these records"}
	if t.level == 0 {
		if i := firstDifference(t.hashes, got); i >= 0 {
			seq := t.n*tileWidth + uint64(i)
			f.Record = &seq
		}
	}
	c.suspect = f
}

// firstDifference is the index of the first hash that got has otherwise; -1
// if got only ends too early or is no tile.
func firstDifference(hashes []tlog.Hash, got []byte) int {
	return slices.IndexFunc(hashes[:min(len(hashes), len(got)/tlog.HashSize)], func(h tlog.Hash) bool {
		same := bytes.Equal(h[:], got[:tlog.HashSize])
		got = got[tlog.HashSize:]
		return !same
	})
}

// earliest returns what is wrong first: err, or a record before it whose hash is
// not the one in its tile.
func (c *check) earliest(err error) error {
	f, ok := asFault(err)
	if !ok {
		return err
	}
	c.leaves()
	s := c.suspect
	if s == nil || s.Record == nil || f.Record != nil && *f.Record <= *s.Record {
		return f
	}
	return badRecord(c.segmentOf(*s.Record), *s.Record, "it was changed: its hash is not the one in "+s.File)
}

// leaves compares the records of the leaf tile that is being filled.
func (c *check) leaves() {
	if c.suspect != nil || len(c.hist.tree.edge) == 0 || len(c.hist.tree.edge[0]) == 0 {
		return
	}
	n := c.hist.tree.size / tileWidth
	width := min(c.size()-min(c.size(), n*tileWidth), tileWidth)
	t := tile{n: n, hashes: make([]tlog.Hash, width)}
	got := c.partial[t.path()]
	if width == tileWidth {
		got, _ = c.disk.read(t.path()) // without the tile there is no more to learn
	}
	if i := firstDifference(c.hist.tree.edge[0], got); i >= 0 {
		seq := n*tileWidth + uint64(i)
		c.suspect = &Fault{File: t.path(), Record: &seq}
	}
}

// segmentOf is the first record of the segment that holds seq.
func (c *check) segmentOf(seq uint64) uint64 {
	firsts, err := c.segments()
	if err != nil {
		return 0
	}
	at, found := slices.BinarySearch(firsts, seq)
	if !found {
		at--
	}
	return firsts[max(at, 0)]
}

// judge decides about what stands behind the last whole record of a segment.
func (c *check) judge(f io.ReaderAt, good int64, bad error) error {
	if c.written() && errors.Is(bad, errTail) {
		return nil
	}
	size, err := sizeOf(f)
	if err != nil {
		return err
	}
	t, err := judgeTail(f, good, size)
	switch {
	case err == nil && t.bytes == 0:
		return nil // reserved space
	case err == nil && c.last && (good == 0 || !c.hist.closed) && c.size() <= c.hist.tree.size:
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(
			"%d bytes behind record %d are a batch that was never acknowledged: the process was killed; the next start cuts them off",
			t.bytes, c.hist.tree.size-1))
		return nil
	case !errors.Is(bad, errTail) || err == nil:
		err = bad
	}
	return badRecord(c.first, c.hist.tree.size, err.Error())
}

func sizeOf(r io.ReaderAt) (int64, error) {
	type statter interface{ Stat() (fs.FileInfo, error) }
	st, err := r.(statter).Stat()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errRead, err)
	}
	return st.Size(), nil
}

// compareIndex rebuilds the skip index of a sealed segment: one that hides
// records from Search is damage too.
func (c *check) compareIndex() error {
	if c.written() {
		return nil // it may be sealed just now
	}
	name := indexName(c.first)
	got, err := c.disk.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		if !c.last && !c.report.Live {
			c.report.Notes = append(c.report.Notes, name+" is missing; the next start makes it again")
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errRead, err)
	}
	want, err := c.index.encode(c.hist.ledger)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return c.earliest(&Fault{File: name, What: "it is not the index of its segment; delete it: the next start makes it again"})
	}
	return nil
}

// conclude checks what can only be known at the end.
func (c *check) conclude() error {
	size := c.hist.tree.size
	switch {
	case size == 0 && len(c.note) == 0:
		return &Fault{File: segmentDir, What: "no records are here"}
	case c.size() > size:
		return c.earliest(&Fault{File: segmentDir, What: fmt.Sprintf("the checkpoint signs %d records, %d are here: the others were cut off or deleted", c.size(), size)})
	case c.since.size > size:
		return &Fault{What: fmt.Sprintf("the checkpoint kept from before signs %d records, %d are here: the others were cut off", c.since.size, size)}
	case c.cp.epoch > c.hist.epoch:
		return &Fault{File: checkpointName, What: fmt.Sprintf("it is of start %d, the records end in start %d", c.cp.epoch, c.hist.epoch)}
	case len(c.note) == 0 && (size > c.hist.epoch || c.hist.closed):
		return &Fault{File: checkpointName, What: "it is missing"}
	}
	return registered(c.o.Registered, c.hist.uuid, c.hist.pub, c.hist.epoch)
}

// fillReport also runs after a fault: how far the check came is worth knowing.
func (c *check) fillReport() {
	r := &c.report
	r.Log, r.Records, r.Epoch = c.hist.uuid, c.hist.tree.size, c.hist.epoch
	r.Open, r.Unsettled = len(c.hist.open), len(c.hist.unsettled)
	r.Unsigned = r.Records - min(r.Records, c.proven)
	if r.Unsigned > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the newest %s not signed yet", plural(r.Unsigned, "record is", "records are")))
	}
	if len(c.o.Registered) == 0 {
		r.Notes = append(r.Notes, "the key is the one that the log itself names: give the registered one to notice a log replaced as a whole")
	}
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
