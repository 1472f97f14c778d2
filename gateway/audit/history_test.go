// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// script is a history being written down by hand.
type script struct {
	h   *history
	key logKey
}

func newScript() *script {
	return &script{h: &history{ledger: newLedger()}, key: newLogKey()}
}

// add completes r as the next record of a right log, lets edit spoil it, and
// gives it to the history.
func (s *script) add(r Record, edit func(*Record)) error {
	r.Version, r.Log, r.Seq, r.Batch, r.Time = Version, shortLog(s.key.uuid), s.h.tree.size, 1, time.Unix(1, 0).UTC()
	if r.Event == EventOpen {
		r.UUID, r.Epoch, r.TreeRoot = s.key.uuid, s.h.epoch+1, rootBefore(&s.h.tree)
		r.PublicKey = base64.StdEncoding.EncodeToString(s.key.public())
	}
	if edit != nil {
		edit(&r)
	}
	_, err := s.h.add(appendLine(nil, &r))
	return err
}

// Records for scripts. Numbers in of are those that the scripts give them.
func noted(event string) Record { return Record{Phase: PhaseNote, Event: event} }
func intent() Record            { return Record{Phase: PhaseIntent, Event: "artifact.read"} }
func change() Record            { return Record{Phase: PhaseIntent, Event: "artifact.write", AwaitOutcome: true} }
func outcome(of uint64) Record  { return Record{Phase: PhaseOutcome, Of: of, Status: 200} }
func progress(of uint64) Record { return Record{Phase: PhaseProgress, Of: of} }
func settled(of uint64) Record {
	return Record{Phase: PhaseOutcome, Of: of, Reconciled: ReconciledPresent}
}

func recoveredRead(of uint64) Record {
	return Record{Phase: PhaseOutcome, Of: of, Result: resultUnknown}
}

func recoveredChange(of uint64) Record {
	return Record{Phase: PhaseOutcome, Of: of, Result: resultUnknown, Reconciled: ReconciledPending}
}

