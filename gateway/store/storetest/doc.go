// SPDX-License-Identifier: Apache-2.0

// Package storetest holds what tests need of a store: [Run], the suite that
// every adapter passes, and [RunMultipart], [RunCopy], [RunTags], [RunVersions]
// and [RunBuckets] for what an adapter may have beside; [Mem], a store in memory;
// and [Faulty], a store that misbehaves as it is told to.
//
// What a backend does otherwise, and no adapter can mend, is said in the fields
// of [Harness] and in the package comment of its adapter. The suites then hold
// the backend to just that.
//
// It is imported by tests only.
package storetest
