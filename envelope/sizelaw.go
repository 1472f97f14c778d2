// SPDX-License-Identifier: Apache-2.0

package envelope

import "github.com/sealgate/sealgate/envelope/internal/stream"

// SegmentSize is the plaintext length of every segment but a part's last, in
// bytes. It is fixed by the suite (FORMAT §13).
const SegmentSize = 65536

// The limits of FORMAT §12, in bytes of plaintext where not said otherwise.
const (
	// MaxPutSize is the largest single object: its stored form fits one PUT.
	MaxPutSize = 5_365_974_048
	// MaxPartSize is the largest part whose sealed form fits one UploadPart.
	MaxPartSize = 5_366_088_928
	// MaxMergedPartSize is the largest last part that still fits one
	// UploadPart with any tail appended.
	MaxMergedPartSize = 5_248_765_280
	// MaxTailSize bounds padding, manifest and footer, in stored bytes.
	MaxTailSize = 117_380_960
	// MaxObjectSize is the largest object.
	MaxObjectSize = 5_494_757_770_720
	// MinPartSize is the smallest part that is not the last.
	MinPartSize = 5 << 20
	// MaxParts bounds number and count of parts.
	MaxParts = 10_000
)

// segmentOverhead is what a segment adds to its plaintext, in bytes.
const segmentOverhead = stream.Overhead

// storedSegment is the stored length of an inner segment in bytes.
const storedSegment = SegmentSize + segmentOverhead

// segments returns how many segments a part of n bytes has (FORMAT §8).
func segments(n int64) int64 { return max(1, (n+SegmentSize-1)/SegmentSize) }

// sealedSize returns the stored length of a part of n bytes (FORMAT §8).
func sealedSize(n int64) int64 { return n + segmentOverhead*segments(n) }

// StoredSize returns the stored length of an object of plain bytes: the size
// law of FORMAT §10. It is the same for any division into parts. It returns
// -1, which no stored object has, for lengths outside 0 to MaxObjectSize.
func StoredSize(plain int64) int64 {
	if plain < 0 || plain > MaxObjectSize {
		return -1
	}
	return sealedSize(plain) + 112*(1+plain/MinPartSize) + 256
}

// PlainSize is the inverse of StoredSize. ok is false for lengths that no
// object has. A stored length is the store's claim, so the result is fit for
// listings alone: Object.PlainSize is the authenticated one.
func PlainSize(stored int64) (plain int64, ok bool) {
	// Invariant: StoredSize(lo) <= stored, and every P above hi is too long.
	lo, hi := int64(0), min(stored, int64(MaxObjectSize))
	for lo < hi {
		mid := lo + (hi-lo+1)/2
		if StoredSize(mid) <= stored {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo, StoredSize(lo) == stored
}
