// SPDX-License-Identifier: Apache-2.0

// Package bench measures Sealgate against what it is made of and against what
// it replaces: raw ciphers, a bare group commit, a TLS file server that keeps
// what it is given as durably as the gateway does but encrypts and records
// nothing. `make bench` runs it; `go test` alone does not.
//
// Against nginx, which only ends TLS, stands the floor as well: the least that a
// gateway of our kind can do, in rows whose names end so. Where the gateway
// misses its bar, what it is of the floor is said below the table. THE FLOOR
// PROTECTS NOTHING: it has one key and the same nonces for all objects, and no
// line of it belongs in the product (floor.go).
//
// All parts of a measurement share the machine, so every comparison alternates
// its sides within one run, for several rounds, and what counts is the median
// of the rounds' ratios. Beside it stands the CPU time of the gateway or the
// floor, and of the proxy, for a unit of the work, which others that use the
// machine hardly move. The work of a cell is fixed; its payloads are random and
// verified. The figures are printed as one table and written to out/latest.json.
//
// The object of 50 GiB is neither stored nor sent over a disk: the gateway that
// serves it has a store that makes it up (-far, its size in GiB). A process is
// smallest before its collector has run, whatever it does: the object is held
// against a gateway that moved a fifth as much in objects of 50 MiB.
package bench
