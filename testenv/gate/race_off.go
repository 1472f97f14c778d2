// SPDX-License-Identifier: Apache-2.0

//go:build !race

package gate

// raceArgs: see race_on.go.
func raceArgs() (args, env []string) { return nil, []string{"CGO_ENABLED=0"} }

// Race says whether the programs are built with the race detector.
const Race = false
