// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// history replays records in their order and knows what a right log looks
// like: AUDIT.md "Verification" 1 to 4. Open, Verify and the skip index all
// replay through it, so they cannot disagree.
type history struct {
	uuid string            // empty until the first log.open names it
	pub  ed25519.PublicKey // likewise
	log  string
	tree tree

	ledger
	batchLeft int // records still missing from the batch
	recovered int // intents of earlier epochs that must be recovered next
	scratch   []byte
}

// ledger is what has to be carried from segment to segment; a skip index
// keeps it as of the end of its segment.
type ledger struct {
	epoch     uint64
	closed    bool            // the last record is log.close
	open      map[uint64]bool // intents without outcome; true if it is awaited
	unsettled map[uint64]bool // changes that wait for Reconcile
}

func newLedger() ledger {
	return ledger{open: make(map[uint64]bool), unsettled: make(map[uint64]bool)}
}

// add checks one line, without newline, and takes it into account.
func (h *history) add(b []byte) (Record, error) {
	r, scratch, err := decodeRecord(b, h.scratch)
	h.scratch = scratch
	if err != nil {
		return r, err
	}
	if err := h.check(&r); err != nil {
		return r, err
	}
	return r, h.tree.add(tlog.RecordHash(b))
}

// check looks at the record as one of a sequence; what it is by itself,
// decodeRecord has checked.
func (h *history) check(r *Record) error {
	if r.Seq != h.tree.size {
		return fmt.Errorf("record %d stands where record %d belongs", r.Seq, h.tree.size)
	}
	if err := h.checkBatch(r); err != nil {
		return err
	}
	if r.Event == EventOpen {
		return h.start(r)
	}
	if h.epoch == 0 {
		return errors.New("a log begins with log.open")
	}
	if r.Log != h.log {
		return fmt.Errorf("it belongs to log %s, not to %s", r.Log, h.log)
	}
	if h.closed {
		return errors.New("only log.open may follow log.close")
	}
	h.closed = r.Event == EventClose
	return h.account(r)
}

// checkBatch allows a short batch in one place only, before a start: there a
// crash has cut it, and it was never acknowledged.
func (h *history) checkBatch(r *Record) error {
	switch {
	case h.batchLeft > 0 && r.Batch == 0:
		h.batchLeft--
		return nil
	case r.Batch <= 0:
		return errors.New("it stands in no batch")
	case h.batchLeft > 0 && r.Event != EventOpen:
		return fmt.Errorf("%d records are missing from the batch before it", h.batchLeft)
	}
	h.batchLeft = r.Batch - 1
	return nil
}

// start checks a log.open, which anchors all that lies before it.
func (h *history) start(r *Record) error {
	if r.Epoch != h.epoch+1 {
		return fmt.Errorf("epoch %d follows epoch %d", r.Epoch, h.epoch)
	}
	pub, err := base64.StdEncoding.Strict().DecodeString(r.PublicKey)
	if err != nil || len(pub) != ed25519.PublicKeySize || !validUUID(r.UUID) || r.Log != shortLog(r.UUID) {
		return errors.New("log.open names no uuid, key and log that go together")
	}
	if h.uuid == "" {
		h.uuid, h.pub = r.UUID, pub
	}
	if r.UUID != h.uuid || !h.pub.Equal(ed25519.PublicKey(pub)) {
		return fmt.Errorf("it opens another log (%s), or with another key", r.UUID)
	}
	if want := rootBefore(&h.tree); r.TreeRoot != want {
		return fmt.Errorf("records before it were changed: it was written behind the root %s, theirs is %s", r.TreeRoot, want)
	}
	h.log, h.epoch, h.closed = r.Log, r.Epoch, false
	h.recovered = len(h.open)
	return nil
}

// rootBefore is the tree_root of a log.open written behind t.
func rootBefore(t *tree) string {
	if t.size == 0 {
		return ""
	}
	return t.root().String()
}

// account keeps intents and outcomes in balance.
func (h *history) account(r *Record) error {
	recovery := r.Phase == PhaseOutcome && r.Result == resultUnknown
	if h.recovered > 0 && !recovery {
		return fmt.Errorf("intent %d of an earlier start got neither outcome nor recovery", oldest(h.open))
	}
	if recovery && h.recovered == 0 {
		return errors.New("a recovery record outside of a recovery")
	}
	switch r.Phase {
	case PhaseIntent:
		h.open[r.Seq] = r.AwaitOutcome
	case PhaseProgress:
		if _, ok := h.open[r.Of]; !ok {
			return fmt.Errorf("progress of %d, which is no open intent", r.Of)
		}
	case PhaseOutcome:
		return h.settle(r)
	}
	return nil
}

// settle takes an outcome into account. Each intent gets one; a change that was
// recovered gets a second one, the verdict, and no third.
func (h *history) settle(r *Record) error {
	change, ok := h.open[r.Of]
	switch {
	case ok && r.Result == resultUnknown:
		want := ""
		if change {
			want = ReconciledPending // reads have nothing to reconcile
		}
		if r.Reconciled != want {
			return fmt.Errorf("recovery of %d says %q where %q belongs", r.Of, r.Reconciled, want)
		}
		h.recovered--
		if change {
			h.unsettled[r.Of] = true
		}
		delete(h.open, r.Of)
	case ok && r.Reconciled == "":
		delete(h.open, r.Of)
	case h.unsettled[r.Of] && r.Result == "" && isVerdict(r.Reconciled):
		delete(h.unsettled, r.Of)
	default:
		return fmt.Errorf("outcome of %d, which is no open intent", r.Of)
	}
	return nil
}

func isVerdict(s string) bool {
	return s == ReconciledPresent || s == ReconciledAbsent || s == ReconciledUnknown
}

func oldest(m map[uint64]bool) uint64 {
	first, found := uint64(0), false
	for seq := range m {
		if !found || seq < first {
			first, found = seq, true
		}
	}
	return first
}
