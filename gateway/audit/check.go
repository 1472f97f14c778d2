// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// check is one run of Verify. It reads with os alone and writes nothing.
type check struct {
	disk   osDisk
	o      VerifyOptions
	report Report

	hist  history
	index *indexBuilder
	first uint64 // of the segment that is being read
	last  bool   // it is the newest one known

	note    []byte            // the checkpoint, as read at the beginning
	partial map[string][]byte // the partial tiles it needs
	cp      checkpoint        // valid once opened
	since   checkpoint
	opened  bool   // the checkpoints' signatures have been checked
	proven  uint64 // the signed root at this size is the one of the records
	suspect *Fault // a tile that does not fit the records: which of them is wrong, the signed root says
}

// newCheck looks once whether a gateway is writing: what is then allowed at the
// tail would be damage in a log at rest.
func newCheck(dir string, o VerifyOptions) *check {
	c := &check{disk: osDisk{root: dir}, o: o, partial: make(map[string][]byte)}
	c.hist.ledger = newLedger()
	c.hist.tree.full = c.tile
	c.report.Live = locked(dir)
	return c
}

func asFault(err error) (*Fault, bool) { return errors.AsType[*Fault](err) }

// run walks all segments in order. The first fault ends it: what is behind a
// fault cannot be judged, since numbers, batches and tree go on from it.
func (c *check) run() error {
	if err := c.snapshot(); err != nil {
		return err
	}
	firsts, err := c.segments()
	if err != nil {
		return err
	}
	for i := 0; i < len(firsts); i++ {
		if at := c.hist.tree.size; firsts[i] != at {
			return c.earliest(&Fault{
				File: segmentName(firsts[i]), Record: &at,
				What: fmt.Sprintf("records %d to %d are missing before this segment", at, firsts[i]-1),
			})
		}
		c.first, c.last = firsts[i], i == len(firsts)-1
		if err := c.segment(); err != nil {
			return err
		}
		c.report.Segments++
		if c.last && c.report.Live && c.hist.tree.size < c.size() {
			// The writer has begun another one meanwhile.
			if firsts, err = c.segments(); err != nil {
				return err
			}
		}
	}
	return c.conclude()
}

// segments lists the segments. That none are there is damage only where a log
// was.
func (c *check) segments() ([]uint64, error) {
	names, err := c.disk.list(segmentDir)
	if err != nil {
		return nil, fmt.Errorf("listing segments: %w", err)
	}
	if len(names) == 0 && c.nothing() {
		return nil, errors.New("no audit log is there")
	}
	if len(names) == 0 {
		return nil, &Fault{File: segmentDir, What: "no segments are here"}
	}
	return parseSegments(names)
}

// nothing tells a wrong path from a log whose segments are gone.
func (c *check) nothing() bool {
	_, err := os.Lstat(c.disk.path(keyName))
	return c.note == nil && errors.Is(err, fs.ErrNotExist)
}

