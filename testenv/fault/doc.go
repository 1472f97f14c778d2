// SPDX-License-Identifier: Apache-2.0

// Package fault tests the running program against misfortune: kills at every
// durable step, full disks, lost files, clients and processes that vanish,
// backends that fail in every way, and input that nobody should have given it. What was acknowledged is there
// afterwards, what was not is whole or absent, and the log verifies.
package fault
