// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/sealgate/sealgate/cmd/internal/cli"

// fault is one thing wrong in a file, as config and policy report it.
type fault = cli.Fault

// faultsOf makes a list of faults out of a package's own.
func faultsOf[F fault](in []F) []fault { return cli.FaultsOf(in) }

// printFaults prints one line a fault and then a count; with --json the list.
func (a *app) printFaults(faults []fault) error {
	if a.json {
		return a.printJSON(map[string]any{"items": faults, "next": ""})
	}
	cli.PrintFaults(a.stderr, faults, a.consequence)
	return nil
}

func counted(n int, what string) string { return cli.Counted(n, what) }

// unusable reports a file that has errors.
func (a *app) unusable(faults []fault) error {
	if err := a.printFaults(faults); err != nil {
		return err
	}
	return reported{Code: exitUsage}
}
