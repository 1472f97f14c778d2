// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// footerMagic begins the footer (FORMAT §9).
const footerMagic = "SG1/FOOT"

func appendFooter(b []byte, n int) []byte {
	b = append(b, footerMagic...)
	b = appendU32(b, uint32(n))
	return appendU32(b, uint32(sealedManifestSize(n)))
}

// parseFooter returns the n that a footer claims. Nothing depends on the
// claim but where the manifest is looked for.
func parseFooter(b []byte) (n int, err error) {
	if len(b) == footerSize && string(b[:8]) == footerMagic {
		count, size := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
		if count >= 1 && count <= MaxParts && int64(size) == sealedManifestSize(int(count)) {
			return int(count), nil
		}
	}
	return 0, &authError{ruleFooter}
}

// sealTail returns sealed manifest | footer.
func sealTail(dek secret, object ID, m *Manifest) ([]byte, error) {
	plain, err := m.encode()
	if err != nil {
		return nil, err
	}
	s := stream.NewSealer(bodyParams, dek()[:], tailAAD(object))
	header := s.Header()
	b := append(make([]byte, 0, tailSize(len(m.Parts))), header[:]...)
	for len(plain) > SegmentSize {
		b, plain = s.Inner(b, plain[:SegmentSize]), plain[SegmentSize:]
	}
	return appendFooter(s.Final(b, plain), len(m.Parts)), nil
}

// openTail opens sealed manifest | footer, which tail ends with, and checks
// it against the object as far as that is known.
func (o *Object) openTail(tail []byte) (*Manifest, error) {
	n, err := parseFooter(tail[max(0, len(tail)-footerSize):])
	if err != nil {
		return nil, err
	}
	if int64(len(tail)) < tailSize(n) {
		return nil, &authError{ruleFooter}
	}
	sealed := tail[int64(len(tail))-tailSize(n) : len(tail)-footerSize]
	plain, err := o.openManifest(sealed, manifestSize(n))
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(plain)
	if err != nil {
		return nil, err
	}
	if o.Multipart() {
		return m, nil
	}
	return m, m.checkSingle(o)
}

// openManifest opens the FLOE message of a manifest of size bytes.
func (o *Object) openManifest(sealed []byte, size int64) ([]byte, error) {
	opener, err := stream.NewOpener(bodyParams, o.dek()[:], sealed[:stream.HeaderSize], tailAAD(o.object))
	if err != nil {
		return nil, &authError{ruleManifest}
	}
	sealed = sealed[stream.HeaderSize:]
	plain := make([]byte, 0, size)
	pos := uint64(0)
	for ; len(sealed) > storedSegment; pos++ {
		if plain, err = opener.Inner(plain, sealed[:storedSegment], pos); err != nil {
			return nil, &authError{ruleManifest}
		}
		sealed = sealed[storedSegment:]
	}
	if plain, err = opener.Final(plain, sealed, pos); err != nil {
		return nil, &authError{ruleManifest}
	}
	return plain, nil
}

// TailRange returns the range of stored bytes that UseManifest needs of an
// object of stored bytes in all. For a single object that is exactly manifest
// and footer; for a multipart object it is as much as they can be in an object
// of that length. It returns ErrAuth as CheckStored does.
func (o *Object) TailRange(stored int64) (off, n int64, err error) {
	if err := o.CheckStored(stored); err != nil {
		return 0, 0, err
	}
	parts := int64(1)
	if o.Multipart() {
		claim, _ := PlainSize(stored) // CheckStored has found it to be one
		parts = min(MaxParts, 1+claim/MinPartSize)
	}
	n = tailSize(int(parts))
	return stored - n, n, nil
}

// UseManifest opens the manifest in tail, the last bytes of an object of
// stored bytes, and with it learns a multipart object's length and layout. It
// returns ErrAuth if anything does not verify, and io.ErrShortBuffer if tail
// is shorter than TailRange asks and does not reach back to the manifest.
func (o *Object) UseManifest(stored int64, tail []byte) (*Manifest, error) {
	m, err := o.readManifest(stored, tail)
	if err != nil {
		return nil, fmt.Errorf("opening manifest of object %s: %w", o.object, err)
	}
	m.of = o.ManifestKey(stored)
	o.take(m)
	return m, nil
}

// ManifestKey names the manifest of the object, whose stored length is stored:
// what to remember one by that UseManifest opened.
func (o *Object) ManifestKey(stored int64) ManifestKey {
	return ManifestKey{o.object, o.header.commitment, stored}
}

// ReuseManifest takes a manifest that UseManifest opened before, of this object
// or of another header of it, in place of its tail. It returns ErrAuth for one
// of any other object, or of another stored length.
func (o *Object) ReuseManifest(stored int64, m *Manifest) error {
	if m.of != o.ManifestKey(stored) {
		return fmt.Errorf("taking manifest of object %s: %w", o.object, &authError{ruleManifest})
	}
	o.take(m)
	return nil
}

// take makes a manifest that was opened the object's own.
func (o *Object) take(m *Manifest) {
	if o.Multipart() {
		o.setParts(m.Parts)
	}
	o.manifest = m
}

func (o *Object) readManifest(stored int64, tail []byte) (*Manifest, error) {
	_, want, err := o.TailRange(stored)
	if err != nil {
		return nil, err
	}
	if n, err := parseFooter(tail[max(0, len(tail)-footerSize):]); err == nil && int64(len(tail)) < min(want, tailSize(n)) {
		return nil, io.ErrShortBuffer
	}
	m, err := o.openTail(tail)
	if err != nil {
		return nil, err
	}
	// The law must hold for the authentic length, and that only.
	if StoredSize(m.PlainSize) != stored {
		return nil, &authError{ruleSize}
	}
	return m, nil
}

// equal reports whether two manifests of one object say the same.
func (m *Manifest) equal(other *Manifest) bool {
	return bytes.Equal(m.appendHead(nil), other.appendHead(nil)) && slices.EqualFunc(m.Parts, other.Parts, Part.equal)
}

func (p Part) equal(other Part) bool {
	return p.Number == other.Number && p.Size == other.Size && p.IV == other.IV && bytes.Equal(p.Checksum, other.Checksum)
}

// zeros is an endless source of padding.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// tailReader returns padding zero bytes and then sealed.
func tailReader(padding int64, sealed []byte) io.Reader {
	return io.MultiReader(io.LimitReader(zeros{}, padding), bytes.NewReader(sealed))
}

// isZero reports whether b holds nothing else. It compares words by way of
// the runtime: padding may be 117 MB.
func isZero(b []byte) bool {
	for len(b) > len(zeroBlock) {
		if !bytes.Equal(b[:len(zeroBlock)], zeroBlock[:]) {
			return false
		}
		b = b[len(zeroBlock):]
	}
	return bytes.Equal(b, zeroBlock[:len(b)])
}

var zeroBlock [4096]byte
