// SPDX-License-Identifier: Apache-2.0

// Package session makes and reads the sessions of clients that sign their
// requests: short-lived keys for an identity that was verified, kept by nobody
// but the client.
//
// A session is whole in its token, which a [Keys] seals. [Open] reads it, and
// a [Checker] holds it against what is in force now: a token that opens says
// whose the session is, never that it may still be used. The web tokens that
// sessions are made from are verified by a [Verifier].
//
// The normative page is SESSIONS.md; code cites it as §N.
package session
