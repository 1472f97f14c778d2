// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Unfinished is a change whose intent is durable and whose outcome is not
// known: the process died between the two.
type Unfinished struct {
	Receipt Receipt
	Record  Record // of the intent
}

// recovery replays the newest part of a log before anything is written:
// AUDIT.md "Start and recovery". It changes nothing.
type recovery struct {
	d      disk
	key    logKey
	budget int64 // bytes of records to verify at least

	firsts []uint64     // of all segments, ascending
	heads  []*indexHead // of the segments before the replayed ones
	cp     checkpoint   // size 0: there is none
	keep   func(tile) error

	hist    *history
	rebuild bool              // there are no tiles: all are made again
	partial []string          // partial tiles of cp
	intents map[uint64]Record // of open and unsettled intents, as far as replayed
	sent    map[uint64]int64  // progress of open reads
	worked  bool              // there is a record other than log.open

	seals []sealing // segments without a good index
	last  *segment  // the newest segment; nil if there is none
	cut   bool      // last has more bytes than whole records
	torn  torn
}

// run replays; afterwards hist is the state behind the last whole record.
func (r *recovery) run() error {
	if err := r.survey(); err != nil {
		return err
	}
	from, err := r.pick()
	if err != nil {
		return err
	}
	if err := r.begin(from); err != nil {
		return err
	}
	for i := from; i < len(r.firsts); i++ {
		if err := r.segment(i); err != nil {
			return err
		}
	}
	return r.conclude()
}

// survey reads the names of the segments and the checkpoint.
func (r *recovery) survey() error {
	names, err := r.d.list(segmentDir)
	if err != nil {
		return fmt.Errorf("listing segments: %w", err)
	}
	if r.firsts, err = parseSegments(names); err != nil {
		return err
	}
	if len(r.firsts) > 0 && r.firsts[0] != 0 {
		return &Fault{File: segmentName(r.firsts[0]), What: fmt.Sprintf("records 0 to %d are missing before it", r.firsts[0]-1)}
	}
	msg, err := r.d.read(checkpointName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	if r.cp, err = openCheckpoint(msg, r.key.public()); err != nil {
		return &Fault{File: checkpointName, What: err.Error()}
	}
	if r.cp.uuid != r.key.uuid {
		return &Fault{File: checkpointName, What: "it is of log " + r.cp.uuid + ", the key of " + r.key.uuid}
	}
	return nil
}

// pick returns the segment to begin with. Segments before it have good skip
// indexes, which follow each other without gap.
func (r *recovery) pick() (int, error) {
	if len(r.firsts) == 0 {
		return 0, nil
	}
	tiles, err := r.d.list(tileDir)
	if err != nil {
		return 0, fmt.Errorf("listing tiles: %w", err)
	}
	r.rebuild = len(tiles) == 0
	from := 0
	for !r.rebuild && from < len(r.firsts)-1 {
		x, err := r.readIndex(from)
		if err != nil {
			return 0, err
		}
		if x == nil || x.Next != r.firsts[from+1] || x.Next > r.cp.size {
			break
		}
		r.heads = append(r.heads, x)
		from++
	}
	for size := int64(0); from > 0 && size < r.budget; {
		from--
		size += r.heads[from].Bytes
	}
	return from, nil
}

// readIndex returns the head of the skip index of segment i, nil if there is
// none or a damaged one: then the segment is read instead.
func (r *recovery) readIndex(i int) (*indexHead, error) {
	f, err := r.d.open(indexName(r.firsts[i]))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening an index: %w", err)
	}
	defer closeRead(f)
	x, err := readIndexHead(f, r.firsts[i])
	if errors.Is(err, errIndex) {
		return nil, nil // derived: made again
	}
	if err != nil {
		return nil, fmt.Errorf("reading an index: %w", err)
	}
	return x, r.sized(x)
}

// sized checks that a segment which is not replayed has not become shorter.
func (r *recovery) sized(x *indexHead) error {
	name := segmentName(x.First)
	f, err := r.d.open(name)
	if err != nil {
		return fmt.Errorf("opening %s: %w", name, err)
	}
	defer closeRead(f)
	size, err := f.size()
	if err == nil && size < x.Bytes {
		err = &Fault{File: name, What: fmt.Sprintf("it has %d bytes, its records had %d: cut off", size, x.Bytes)}
	}
	return err
}

// begin sets the state before segment from.
func (r *recovery) begin(from int) error {
	r.intents, r.sent = make(map[uint64]Record), make(map[uint64]int64)
	r.hist = &history{uuid: r.key.uuid, pub: r.key.public(), ledger: newLedger()}
	if from > 0 {
		head := r.heads[from-1]
		t, err := loadTree(r.d, head.Next, r.cp.size)
		if err != nil {
			return tileFault(err)
		}
		r.hist.tree, r.hist.ledger, r.hist.log = t, head.ledger(), shortLog(r.key.uuid)
		r.worked = true
	}
	r.heads = r.heads[:from]
	r.hist.tree.full = r.fullTile
	return r.anchor()
}

// tileFault turns a missing tile into damage, with what can be done.
func tileFault(err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrIntegrity) {
		return err
	}
	return &Fault{File: tileDir, What: err.Error() + "; move tile/ away to have it made again from the records"}
}

