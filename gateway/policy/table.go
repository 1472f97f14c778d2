// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"time"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// Table is a file of questions and what is expected (§10).
type Table struct {
	// Policy is the policy file as the table names it, relative to the table's
	// own place; "policy.yaml" if it names none.
	Policy string
	file   string
	rows   []row
}

type row struct {
	line, col int
	question  Question
	expect    Verdict
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// ParseTable reads a table of tests. It returns every fault, sorted, and a nil
// Table if there is one.
func ParseTable(file string, src []byte) (*Table, strictyaml.Faults) {
	var fs strictyaml.Faults
	t := &Table{file: file, Policy: "policy.yaml"}
	root := strictyaml.Parse(file, src, &fs)
	f := root.Fields(&fs, "version", "policy", "tests")
	root.Need(&fs, f, "version", "tests")
	checkVersion(&fs, f["version"])
	if f["policy"].Present() {
		t.Policy, _ = text(&fs, f["policy"])
	}
	for _, n := range items(&fs, f["tests"]) {
		t.rows = append(t.rows, parseRow(&fs, n))
	}
	fs.Sort()
	if fs.Errors() > 0 {
		return nil, fs
	}
	return t, fs
}

// parseRow reads one question. A row with a fault is never run: the table is
// refused as a whole.
func parseRow(fs *strictyaml.Faults, n *strictyaml.Node) row {
	f := n.Fields(fs, "who", "do", "path", "at", "mfa", "with", "expect")
	n.Need(fs, f, "who", "do", "path", "expect")
	r := row{line: n.Line, col: n.Col}
	r.question = Question{Do: parseVerb(fs, f["do"]), With: parseWith(fs, f["with"])}
	r.question.Who, _ = text(fs, f["who"])
	r.question.Path, _ = text(fs, f["path"])
	if at, ok := text(fs, f["at"]); ok {
		var err error
		if r.question.At, err = time.Parse(time.RFC3339, at); err != nil {
			f["at"].Fault(fs, "E018", fmt.Sprintf("%q is not a time", at), `write RFC 3339, for example "2027-03-06T12:00:00+01:00"`)
		}
	}
	f["mfa"].Bool(fs)
	r.expect = parseExpect(fs, f["expect"])
	return r
}

func parseWith(fs *strictyaml.Faults, n *strictyaml.Node) map[string]string {
	with := make(map[string]string)
	for _, p := range pairs(fs, n) {
		with[p.Key.Value] = p.Value.String(fs)
	}
	return with
}

func parseExpect(fs *strictyaml.Faults, n *strictyaml.Node) Verdict {
	word, ok := text(fs, n)
	v := Verdict(word)
	if ok && v != Allow && v != Deny && v != NeedsApproval {
		n.Fault(fs, "E006", quote(word)+" is no verdict", "write allow, deny or needs-approval")
	}
	return v
}

// Failure is a row of a table that came out otherwise.
type Failure struct {
	File string  `json:"file"`
	Line int     `json:"line"`
	Col  int     `json:"col"`
	Who  string  `json:"who"`
	Do   string  `json:"do"`
	Path string  `json:"path"`
	Want Verdict `json:"want"`
	Got  Verdict `json:"got,omitempty"` // empty if the question could not be answered
	By   string  `json:"by"`            // the deciding line, or why there is no answer
}

// String is FILE:LINE:COL: WHO DO PATH: want V, got V by LINE.
func (f Failure) String() string {
	at := fmt.Sprintf("%s:%d:%d: %s %s %s: want %s", f.File, f.Line, f.Col, f.Who, f.Do, f.Path, f.Want)
	if f.Got == "" {
		return at + ", but " + f.By
	}
	return fmt.Sprintf("%s, got %s by %s", at, f.Got, f.By)
}

// Run asks the policy every question of t and returns the rows that fail, in the
// order of the file.
func (p *Policy) Run(t *Table) []Failure {
	var failures []Failure
	for _, r := range t.rows {
		f := Failure{File: t.file, Line: r.line, Col: r.col, Who: r.question.Who, Do: r.question.Do.String(), Path: r.question.Path, Want: r.expect}
		e, err := p.Explain(r.question)
		switch {
		case err != nil:
			f.By = err.Error()
		case r.expect.met(e.Verdict):
			continue
		default:
			first := e.Lines[0]
			f.Got, f.By = e.Verdict, fmt.Sprintf("%s:%d %s", first.File, first.Line, first.Text)
			if first.Line == 0 {
				f.By = first.File + ": " + first.Text
			}
		}
		failures = append(failures, f)
	}
	return failures
}

// met reports whether got satisfies what is wanted. What needs an approval is
// refused until it has one, so it satisfies deny.
func (v Verdict) met(got Verdict) bool {
	return v == got || v == Deny && got == NeedsApproval
}
