// SPDX-License-Identifier: Apache-2.0

// Package audit is the fail-closed, tamper-evident audit log of one gateway
// replica. AUDIT.md beside this file is its specification: the record schema,
// the files, what is durable when, what happens when the disk does not obey,
// and who could cheat and how it is noticed. Code cites its sections.
//
// # Use
//
// Open a Log once per process. For each authorized request call [Log.Begin]
// before the first byte is disclosed or anything is changed; it returns when
// the intent record is on stable storage, or an error, and then nothing may be
// disclosed. Call [Pending.End] exactly once with what came of it. A refused
// request is one call of [Log.Deny]. All methods of Log may be called by many
// goroutines at once.
//
// [Verify] and [Search] read the files of any log, also of one that a running
// gateway is writing, and take no lock.
//
// # What must never happen
//
// A disclosure or change without a record on stable storage before it; a
// record that was acknowledged and is dropped in silence; a second fsync of a
// file after its first one failed; a wait without a deadline.
package audit