// snapshot reads the checkpoint and the partial tiles that belong to it. A
// running gateway replaces both each second.
func (c *check) snapshot() error {
	for try := 0; ; try++ {
		note, err := c.disk.read(checkpointName)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reading the checkpoint: %w", err)
		}
		c.note = note
		clear(c.partial)
		whole, err := c.readPartials()
		if err != nil {
			return err
		}
		again, _ := c.disk.read(checkpointName) // a difference, also by error, is all that matters
		if whole && bytes.Equal(note, again) || !c.report.Live || try == 20 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// readPartials is false if a tile is missing. The size in the checkpoint is
// not verified yet: it only says which files to read.
func (c *check) readPartials() (bool, error) {
	whole := true
	for level, size := 0, c.size(); size > 0; level, size = level+1, size/tileWidth {
		width := size % tileWidth
		if width == 0 {
			continue
		}
		name := tile{level: level, n: size / tileWidth, hashes: make([]tlog.Hash, width)}.path()
		b, err := c.disk.read(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			whole = false
		case err != nil:
			return false, fmt.Errorf("reading %s: %w", name, err)
		default:
			c.partial[name] = b
		}
	}
	return whole, nil
}

// size is what the checkpoint claims to cover, 0 if there is none.
func (c *check) size() uint64 {
	if c.opened {
		return c.cp.size
	}
	parts := bytes.SplitN(c.note, []byte("\n"), 4)
	if len(parts) < 4 {
		return 0
	}
	cp, err := parseCheckpoint(string(bytes.Join(parts[:3], []byte("\n"))) + "\n")
	if err != nil {
		return 0
	}
	return cp.size
}

// segment checks one file.
func (c *check) segment() error {
	f, err := os.Open(c.disk.path(segmentName(c.first)))
	if err != nil {
		return fmt.Errorf("opening a segment: %w", err)
	}
	defer closeRead(f)
	c.index = newIndexBuilder(c.first)
	good, bad := c.replay(f)
	if errors.Is(bad, errRead) || errors.Is(bad, ErrIntegrity) {
		return bad
	}
	if bad != nil {
		if err := c.judge(f, good, bad); err != nil {
			return c.earliest(err)
		}
	}
	return c.compareIndex()
}

// written reports whether a gateway may be writing the segment being read.
func (c *check) written() bool { return c.last && c.report.Live }

// replay checks whole records and stops at what is none.
func (c *check) replay(f *os.File) (int64, error) {
	in := newLines(io.NewSectionReader(f, 0, 1<<62))
	for tries := 0; ; {
		good := in.off
		raw, err := in.next()
		switch {
		case err == nil:
			err = c.record(raw)
		case !errors.Is(err, errTail) && !errors.Is(err, io.EOF):
			err = fmt.Errorf("%w: %w", errRead, err)
		}
		switch {
		case err == nil:
			tries = 0
		case errors.Is(err, errRead), errors.Is(err, ErrIntegrity):
			return good, err
		case c.written() && tries < 5 && c.unfinished(err):
			// The writer may have been in the middle of this line.
			tries++
			time.Sleep(20 * time.Millisecond)
			in = newLines(io.NewSectionReader(f, good, 1<<62))
			in.off = good
		case errors.Is(err, io.EOF):
			return good, nil
		default:
			return good, err
		}
	}
}

// unfinished reports whether reading again may show more that is wanted.
func (c *check) unfinished(err error) bool {
	tail := errors.Is(err, errTail) || errors.Is(err, io.EOF)
	return !tail || c.hist.tree.size < c.size()
}

// record replays one line. Signatures can be checked only now: the key to check
// them with is named by record 0 (and compared with the registered one).
func (c *check) record(raw []byte) error {
	r, err := c.hist.add(raw)
	if err != nil {
		return err
	}
	c.index.add(&r, int64(len(raw))+1)
	if c.hist.tree.size%4096 == 0 {
		c.o.Progress(c.hist.tree.size)
	}
	if !c.opened {
		if err := c.openCheckpoints(); err != nil {
			return err
		}
	}
	return c.anchors()
}

// openCheckpoints checks signatures, as soon as log.open has named the key.
func (c *check) openCheckpoints() error {
	c.opened = true
	if err := registered(c.o.Registered, c.hist.uuid, c.hist.pub, 1<<62); err != nil {
		return err
	}
	var err error
	if c.note != nil {
		if c.cp, err = openCheckpoint(c.note, c.hist.pub); err != nil {
			return &Fault{File: checkpointName, What: err.Error()}
		}
		if c.cp.uuid != c.hist.uuid {
			return &Fault{File: checkpointName, What: "it is of log " + c.cp.uuid}
		}
	}
	if c.o.Since != nil {
		if c.since, err = openCheckpoint(c.o.Since, c.hist.pub); err != nil || c.since.uuid != c.hist.uuid {
			return &Fault{What: "the checkpoint kept from before is not one of this log; the log was replaced, or the checkpoint is of another one"}
		}
	}
	return nil
}

// anchors compares roots when the records have come to a signed size.
func (c *check) anchors() error {
	size := c.hist.tree.size
	if size == c.since.size && c.o.Since != nil {
		if c.hist.tree.root() != c.since.root {
			return c.earliest(&Fault{What: fmt.Sprintf("the first %d records are not those of the checkpoint kept from before", size)})
		}
		c.report.Checkpoints++
		c.proven = size
	}
	if size != c.cp.size {
		return nil
	}
	if err := c.partials(); err != nil {
		return err
	}
	if c.hist.tree.root() != c.cp.root {
		what := fmt.Sprintf("records %d to %d are not those that it signs", c.proven, size-1)
		return c.earliest(&Fault{File: checkpointName, What: what})
	}
	if c.suspect != nil {
		return &Fault{File: c.suspect.File, What: "the tile does not fit the records, which are as signed"}
	}
	c.report.Checkpoints++
	c.proven = size
	return nil
}
