// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"

	"github.com/sealgate/sealgate/cmd/internal/cli"
)

// printJSON prints one value as indented JSON.
func (a *app) printJSON(v any) error { return cli.PrintJSON(a.stdout, v) }

// terminal says whether w is one; only then are there colours or progress.
func terminal(w io.Writer) bool { return cli.Terminal(w) }
