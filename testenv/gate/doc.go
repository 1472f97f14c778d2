// SPDX-License-Identifier: Apache-2.0

// Package gate runs the real sealgate program for tests: built once, started
// on free ports of the loopback interface with a temporary data directory,
// with identities from an authority that the test holds, so that a test can
// show it any certificate.
package gate
