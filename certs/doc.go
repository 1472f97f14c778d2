// SPDX-License-Identifier: Apache-2.0

// Package certs holds what Sealgate knows about identity: SPIFFE IDs, trust
// bundles, the process's own certificate, and the rules by which a peer's
// certificate is believed.
//
// # Who is believed
//
// A peer is believed when its certificate chain verifies against the bundle of
// the trust domain that its own SPIFFE ID names, and against no other: there is
// never a union of bundles, because a certificate authority may speak for its
// own trust domain only. [Verify] is the one place where that is decided. The
// TLS configurations of this package call it for each handshake, and a [Guard]
// calls it again within a connection whenever the bundle has changed.
//
// # Why there is no session resumption
//
// A resumed TLS session skips certificate callbacks and would let a denied
// client, or one whose authority was removed, in for as long as its ticket
// lives. Server configurations issue no tickets, client configurations keep none,
// and verification sits in VerifyConnection, which runs for each handshake.
//
// # Snapshots
//
// A [Source] yields one [Material]: certificate, key and all bundles as they were
// at one moment. Nothing in it changes after it was published, so that a
// handshake never mixes the key of one moment with the bundle of another.
//
// Rules cited here: the SPIFFE-ID and X509-SVID standards
// (https://github.com/spiffe/spiffe/tree/main/standards) and RFC 5280.
package certs
