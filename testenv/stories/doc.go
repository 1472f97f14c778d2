// SPDX-License-Identifier: Apache-2.0

// Package stories holds tests that do what a new user does: the README's
// tour, the demo, and every verb of the command line.
package stories
