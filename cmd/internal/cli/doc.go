// SPDX-License-Identifier: Apache-2.0

// Package cli is what both programs have in common as commands: exit codes,
// errors as one line that says what to do, variables behind flags, help for
// commands that only hold others, versions and completions.
//
// Nothing here knows of gateways or agents, and nothing here prints but to the
// writers it is given.
package cli
