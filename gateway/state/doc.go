// SPDX-License-Identifier: Apache-2.0

// Package state is the gateway's own database: which keyrings exist and which
// record of each version is the right one, the deployment's identity, the
// generations of local keystores, the live replica, and the audit logs that
// this deployment has ever written.
//
// The engine is SQLite in one file, opened with a write-ahead log and
// synchronous=FULL: a method that returned nil survives the machine losing
// power. There is one writing connection, and every change is one immediate
// transaction, so a change is whole or absent. The schema is in migrations/;
// each table says there what it is for.
//
// The database is trusted for availability and order, never for
// confidentiality: keyring records in it are ciphertext, wrapped by the KEK.
// It is not needed on the data path.
//
// # Old binaries and new databases
//
// Every migration states the oldest reader that may still write to the
// database. A binary older than that refuses with ErrTooNew and changes
// nothing: a row that is only half understood must never be rewritten.
//
// # Concurrency
//
// A DB may be used from any number of goroutines. Changes that depend on an
// earlier read take what was read as an argument and fail with ErrConflict
// when it is no longer so.
package state
