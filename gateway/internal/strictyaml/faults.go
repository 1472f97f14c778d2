// SPDX-License-Identifier: Apache-2.0

package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong, or suspicious, at one place of one file.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1
	Col  int    `json:"col"`  // from 1, in characters
	Code string `json:"code"` // a letter, E for errors or W for warnings, and three digits
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"` // what to do; may be empty
}

// IsError reports whether the fault keeps the document from being used.
func (f Fault) IsError() bool { return strings.HasPrefix(f.Code, "E") }

// String is FILE:LINE:COL: error CODE: TEXT; HINT, with "warning" for codes that
// do not begin with E.
func (f Fault) String() string {
	severity := "warning"
	if f.IsError() {
		severity = "error"
	}
	s := fmt.Sprintf("%s:%d:%d: %s %s: %s", f.File, f.Line, f.Col, severity, f.Code, f.Text)
	if f.Hint != "" {
		s += "; " + f.Hint
	}
	return s
}

// Faults are the faults of one or several documents, in the order in which they
// were found until they are sorted.
type Faults []Fault

// Add appends f.
func (fs *Faults) Add(f Fault) { *fs = append(*fs, f) }

// Sort orders by file, line, column, code and text, and drops exact repetitions.
func (fs *Faults) Sort() {
	slices.SortStableFunc(*fs, func(a, b Fault) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
			strings.Compare(a.Code, b.Code),
			strings.Compare(a.Text, b.Text),
		)
	})
	*fs = slices.Compact(*fs)
}

// Errors is the number of faults that keep the document from being used.
func (fs Faults) Errors() int {
	n := 0
	for _, f := range fs {
		if f.IsError() {
			n++
		}
	}
	return n
}
