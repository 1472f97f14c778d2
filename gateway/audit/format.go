// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// WriteJSON writes the record of m as the line that is in the log.
func WriteJSON(w io.Writer, m Match) error {
	_, err := w.Write(append(m.Raw[:len(m.Raw):len(m.Raw)], '\n'))
	return err
}

// WriteText writes one line for people: time, receipt, actor, action, path,
// decision or phase, and reason, S3 error or what else the record is about.
// Whatever a client has chosen is written without control characters.
func WriteText(w io.Writer, m Match) error {
	cells := textCells(&m.Record)
	for i, c := range cells {
		cells[i] = Printable(c)
	}
	_, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "  "), " "))
	return err
}

func textCells(r *Record) []string {
	what := r.Action
	if what == "" {
		what = r.Event
	}
	cells := []string{r.Time.UTC().Format(time.RFC3339), r.Receipt().String()}
	for _, c := range []string{r.Actor, what, r.Path(), verdict(r), about(r)} {
		if c != "" {
			cells = append(cells, c)
		}
	}
	return cells
}

func verdict(r *Record) string {
	switch {
	case r.Decision != "":
		return r.Decision
	case r.Of != 0:
		return string(r.Phase) + " of " + strconv.FormatUint(r.Of, 10)
	}
	return ""
}

func about(r *Record) string {
	switch {
	case r.Count != 0:
		return strings.TrimSpace(r.Reason + " " + strconv.FormatUint(r.Count, 10) + " times")
	case r.Result != "":
		return strings.TrimSpace(r.Result + " " + r.Reconciled)
	case r.Reason != "":
		return r.Reason
	case r.Abort != "":
		return r.Abort
	case r.S3Error != "":
		return r.S3Error
	case r.Reconciled != "":
		return r.Reconciled
	case r.Status != 0:
		return strconv.Itoa(r.Status)
	}
	return ""
}

// Printable replaces what a terminal might obey or hide: control and format
// characters, also those that turn the reading direction.
func Printable(s string) string {
	clean := func(r rune) bool { return unicode.IsPrint(r) || r == ' ' }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if clean(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// csvColumns are the columns of WriteCSV, named as in the record.
var csvColumns = []string{
	"time", "log", "seq", "phase", "of", "event", "actor", "role", "action", "bucket", "key", "range", "decision", "rule", "reason",
	"src_ip", "user_agent", "request_id", "status", "s3_error", "abort", "bytes_sent", "bytes_received", "duration_us", "result", "reconciled", "count",
}

// CSV writes matches as comma-separated values.
type CSV struct {
	w      *csv.Writer
	header bool
}

// NewCSV returns a CSV that writes to w; call Flush at the end.
func NewCSV(w io.Writer) *CSV { return &CSV{w: csv.NewWriter(w)} }

// Write writes one record, and the names of the columns before the first.
func (c *CSV) Write(m Match) error {
	if !c.header {
		c.header = true
		if err := c.w.Write(csvColumns); err != nil {
			return err
		}
	}
	return c.w.Write(csvCells(&m.Record))
}

// Flush writes what is buffered.
func (c *CSV) Flush() error {
	c.w.Flush()
	return c.w.Error()
}

func csvCells(r *Record) []string {
	num := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	cells := []string{
		r.Time.UTC().Format(time.RFC3339Nano), r.Log, strconv.FormatUint(r.Seq, 10), string(r.Phase), num(int64(r.Of)), r.Event,
		r.Actor, r.Role, r.Action, r.Bucket, r.Key, r.Range, r.Decision, r.Rule, r.Reason,
		r.SrcIP, r.UserAgent, r.RequestID, num(int64(r.Status)), r.S3Error, r.Abort,
		num(r.BytesSent), num(r.BytesReceived), num(r.DurationUS), r.Result, r.Reconciled, num(int64(r.Count)),
	}
	for i, cell := range cells {
		cells[i] = inert(cell)
	}
	return cells
}

// inert keeps a spreadsheet from running a cell that a client has named like
// a formula.
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
