// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
)

// fault is one thing wrong in a file, as config and policy report it.
type fault interface {
	fmt.Stringer
	IsError() bool
}

// faultsOf makes a list of faults out of a package's own.
func faultsOf[F fault](in []F) []fault {
	out := make([]fault, 0, len(in))
	for _, f := range in {
		out = append(out, f)
	}
	return out
}

// printFaults prints one line a fault and then a count; with --json the list.
func (a *app) printFaults(faults []fault) error {
	if a.json {
		return a.printJSON(map[string]any{"items": faults, "next": ""})
	}
	errs := 0
	for _, f := range faults {
		fmt.Fprintln(a.stderr, f)
		if f.IsError() {
			errs++
		}
	}
	if len(faults) > 0 {
		a.printCount(errs, len(faults)-errs)
	}
	return nil
}

// printCount ends a list of faults, with what came of them.
func (a *app) printCount(errs, warnings int) {
	line := counted(errs, "error")
	if warnings > 0 {
		line += ", " + counted(warnings, "warning")
	}
	if errs > 0 {
		line += a.consequence
	}
	fmt.Fprintln(a.stderr, line)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// unusable reports a file that has errors.
func (a *app) unusable(faults []fault) error {
	if err := a.printFaults(faults); err != nil {
		return err
	}
	return reported{Code: exitUsage}
}
