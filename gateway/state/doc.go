// SPDX-License-Identifier: Apache-2.0

// Package state is the gateway's own database: which keyrings exist and which
// record of each version is the right one, the deployment's identity, the
// generations of local keystores, the replicas that run, the audit logs that
// this deployment has ever written, and the multipart uploads with the receipts
// of their parts.
//
// The database is trusted for availability and order, never for
// confidentiality: keyring records and receipts in it are ciphertext. Objects
// are read and written without it; multipart uploads need it.
//
// # Two engines
//
// One replica has SQLite: one file, opened with a write-ahead log and
// synchronous=FULL, one writing connection, immediate transactions. Several
// replicas have one PostgreSQL. Code, SQL and migrations are the same, but for
// what dialect.go says, and one suite of tests runs on both. The schema is in
// migrations/; each table says there what it is for.
//
// A method that returned nil survives the machine losing power; on PostgreSQL
// that is so as far as the server is set to sync (fsync), synchronous_commit is
// switched on by every connection. A change is whole or absent.
//
// On PostgreSQL a change that met another transaction is made again for up to
// 5 s, then it is ErrBusy; one whose connection was lost before the commit for up
// to 3 s. If the connection is lost while the server commits, nobody can say
// whether it did: that is ErrUnavailable at once, and the caller asks again.
// Every change of an upload but CreateUpload and AddStaged may be made again;
// those two use random names.
//
// # Old binaries and new databases
//
// Every migration states the oldest reader that may still write to the
// database. A binary older than that refuses with ErrTooNew and changes
// nothing: a row that is only half understood must never be rewritten. One that
// is running finds out at its next beat, within BeatEvery, and stops; a
// migration that raises the number leaves columns that older binaries write
// valid for that long.
//
// # Concurrency
//
// A DB may be used from any number of goroutines. Changes that depend on an
// earlier read take what was read as an argument and fail with ErrConflict
// when it is no longer so.
//
// # Several replicas
//
// On SQLite RegisterInstance refuses a second live replica. On PostgreSQL any
// number may be live, and what one writer could take for granted holds by other
// means:
//
//   - Changes run serializable: they act as if one came after the other. So the
//     epoch counts every change of keyring versions and buckets, generations never go back,
//     one deployment id wins. Changes of uploads lock the upload's row instead,
//     by an UPDATE as their first statement, and wait for each other: a receipt is
//     stored before the list is frozen or refused after it, never in between.
//   - KnownDigest and all other reads ask the server for committed rows. Nothing
//     is cached here.
//   - Migrations run under an advisory lock; replicas that start together wait
//     for the first one.
//   - LockRecords and BeginRotation take advisory locks too, in a transaction
//     that ends with its process. A lock can be lost with its connection while
//     its holder works on. Then two are at the record objects of a bucket, and rows
//     keep it harmless: a record object is noted as a candidate before it is written,
//     InsertKeyringVersion and ReplaceRecord take only a candidate, ClaimLeftover
//     takes that away before an object is deleted, and ReplaceRecord compares the
//     digest of what it replaces. The one that is late gets ErrConflict.
//   - Each replica has an audit log of its own, and LogsOf tells it which
//     registrations to hold it against.
//   - Times in rows come from the replicas' clocks. No decision needs them to
//     agree by more than the hours after which an upload counts as abandoned.
package state
