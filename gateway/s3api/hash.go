// SPDX-License-Identifier: Apache-2.0

package s3api

import "hash"

// New starts a sum of the algorithm; nil for ChecksumNone.
func (a Algorithm) New() hash.Hash {
	return newHash(a)
}

// Algorithm is that of the checksum which the part brings, in a header or in
// the trailer that it announced; ChecksumNone when it brings none.
func (o *UploadPart) Algorithm() Algorithm {
	return max(o.payload.checksum.Algorithm, o.payload.trailer) // at most one is set
}
