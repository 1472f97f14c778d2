// SPDX-License-Identifier: Apache-2.0

//go:build race

package gate

import "os"

// raceArgs build the program with the race detector where the tests have it.
func raceArgs() (args, env []string) {
	_ = os.Setenv("GORACE", "halt_on_error=1") // a race ends the program, so the test that needs it; the name is valid
	return []string{"-race"}, []string{"CGO_ENABLED=1"}
}

// Race says whether the programs are built with the race detector.
const Race = true
