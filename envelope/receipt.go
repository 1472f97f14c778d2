// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"fmt"
)

// Receipt is what a completion needs to know of one attempt to write a part
// (FORMAT §9, "Receipts"). It tells sums of the plaintext, so it is kept
// sealed wherever it lies.
type Receipt struct {
	// Part is the attempt, with the sum of its plaintext by Algorithm.
	Part Part
	// Algorithm is that of Part.Checksum: none if there is no such sum.
	Algorithm ChecksumAlgorithm
	// CRC64NVME of the part's plaintext.
	CRC64NVME [8]byte
}

// Lengths of FORMAT §9, "Receipts", in bytes.
const (
	receiptSize       = 2 + 6 + 32 + 1 + maxChecksum + 8
	sealedReceiptSize = aeadOverhead + receiptSize
)

// SealReceipt seals what is known of an attempt. upload is the caller's name
// of the upload and etag the store's tag of the part: under another of either,
// or for another part number, the receipt does not open. It returns ErrParts
// for a receipt that no part can have.
func (u *Upload) SealReceipt(r Receipt, upload, etag string) ([]byte, error) {
	if !r.valid() {
		return nil, fmt.Errorf("%w: receipt of part %d of %d bytes", ErrParts, r.Part.Number, r.Part.Size)
	}
	return u.receipts().Seal(nil, nil, r.encode(), receiptAAD(upload, r.Part.Number, etag)), nil //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
}

// OpenReceipt opens what SealReceipt made for this upload, part number and
// tag. It returns ErrAuth for anything else.
func (u *Upload) OpenReceipt(sealed []byte, upload string, number int, etag string) (Receipt, error) {
	r, err := u.openReceipt(sealed, upload, number, etag)
	if err != nil {
		return Receipt{}, fmt.Errorf("opening receipt of part %d of object %s: %w", number, u.object, err)
	}
	return r, nil
}

func (u *Upload) openReceipt(sealed []byte, upload string, number int, etag string) (Receipt, error) {
	if len(sealed) != sealedReceiptSize {
		return Receipt{}, &authError{ruleReceipt}
	}
	plain, err := u.receipts().Open(nil, nil, sealed, receiptAAD(upload, number, etag))
	if err != nil {
		return Receipt{}, &authError{ruleReceipt}
	}
	r, ok := decodeReceipt(plain)
	if !ok || r.Part.Number != number {
		return Receipt{}, &authError{ruleReceipt}
	}
	return r, nil
}

func (r Receipt) valid() bool {
	p := r.Part
	return p.Number >= 1 && p.Number <= MaxParts && p.Size >= 0 && p.Size <= MaxPartSize &&
		int(r.Algorithm) < len(algorithms) && len(p.Checksum) == r.Algorithm.Size()
}

func (r Receipt) encode() []byte {
	b := appendU16(make([]byte, 0, receiptSize), uint16(r.Part.Number))
	b = appendU32(appendU16(b, uint16(r.Part.Size>>32)), uint32(r.Part.Size))
	b = append(b, r.Part.IV[:]...)
	b = append(b, byte(r.Algorithm))
	b = appendPadded(b, r.Part.Checksum)
	return append(b, r.CRC64NVME[:]...)
}

// decodeReceipt is the strict inverse of encode.
func decodeReceipt(b []byte) (Receipt, bool) {
	c := cursor{rest: b}
	var r Receipt
	r.Part.Number = int(c.u16())
	r.Part.Size = int64(c.u16())<<32 | int64(c.u32())
	r.Part.IV = [32]byte(c.take(32))
	r.Algorithm = ChecksumAlgorithm(c.u8())
	sum, ok := unpad(c.take(maxChecksum), r.Algorithm.Size())
	r.Part.Checksum = bytes.Clone(sum) // it outlives b, of which a completion has thousands
	r.CRC64NVME = [8]byte(c.take(8))
	return r, ok && c.done() && r.valid()
}

func receiptKey(dek secret) []byte { return expand(dek(), appendLP(nil, labelReceipt), 32) }

// receiptAAD binds a receipt to what it is about. The length in front of the
// tag keeps the three apart.
func receiptAAD(upload string, number int, etag string) []byte {
	return appendLP(appendU16(appendLP(nil, upload), uint16(number)), etag)
}
