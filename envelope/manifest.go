// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"fmt"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// Manifest is the verified tail of an object (FORMAT §9).
type Manifest struct {
	Digests Digests
	// PlainSize is the plaintext length of all parts in bytes.
	PlainSize int64
	// Parts lists number, length, IV and checksum of each part, in order.
	Parts []Part

	of ManifestKey // zero unless UseManifest opened it
}

// ManifestKey tells which object a manifest belongs to. Two headers of the
// same key have the same manifest, byte by byte.
type ManifestKey struct {
	Object     ID
	Commitment [32]byte
	// Stored is the stored length of the whole object in bytes.
	Stored int64
}

// Lengths of FORMAT §9, in bytes.
const (
	manifestHead  = 84
	manifestEntry = 72
	footerSize    = 16

	// The size law has room for no more than this.
	maxManifestEntry = 72
	maxManifestFixed = 174
)

// These do not compile if the manifest outgrows the size law (FORMAT §10).
const (
	_ = uint(maxManifestEntry - manifestEntry)
	_ = uint(maxManifestFixed - (stream.HeaderSize + manifestHead + footerSize))
)

// manifestSize is the plaintext length of a manifest of n parts.
func manifestSize(n int) int64 { return manifestHead + manifestEntry*int64(n) }

// sealedManifestSize is M(n) of FORMAT §9.
func sealedManifestSize(n int) int64 { return stream.HeaderSize + sealedSize(manifestSize(n)) }

// tailSize is T(n) of FORMAT §9.
func tailSize(n int) int64 { return sealedManifestSize(n) + footerSize }

// encode returns the manifest's plaintext. It writes only what decodeManifest
// accepts, or fails with ErrParts, ErrTooSmall or ErrTooLarge.
func (m *Manifest) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b := m.appendHead(make([]byte, 0, manifestSize(len(m.Parts))))
	for _, p := range m.Parts {
		b = appendU16(b, uint16(p.Number))
		b = appendU32(appendU16(b, uint16(p.Size>>32)), uint32(p.Size))
		b = append(b, p.IV[:]...)
		b = appendPadded(b, p.Checksum)
	}
	if int64(len(b)) != manifestSize(len(m.Parts)) {
		panic("envelope: internal error: manifest outgrows the size law")
	}
	return b, nil
}

func (m *Manifest) appendHead(b []byte) []byte {
	d := m.Digests
	b = append(b, byte(d.Client.Algorithm), byte(d.Client.Type))
	b = appendPadded(b, d.Client.Sum)
	sha := [32]byte{}
	if d.SHA256 != nil {
		sha = *d.SHA256
	}
	b = append(b, sha[:]...)
	b = append(b, d.CRC64NVME[:]...)
	b = appendU64(b, uint64(m.PlainSize))
	return appendU16(b, uint16(len(m.Parts)))
}

// decodeManifest is the strict inverse of encode. The result keeps b.
func decodeManifest(b []byte) (*Manifest, error) {
	c := cursor{rest: b}
	m := &Manifest{}
	ok := m.decodeHead(&c)
	n := int(c.u16())
	// The length bounds n before n sizes anything.
	if !ok || c.bad || int64(len(b)) != manifestSize(n) {
		return nil, &authError{ruleManifest}
	}
	m.Parts = make([]Part, n)
	for i := range m.Parts {
		p := &m.Parts[i]
		p.Number = int(c.u16())
		p.Size = int64(c.u16())<<32 | int64(c.u32())
		p.IV = [32]byte(c.take(32))
		p.Checksum, _ = unpad(c.take(maxChecksum), m.sumSize()) // check refuses the nil of a faulty one
	}
	if !c.done() || m.check() != nil {
		return nil, &authError{ruleManifest}
	}
	return m, nil
}

// decodeHead reads all of the head but n.
func (m *Manifest) decodeHead(c *cursor) (ok bool) {
	d := &m.Digests
	d.Client.Algorithm, d.Client.Type = ChecksumAlgorithm(c.u8()), ChecksumType(c.u8())
	d.Client.Sum, ok = unpad(c.take(maxChecksum), d.Client.Algorithm.Size())
	if sha := [32]byte(c.take(32)); sha != [32]byte{} {
		d.SHA256 = &sha
	}
	d.CRC64NVME = [8]byte(c.take(8))
	size := c.u64()
	m.PlainSize = int64(min(size, MaxObjectSize+1)) // check refuses what is over
	return ok
}

// sumSize is the length of each part's checksum in bytes.
func (m *Manifest) sumSize() int {
	if a := m.Digests.Client.Algorithm; a != ChecksumNone {
		return a.Size()
	}
	return ChecksumCRC64NVME.Size()
}

// check holds the rules of FORMAT §9 that do not depend on the object.
func (m *Manifest) check() error {
	if !m.Digests.Client.valid() {
		return fmt.Errorf("%w: checksum %s", ErrParts, m.Digests.Client.Algorithm)
	}
	if n := len(m.Parts); n == 0 || n > MaxParts {
		return fmt.Errorf("%w: %d parts", ErrParts, n)
	}
	var sum int64
	for i := range m.Parts {
		if err := m.checkPart(i); err != nil {
			return err
		}
		sum += m.Parts[i].Size
	}
	if sum != m.PlainSize {
		return fmt.Errorf("%w: parts of %d bytes in an object of %d", ErrParts, sum, m.PlainSize)
	}
	if sum > MaxObjectSize {
		return fmt.Errorf("%w: object of %d bytes", ErrTooLarge, sum)
	}
	return nil
}

func (m *Manifest) checkPart(i int) error {
	p, last := m.Parts[i], i == len(m.Parts)-1
	switch {
	case p.Number < 1 || p.Number > MaxParts:
		return fmt.Errorf("%w: part number %d", ErrParts, p.Number)
	case i > 0 && m.Parts[i-1].Number >= p.Number:
		return fmt.Errorf("%w: part %d out of order", ErrParts, p.Number)
	case len(p.Checksum) != m.sumSize():
		return fmt.Errorf("%w: part %d with a sum of %d bytes", ErrParts, p.Number, len(p.Checksum))
	case p.Size < 0 || p.Size > MaxPartSize:
		return fmt.Errorf("%w: part %d of %d bytes", ErrTooLarge, p.Number, p.Size)
	case !last && p.Size < MinPartSize:
		return fmt.Errorf("%w: part %d of %d bytes", ErrTooSmall, p.Number, p.Size)
	}
	return nil
}

// checkSingle holds what ties a single object's manifest to its metadata.
func (m *Manifest) checkSingle(o *Object) error {
	want := o.parts[0]
	if len(m.Parts) != 1 || m.Parts[0].Number != want.Number || m.Parts[0].Size != want.Size || m.Parts[0].IV != want.IV {
		return &authError{ruleManifest}
	}
	if !bytes.Equal(m.Parts[0].Checksum, m.Digests.sum()) {
		return &authError{ruleManifest}
	}
	return nil
}

// sum is the sum that a single object's only part carries.
func (d *Digests) sum() []byte {
	if d.Client.Algorithm != ChecksumNone {
		return d.Client.Sum
	}
	return d.CRC64NVME[:]
}
