// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Open verifies the newest part of the log in c.Dir, cuts off a torn tail,
// records what a crash left unknown and returns a log that accepts records.
// Errors: ErrLocked, ErrIntegrity (refused, nothing was changed); anything
// else is the operating system's word.
func Open(c Config) (*Log, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	l, err := open(c)
	if err != nil {
		hint := ""
		if errors.Is(err, ErrIntegrity) {
			hint = "; nothing was changed; run sealgate audit verify, restore the directory from a copy, or move it away to begin a new log"
		}
		return nil, fmt.Errorf("opening the audit log %s: %w%s", c.Dir, err, hint)
	}
	return l, nil
}

// open holds the lock from before the first look at the files until Close.
func open(c Config) (*Log, error) {
	l := &Log{
		cfg: c, disk: durable{disk: c.disk, persist: c.Persist}, began: time.Now(),
		cond: newCondition(c.Now), fatal: make(chan error, 1), queue: newQueue(), sealer: newSealer(),
		draining: make(chan struct{}), stopped: make(chan struct{}),
		denials:    denials{rate: c.DenyRate, by: make(map[string]*denial)},
		handshakes: handshakes{by: make(map[handshake]uint64)},
	}
	if err := l.disk.mkdir("."); err != nil {
		return nil, err
	}
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	l.lock = lock
	if err := l.prepare(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l.start()
	return l, nil
}

// prepare does all of Open that needs the lock.
func (l *Log) prepare() error {
	if err := l.loadKey(); err != nil {
		return err
	}
	l.log = shortLog(l.key.uuid)
	l.signer = &signer{disk: l.disk, key: l.key, now: l.cfg.Now, dirs: make(map[string]bool)}
	r := &recovery{d: l.disk, key: l.key, budget: l.cfg.VerifyAtOpen, keep: l.signer.keep}
	if err := r.run(); err != nil {
		return err
	}
	if err := registered(l.cfg.Registered, l.key.uuid, l.key.public(), r.hist.epoch); err != nil {
		return err
	}
	if err := l.trim(r); err != nil {
		return err
	}
	return l.resume(r)
}

// loadKey reads the key, or makes one for a directory that has nothing else.
func (l *Log) loadKey() error {
	path := filepath.Join(l.cfg.Dir, keyName)
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l.makeKey()
	}
	if err != nil {
		return err
	}
	if mode := st.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return fmt.Errorf("%s: others may read it (mode %04o); chmod 600 it", path, mode.Perm())
	}
	b, err := l.disk.read(keyName)
	if err != nil {
		return err
	}
	if l.key, err = parseLogKey(b); err != nil {
		return fmt.Errorf("%w: %s: %w; restore it from a copy, or move %s away to begin a new log",
			ErrIntegrity, path, err, l.cfg.Dir)
	}
	return nil
}

// makeKey begins a log. Records without a key belong to somebody: a key made
// for them would sign what it never saw.
func (l *Log) makeKey() error {
	for _, dir := range []string{segmentDir, tileDir, indexDir} {
		names, err := l.disk.list(dir)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return fmt.Errorf("%w: %s is missing, though %s holds files; restore it from a copy, or move %s away to begin a new log",
				ErrIntegrity, filepath.Join(l.cfg.Dir, keyName), dir, l.cfg.Dir)
		}
	}
	if _, err := l.disk.read(checkpointName); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing, though there is a checkpoint", ErrIntegrity, filepath.Join(l.cfg.Dir, keyName))
	}
	if err := errors.Join(l.makeDirs(), l.disk.syncDir("..")); err != nil {
		return err
	}
	l.key = newLogKey()
	if err := l.disk.replace(".", keyName, l.key.encode(), steps{pointKey, pointKeyRename, pointDirectory}); err != nil {
		return fmt.Errorf("making the key: %w", err)
	}
	return nil
}

// registered compares the log with what is known of it elsewhere: AUDIT.md
// "Who can cheat". epoch is that of the last start on disk, 0 if none.
func registered(known []Registration, uuid string, pub ed25519.PublicKey, epoch uint64) error {
	if len(known) == 0 {
		return nil
	}
	newest := uint64(0)
	for _, k := range known {
		if k.Log == uuid && k.PublicKey.Equal(pub) {
			newest = max(newest, k.Epoch)
		}
	}
	switch {
	case newest == 0:
		return &Fault{What: fmt.Sprintf("log %s with this key is not registered in the state database, other logs are: it was replaced", uuid)}
	case epoch < newest:
		return &Fault{What: fmt.Sprintf("it ends in start %d, start %d is registered in the state database: it was put back to an older copy", epoch, newest)}
	}
	return nil
}

