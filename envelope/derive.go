// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/hkdf"
	"crypto/sha512"
)

// The labels of FORMAT §4, one per use of a key. Each is written as LP(label)
// at the front of its input, so that no use can collide with another.
const (
	labelContext = "SG1/context" // AAD of the KEK wrap: no key of ours
	labelKCV     = "SG1/kcv"     // keyring key: key check value
	labelSystem  = "SG1/sys"     // keyring key: system keyrings
	labelWrap    = "SG1/wrap"    // keyring key: wraps one DEK
	labelWrapAAD = "SG1/dek"     // AAD of the DEK wrap
	labelCommit  = "SG1/commit"  // DEK: key commitment
	labelMeta    = "SG1/meta"    // DEK: sealed client metadata
	labelReceipt = "SG1/receipt" // DEK: sealed receipts of parts
	labelPart    = "SG1/part"    // DEK: FLOE message of a part
	labelTail    = "SG1/tail"    // DEK: FLOE message of the manifest
)

// expand is HKDF-Expand-SHA384 (RFC 5869 §2.3), the only derivation of the
// format. Its keys are uniform already, so there is nothing to extract.
func expand(key *Key, info []byte, n int) []byte {
	out, err := hkdf.Expand(sha512.New384, key[:], string(info), n)
	if err != nil {
		// Only n over 255*48 or a policy against 32-byte keys can fail.
		panic("envelope: internal error: " + err.Error())
	}
	return out
}
