// SPDX-License-Identifier: Apache-2.0

// Package authority is the built-in SPIFFE authority for a single machine: a
// certificate authority, JWT signing keys and the SPIFFE Workload API on a unix
// socket. Callers are attested by what the kernel says of them, and get the
// identities that registration entries grant. AUTHORITY.md is its specification;
// "§" in comments cites it.
//
// # What it is not
//
// It is not SPIRE. There is no node attestation: it knows the processes of the
// machine it runs on and no others. Nothing is replicated and no SVID can be
// revoked; lives are short instead.
//
// # What is a boundary
//
// The caller's user, or its systemd unit. Path and digest of the executable narrow
// an entry that has one of these, and cannot stand alone: programs of one user can
// always act through each other (§1.3).
//
// # What must never happen
//
// An SVID leaves without its audit record being durable; a private key of an SVID
// is used twice; a certificate outlives its issuer or its root's place in the
// bundle; a recycled process id is taken for the process that had it before; a CA
// is made anew because the old one could not be read.
package authority
