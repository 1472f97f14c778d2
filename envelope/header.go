// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// The numbers of FORMAT §13 that this code writes and reads.
const (
	formatVersion = 1
	suiteFLOE     = 1
)

// kind tells objects of one PUT from multipart objects.
type kind uint8

const (
	kindSingle    kind = 1
	kindMultipart kind = 2
)

// Lengths of FORMAT §5, in bytes.
const (
	prefixSize  = 71 // up to the wrapped DEK
	wrappedSize = aeadOverhead + 32
	singleSize  = 8 + stream.HeaderSize

	minSealedAttr = aeadOverhead + 1
	maxSealedAttr = aeadOverhead + maxAttr
)

// MaxMetadata is the longest value of x-amz-meta-sg1 in bytes. With its name
// it fills what S3 allows for user metadata (FORMAT §6).
const MaxMetadata = 2034

// header is the decoded metadata of FORMAT §5. Nothing in it is authentic
// until its DEK wrap has opened.
type header struct {
	kind        kind
	object      ID
	ring        ID
	ringVersion uint32
	commitment  [32]byte
	wrapped     [wrappedSize]byte
	single      singleHeader // zero for multipart
	attr        []byte       // sealed
}

// singleHeader describes the body of a single object.
type singleHeader struct {
	plain int64
	floe  [stream.HeaderSize]byte
}

// prefix returns header bytes [0, 71).
func (h *header) prefix() []byte {
	b := append(make([]byte, 0, 512), formatVersion, suiteFLOE, byte(h.kind))
	b = append(b, h.object[:]...)
	b = append(b, h.ring[:]...)
	b = appendU32(b, h.ringVersion)
	return append(b, h.commitment[:]...)
}

// appendSingle appends header bytes [131, 213), if the kind has them.
func (h *header) appendSingle(b []byte) []byte {
	if h.kind != kindSingle {
		return b
	}
	return append(appendU64(b, uint64(h.single.plain)), h.single.floe[:]...)
}

// encode returns the value of x-amz-meta-sg1.
func (h *header) encode() string {
	b := append(h.prefix(), h.wrapped[:]...)
	b = append(h.appendSingle(b), h.attr...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// wrapAAD is what the DEK wrap binds (FORMAT §5): all the metadata but the
// wrapped DEK itself, and where the object is.
func (h *header) wrapAAD(deployment ID, loc Location) []byte {
	attr := sha256.Sum256(h.attr)
	b := appendLP(nil, labelWrapAAD)
	b = append(b, h.prefix()...)
	b = h.appendSingle(b)
	b = append(b, attr[:]...)
	b = appendLP(b, string(deployment[:]))
	b = appendLP(b, loc.Bucket)
	return appendLP(b, loc.Key)
}

// parseHeader is the strict inverse of encode. It checks form only.
func parseHeader(meta string) (*header, error) {
	raw, ok := decodeMeta(meta)
	if !ok {
		return nil, &authError{ruleMetadata}
	}
	c := cursor{rest: raw}
	if err := checkNumbers(c.u8(), c.u8(), kind(c.u8())); err != nil {
		return nil, err
	}
	h := &header{kind: kind(raw[2])}
	h.object, h.ring, h.ringVersion = c.id(), c.id(), c.u32()
	h.commitment = [32]byte(c.take(32))
	h.wrapped = [wrappedSize]byte(c.take(wrappedSize))
	if h.kind == kindSingle {
		if err := h.parseSingle(&c); err != nil {
			return nil, err
		}
	}
	h.attr = c.rest
	if c.bad || len(h.attr) < minSealedAttr || len(h.attr) > maxSealedAttr {
		return nil, &authError{ruleMetadata}
	}
	return h, nil
}

// decodeMeta undoes base64url. The decoder skips line breaks and ignores
// unused bits, so the text is compared with its own encoding.
func decodeMeta(meta string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(meta)
	return raw, err == nil && base64.RawURLEncoding.EncodeToString(raw) == meta
}

// parseSingle reads header bytes [131, 213).
func (h *header) parseSingle(c *cursor) error {
	plain := c.u64()
	h.single.floe = [stream.HeaderSize]byte(c.take(stream.HeaderSize))
	if plain > MaxPutSize {
		return &authError{ruleSize}
	}
	h.single.plain = int64(plain)
	return nil
}

// checkNumbers refuses what this code does not know. There is no fallback.
func checkNumbers(version, suite uint8, k kind) error {
	switch {
	case version == 0 && suite == 0 && k == 0:
		return &authError{ruleMetadata} // nothing there: stripped or cut
	case version != formatVersion:
		return &authError{ruleVersion}
	case suite != suiteFLOE:
		return &authError{ruleSuite}
	case k != kindSingle && k != kindMultipart:
		return &authError{ruleKind}
	}
	return nil
}
