// SPDX-License-Identifier: Apache-2.0

package envelope

import "github.com/sealgate/sealgate/envelope/internal/stream"

// bodyParams fixes the FLOE parameters of suite 1 (FORMAT §8).
var bodyParams = stream.Params{Segment: storedSegment}

// Part is one part of an object's body. Whoever fills it in vouches for it:
// Parts that this package returns are authentic.
type Part struct {
	// Number is 1 to MaxParts.
	Number int
	// Size is the plaintext length in bytes.
	Size int64
	// IV is the IV of the attempt that counts.
	IV [32]byte
	// Checksum is the sum of the part's plaintext by the algorithm of
	// Digests.Client, or CRC64NVME if the client sent none.
	Checksum []byte
}

// body is what it takes to open segments: key, identity and layout.
type body struct {
	dek    secret
	object ID
	parts  []Part // nil while unknown
	layout Layout
}

func (b *body) setParts(parts []Part) {
	sizes := make([]int64, len(parts))
	for i, p := range parts {
		sizes[i] = p.Size
	}
	b.parts, b.layout = parts, NewLayout(sizes...)
}

// opener starts on part i of the layout.
func (b *body) opener(i int) *stream.Opener {
	p := b.parts[i]
	return stream.NewOpenerIV(bodyParams, b.dek()[:], p.IV, partAAD(b.object, p.Number))
}

// partAAD binds a part's segments to object and number (FORMAT §4).
func partAAD(object ID, number int) []byte {
	aad := append(appendLP(nil, labelPart), object[:]...)
	return appendU32(aad, uint32(number))
}

// tailAAD binds the manifest to its object.
func tailAAD(object ID) []byte { return append(appendLP(nil, labelTail), object[:]...) }

// floeIV returns the IV in a FLOE header.
func floeIV(floe []byte) [32]byte {
	return [32]byte(floe[stream.HeaderSize-stream.TagSize-stream.IVSize:])
}
