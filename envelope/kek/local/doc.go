// SPDX-License-Identifier: Apache-2.0

// Package local is the KEK of an installation without a key service: its keys
// lie in a keystore file that a passphrase or a key file seals. KEYSTORE.md
// beside this file is normative for every byte of it.
//
// Whoever holds the keystore and its secret holds every key below it. A key
// file that lies beside the keystore therefore protects against nothing but a
// lost backup of one of the two; it is for trials and for machines that mount
// it from elsewhere.
package local
