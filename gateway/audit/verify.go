// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strings"
)

// VerifyOptions of Verify. The zero value trusts the public key that the log
// itself states, which a log replaced as a whole would pass.
type VerifyOptions struct {
	// Registered are the logs as known elsewhere (state database, a peer).
	// If there are any, the log must be one of them.
	Registered []Registration
	// Since is a checkpoint kept from before, a signed note. The log must
	// still begin with all that it signs.
	Since []byte
	// Progress is called now and then with the number of records checked.
	Progress func(records uint64)
}

// Report is what Verify found.
type Report struct {
	Log         string   `json:"log"` // uuid
	Records     uint64   `json:"records"`
	Segments    int      `json:"segments"`
	Checkpoints int      `json:"checkpoints"` // signatures and roots checked
	Epoch       uint64   `json:"epoch"`
	Live        bool     `json:"live"`      // a process had the log open
	Unsigned    uint64   `json:"unsigned"`  // newest records that no checkpoint covers yet
	Open        int      `json:"open"`      // intents without outcome that are allowed to be
	Unsettled   int      `json:"unsettled"` // changes that wait for reconciliation
	Fault       *Fault   `json:"fault,omitempty"`
	Notes       []string `json:"notes,omitempty"`
}

// Verify checks the log in dir against everything that AUDIT.md
// "Verification" lists, offline, without a lock, also while it is written.
// The error is a *Fault when the log is damaged (the report has it too), and
// otherwise says what could not be read.
func Verify(dir string, o VerifyOptions) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(uint64) {}
	}
	c := newCheck(dir, o)
	err := c.run()
	c.fillReport()
	if err == nil {
		return c.report, nil
	}
	if f, ok := asFault(err); ok {
		c.report.Fault = f
		return c.report, fmt.Errorf("verifying %s: %w", dir, f)
	}
	return c.report, fmt.Errorf("verifying %s: %w", dir, err)
}

// String is one line for people, and one for each note.
func (r Report) String() string {
	var b strings.Builder
	name := "unknown"
	if validUUID(r.Log) {
		name = shortLog(r.Log)
	}
	fmt.Fprintf(&b, "log %s: %s, %s, %s: ", name,
		count(r.Records, "record"), count(uint64(r.Segments), "segment"), count(uint64(r.Checkpoints), "checkpoint"))
	b.WriteString(r.verdict())
	for _, n := range r.Notes {
		b.WriteString("\n  " + n)
	}
	return b.String()
}

// verdict claims no more than was found: intents that are open for a good reason
// are counted, not passed over.
func (r Report) verdict() string {
	if r.Fault != nil {
		return "DAMAGED: " + r.Fault.Error()
	}
	if r.Open == 0 && r.Unsettled == 0 {
		return "no gap, no change, every intent has its outcome"
	}
	s := "no gap, no change"
	switch {
	case r.Open > 0 && r.Live:
		s += ", " + count(uint64(r.Open), "intent") + " still open in the running gateway"
	case r.Open > 0:
		s += ", " + count(uint64(r.Open), "intent") + " without outcome until the next start recovers them"
	}
	if r.Unsettled > 0 {
		s += ", " + count(uint64(r.Unsettled), "change") + " to be reconciled with the backend"
	}
	return s
}

func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
