// SPDX-License-Identifier: Apache-2.0

// Package envelope seals objects for an untrusted store and opens them again.
//
// Three layers of keys: a KEK in a key management system wraps keyring keys,
// a keyring key wraps one random data key (DEK) per object, and the DEK keys
// the object's segments. FORMAT.md is the normative byte layout; comments in
// this package cite its sections as "FORMAT §n".
//
// The package does no I/O of its own: it maps readers to readers and strings
// to values, so that it can be tested whole and used by a gateway, by an
// offline tool, or by an auditor alike. Whatever the store returns is hostile
// until it has been opened: no function here returns a byte, a length or a
// name from stored data that has not been authenticated, except PlainSize,
// whose comment says so.
package envelope
