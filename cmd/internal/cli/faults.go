// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
)

// Fault is one thing wrong in a file, as the readers of files report it.
type Fault interface {
	fmt.Stringer
	IsError() bool
}

// FaultsOf makes a list of faults out of a package's own.
func FaultsOf[F Fault](in []F) []Fault {
	out := make([]Fault, 0, len(in))
	for _, f := range in {
		out = append(out, f)
	}
	return out
}

// PrintFaults prints one line a fault and then a count, with what came of the
// errors among them; "" is nothing.
func PrintFaults(w io.Writer, faults []Fault, consequence string) {
	errs := 0
	for _, f := range faults {
		fmt.Fprintln(w, f)
		if f.IsError() {
			errs++
		}
	}
	if len(faults) > 0 {
		PrintCount(w, errs, len(faults)-errs, consequence)
	}
}

// PrintCount ends a list of faults, with what came of them.
func PrintCount(w io.Writer, errs, warnings int, consequence string) {
	line := Counted(errs, "error")
	if warnings > 0 {
		line += ", " + Counted(warnings, "warning")
	}
	if errs > 0 {
		line += consequence
	}
	fmt.Fprintln(w, line)
}

// Counted writes a number with its noun, which takes an s for more than one.
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