// TestHistory: what is a right log and what is not, by the last record.
func TestHistory(t *testing.T) {
	t.Parallel()
	open, shut := noted(EventOpen), noted(EventClose)
	other := newLogKey()
	for name, c := range map[string]struct {
		before []Record
		last   Record
		edit   func(*Record)
		want   string // part of the error; "" = right
	}{
		"log.open first":             {nil, open, nil, ""},
		"anything else first":        {nil, intent(), nil, "begins with log.open"},
		"outcome of an intent":       {[]Record{open, intent()}, outcome(1), nil, ""},
		"two outcomes":               {[]Record{open, intent(), outcome(1)}, outcome(1), nil, "no open intent"},
		"outcome of nothing":         {[]Record{open}, outcome(7), nil, "no open intent"},
		"outcome of a denial":        {[]Record{open, {Phase: PhaseDeny}}, outcome(1), nil, "no open intent"},
		"progress":                   {[]Record{open, intent()}, progress(1), nil, ""},
		"progress after the outcome": {[]Record{open, intent(), outcome(1)}, progress(1), nil, "no open intent"},
		"after log.close":            {[]Record{open, shut}, intent(), nil, "only log.open may follow"},
		"start after log.close":      {[]Record{open, shut}, open, nil, ""},
		"start after a crash":        {[]Record{open, intent()}, open, nil, ""},
		"number too high":            {[]Record{open}, intent(), func(r *Record) { r.Seq++ }, "record 2 stands where record 1 belongs"},
		"number repeated":            {[]Record{open}, intent(), func(r *Record) { r.Seq-- }, "record 0 stands where"},
		"in no batch":                {[]Record{open}, intent(), func(r *Record) { r.Batch = 0 }, "in no batch"},
		"negative batch":             {[]Record{open}, intent(), func(r *Record) { r.Batch = -1 }, "in no batch"},
		"of another log":             {[]Record{open}, intent(), func(r *Record) { r.Log = "00000000" }, "belongs to log 00000000"},
		"epoch skipped":              {[]Record{open}, open, func(r *Record) { r.Epoch++ }, "epoch 3 follows epoch 1"},
		"epoch repeated":             {[]Record{open}, open, func(r *Record) { r.Epoch-- }, "epoch 1 follows epoch 1"},
		"opened with another key": {[]Record{open}, open, func(r *Record) {
			r.PublicKey = base64.StdEncoding.EncodeToString(other.public())
		}, "with another key"},
		"opened as another log":      {[]Record{open}, open, func(r *Record) { r.UUID, r.Log = other.uuid, other.uuid[:8] }, "opens another log"},
		"opened under another name":  {nil, open, func(r *Record) { r.Log = "00000000" }, "go together"},
		"opened without a key":       {nil, open, func(r *Record) { r.PublicKey = "" }, "go together"},
		"opened with a bad uuid":     {nil, open, func(r *Record) { r.UUID = "../../x" }, "go together"},
		"opened behind others":       {[]Record{open, intent()}, open, func(r *Record) { r.TreeRoot = "AAAA" }, "records before it were changed"},
		"opened behind nothing":      {[]Record{open, intent()}, open, func(r *Record) { r.TreeRoot = "" }, "records before it were changed"},
		"recovery of a read":         {[]Record{open, intent(), open}, recoveredRead(1), nil, ""},
		"recovery of a change":       {[]Record{open, change(), open}, recoveredChange(1), nil, ""},
		"change recovered as a read": {[]Record{open, change(), open}, recoveredRead(1), nil, `says "" where "pending"`},
		"read recovered as a change": {[]Record{open, intent(), open}, recoveredChange(1), nil, `says "pending" where ""`},
		"recovery left out":          {[]Record{open, intent(), open}, intent(), nil, "intent 1 of an earlier start got neither"},
		"outcome instead":            {[]Record{open, intent(), open}, outcome(1), nil, "intent 1 of an earlier start got neither"},
		"one recovery left out":      {[]Record{open, intent(), intent(), open, recoveredRead(2)}, intent(), nil, "intent 1 of an earlier start"},
		"crash in the recovery":      {[]Record{open, intent(), intent(), open, recoveredRead(2), open}, recoveredRead(1), nil, ""},
		"recovered twice":            {[]Record{open, intent(), intent(), open, recoveredRead(2)}, recoveredRead(2), nil, "no open intent"},
		"recovery out of its place":  {[]Record{open, intent()}, recoveredRead(1), nil, "outside of a recovery"},
		"reconciled":                 {[]Record{open, change(), open, recoveredChange(1)}, settled(1), nil, ""},
		"reconciled twice":           {[]Record{open, change(), open, recoveredChange(1), settled(1)}, settled(1), nil, "no open intent"},
		"reconciled without need":    {[]Record{open, change()}, settled(1), nil, "no open intent"},
		"reconciled to pending": {
			[]Record{open, change(), open, recoveredChange(1)},
			settled(1), func(r *Record) { r.Reconciled = ReconciledPending }, "no open intent",
		},
		"a verdict in a recovery": {
			[]Record{open, change(), intent(), open, recoveredChange(1)},
			settled(1), func(r *Record) { r.Result = resultUnknown }, "no open intent",
		},
	} {
		s := newScript()
		for i, r := range c.before {
			if err := s.add(r, nil); err != nil {
				t.Fatalf("%s: record %d: %v", name, i, err)
			}
		}
		err := s.add(c.last, c.edit)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestHistoryOfBatches(t *testing.T) {
	t.Parallel()
	batches := func(n int) func(*Record) { return func(r *Record) { r.Batch = n } }
	s := newScript()
	for i, step := range []struct {
		r    Record
		n    int
		want string
	}{
		{noted(EventOpen), 2, ""},
		{intent(), 0, ""},
		{intent(), 0, "in no batch"},
		{intent(), 3, ""},
		{intent(), 1, "2 records are missing from the batch before it"},
		{intent(), 0, ""},
		{noted(EventOpen), 1, ""}, // after a crash
	} {
		err := s.add(step.r, batches(step.n))
		if step.want == "" && err != nil || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("step %d: %v, want %q", i, err, step.want)
		}
	}
}