// fullTile compares tiles that the checkpoint covers and keeps the others.
func (r *recovery) fullTile(t tile) error {
	if end := (t.n + 1) << (tileHeight * (t.level + 1)); r.rebuild || end > r.cp.size {
		return r.keep(t)
	}
	return r.compare(t)
}

// compare does not say which of the two is wrong: that takes the signed root,
// which audit verify compares.
func (r *recovery) compare(t tile) error {
	b, err := r.d.read(t.path())
	if err != nil {
		return tileFault(fmt.Errorf("reading %s: %w", t.path(), err))
	}
	if !bytes.Equal(b, t.data()) {
		return &Fault{File: t.path(), What: "it does not fit the records; run sealgate audit verify to learn which were changed"}
	}
	return nil
}

// anchor compares the root when the replay has come to the checkpoint.
func (r *recovery) anchor() error {
	t := &r.hist.tree
	if t.size != r.cp.size || t.size == 0 {
		return nil
	}
	if t.root() != r.cp.root {
		return &Fault{File: checkpointName, What: fmt.Sprintf("the first %d records are not those that it signs", t.size)}
	}
	for _, p := range t.partial() {
		r.partial = append(r.partial, p.path())
		if r.rebuild {
			continue
		}
		if err := r.compare(p); err != nil {
			return err
		}
	}
	if r.rebuild {
		r.partial = nil // none of them is on disk
	}
	return nil
}

// segment replays segment i.
func (r *recovery) segment(i int) error {
	first := r.firsts[i]
	if at := r.hist.tree.size; first != at {
		return &Fault{File: segmentName(first), What: fmt.Sprintf("records %d to %d are missing before it", at, first-1)}
	}
	f, err := r.d.open(segmentName(first))
	if err != nil {
		return fmt.Errorf("opening a segment: %w", err)
	}
	defer closeRead(f)
	size, err := f.size()
	if err != nil {
		return fmt.Errorf("opening a segment: %w", err)
	}
	good, bad := r.replay(newLines(io.NewSectionReader(f, 0, size)))
	seg := &segment{first: first, off: good, reserved: size}
	if err := r.judge(f, seg, bad); err != nil {
		return err
	}
	if r.newest(first) {
		r.last, r.cut = seg, size > good
	}
	if x, err := r.readIndex(i); err != nil || x != nil && x.Next == r.hist.tree.size && x.Bytes == good {
		return err
	}
	if good > 0 {
		r.seals = append(r.seals, sealing{seg: seg, next: r.hist.tree.size, ledger: r.hist.clone()})
	}
	return nil
}

// replay adds whole records until something else comes; good is the offset
// behind the last one. A nil error means that the file ends there.
func (r *recovery) replay(in *lines) (good int64, err error) {
	for {
		good = in.off
		raw, err := in.next()
		if errors.Is(err, io.EOF) {
			return good, nil
		}
		if err != nil && !errors.Is(err, errTail) {
			return good, fmt.Errorf("%w: %w", errRead, err)
		}
		if err != nil {
			return good, err
		}
		rec, err := r.hist.add(raw)
		if err != nil {
			return good, err
		}
		r.remember(&rec)
		if err := r.anchor(); err != nil {
			return good, err
		}
	}
}

// errRead marks what the operating system did not let us read: not damage.
var errRead = errors.New("reading a segment")

func (r *recovery) newest(first uint64) bool { return first == r.firsts[len(r.firsts)-1] }

// judge decides about what stands behind the last whole record of g, where
// replay stopped with bad.
func (r *recovery) judge(f io.ReaderAt, g *segment, bad error) error {
	if bad == nil || errors.Is(bad, ErrIntegrity) || errors.Is(bad, errRead) {
		return bad
	}
	t, err := judgeTail(f, g.off, g.reserved)
	// Behind log.close nothing was ever written to the same file.
	if err == nil && t.bytes > 0 && (r.hist.closed && g.off > 0 || !r.newest(g.first)) {
		err = errTail
	}
	if err == nil {
		r.torn = t
		return nil
	}
	if !errors.Is(bad, errTail) {
		err = bad
	}
	return badRecord(g.first, r.hist.tree.size, err.Error())
}

// remember keeps what recovery records and Unfinished need to say.
func (r *recovery) remember(rec *Record) {
	r.worked = r.worked || rec.Event != EventOpen
	switch rec.Phase {
	case PhaseIntent:
		r.intents[rec.Seq] = *rec
	case PhaseProgress:
		r.sent[rec.Of] = rec.BytesSent
	case PhaseOutcome:
		if !r.hist.unsettled[rec.Of] {
			delete(r.intents, rec.Of)
			delete(r.sent, rec.Of)
		}
	}
}

// conclude checks what can only be known at the end.
func (r *recovery) conclude() error {
	size := r.hist.tree.size
	if r.cp.size > size {
		return &Fault{File: segmentDir, What: fmt.Sprintf("the checkpoint signs %d records, %d are here: the others were cut off or deleted", r.cp.size, size)}
	}
	if r.cp.size == 0 && r.worked {
		return &Fault{File: checkpointName, What: fmt.Sprintf("it is missing, though %d records are here", size)}
	}
	if r.cp.epoch > r.hist.epoch {
		return &Fault{File: checkpointName, What: fmt.Sprintf("it is of start %d, the records end in start %d", r.cp.epoch, r.hist.epoch)}
	}
	return r.fetch()
}