// makeDirs makes the directories, also after a crash half-way.
func (l *Log) makeDirs() error {
	for _, dir := range []string{segmentDir, tileDir, indexDir} {
		if err := l.disk.mkdir(dir); err != nil {
			return err
		}
	}
	l.disk.at(pointDirectory)
	return l.disk.syncDir(".")
}

// trim cuts what follows the last whole record, or removes a segment that
// got none, so that the next one can have its name.
func (l *Log) trim(r *recovery) error {
	if err := l.makeDirs(); err != nil {
		return err
	}
	if r.last == nil || !r.cut && r.last.off > 0 {
		return nil
	}
	name := segmentName(r.last.first)
	l.disk.at(pointCut)
	if r.last.off == 0 {
		return errors.Join(l.disk.remove(name), l.disk.syncDir(segmentDir))
	}
	f, err := l.disk.open(name)
	if err != nil {
		return err
	}
	if err := f.Truncate(r.last.off); err != nil {
		return errors.Join(fmt.Errorf("cutting %s: %w", name, err), f.Close())
	}
	return errors.Join(f.datasync(), f.Close())
}

// resume writes log.open and the recovery records, signs, and hands over to
// the goroutines.
func (l *Log) resume(r *recovery) error {
	l.epoch = r.hist.epoch + 1
	l.signer.epoch = l.epoch
	l.signer.partial = r.partial
	opening := l.opening(r)
	l.signer.tree = r.hist.tree
	l.signer.tree.full = l.signer.keep

	w := &l.writer
	w.next, w.ledger = l.signer.tree.size, r.hist.ledger
	w.ledger.epoch, w.ledger.closed = l.epoch, false
	seg, err := l.disk.beginSegment(w.next, min(l.cfg.Reserve, 4*reserveStep), time.Now())
	if err != nil {
		return err
	}
	w.seg = seg
	w.backlog = append(w.backlog, l.note(opening))
	for _, rec := range l.recoveries(r) {
		w.backlog = append(w.backlog, l.note(rec))
	}
	for len(w.backlog) > 0 {
		l.assemble()
		if err := l.write(); err != nil {
			return errors.Join(err, seg.f.Close())
		}
		l.committed()
	}
	if err := l.cond.check(); err != nil {
		return err
	}
	if err := l.signer.sign(); err != nil {
		return err
	}
	for _, t := range r.seals {
		l.sealer.hand(t)
	}
	return nil
}

// opening is the log.open of this start.
func (l *Log) opening(r *recovery) Record {
	return Record{
		Phase: PhaseNote, Event: EventOpen,
		UUID: l.key.uuid, Epoch: l.epoch, PublicKey: base64.StdEncoding.EncodeToString(l.key.public()),
		Replica: clip(l.cfg.Replica, maxID), BinaryVersion: clip(l.cfg.Info.Version, maxID),
		ConfigDigest: clip(l.cfg.Info.ConfigDigest, maxID), PolicyDigest: clip(l.cfg.Info.PolicyDigest, maxID),
		TreeRoot: rootBefore(&r.hist.tree), CheckpointSize: r.cp.size,
		TornBytes: r.torn.bytes, TornSHA256: r.torn.sha256,
	}
}

// recoveries are the outcomes of intents that have none. They follow log.open
// directly; the changes among them wait for Reconcile.
func (l *Log) recoveries(r *recovery) []Record {
	var out []Record
	for _, seq := range slices.Sorted(maps.Keys(r.hist.open)) {
		in := r.intents[seq]
		rec := Record{Phase: PhaseOutcome, Of: seq, Abort: AbortCrash, Result: resultUnknown}
		if in.AwaitOutcome {
			rec.Reconciled = ReconciledPending
		} else {
			rec.BytesSent, rec.BytesMax, rec.RangeMax = r.sent[seq], in.BytesPlanned, rangeMax(&in)
		}
		out = append(out, rec)
	}
	for _, seq := range slices.Sorted(maps.Keys(r.intents)) {
		if in := r.intents[seq]; in.AwaitOutcome {
			l.unfinished = append(l.unfinished, Unfinished{Receipt: in.Receipt(), Record: in})
		}
	}
	return out
}

// rangeMax bounds what a read may have disclosed before the process died.
func rangeMax(in *Record) string {
	switch {
	case in.Range != "":
		return in.Range
	case in.Key != "" && in.Event == "artifact.read":
		return wholeObject
	}
	return ""
}
