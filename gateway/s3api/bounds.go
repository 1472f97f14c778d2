// SPDX-License-Identifier: Apache-2.0

package s3api

// Bounds gives the first byte asked for and the last one, -1 for the end of
// the object. ok is false for a range that depends on the object's size or
// parts, which is only known once the object was found.
func (r Range) Bounds() (first, last int64, ok bool) {
	switch r.kind {
	case rangeWhole:
		return 0, -1, true
	case rangeFromTo:
		return r.first, r.last, true
	case rangeFrom:
		return r.first, -1, true
	case rangeSuffix, rangePart:
	}
	return 0, 0, false
}
