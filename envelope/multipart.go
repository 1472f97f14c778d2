// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/cipher"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// Upload seals the parts and the tail of one multipart object. Its metadata
// is the whole of its state: ResumeUpload goes on elsewhere from that. Safe
// for concurrent use.
type Upload struct {
	dek      secret
	object   ID
	meta     string
	receipts func() cipher.AEAD // seals them; the same for all of an upload
}

func newUpload(dek secret, object ID, meta string) *Upload {
	receipts := sync.OnceValue(func() cipher.AEAD { return newAEAD(receiptKey(dek)) })
	return &Upload{dek: dek, object: object, meta: meta, receipts: receipts}
}

// NewMultipart starts an upload: it draws id and DEK. c.Size is ignored. It
// returns ErrAttrTooLarge or ErrAttrInvalid for an Attr that cannot be stored.
func NewMultipart(c SealConfig) (*Upload, error) {
	h, dek, err := newHeader(kindMultipart, c)
	if err != nil {
		return nil, err
	}
	h.wrap(c.Key, dek, c.Location)
	return newUpload(dek, h.object, h.encode()), nil
}

// ResumeUpload returns the upload that made meta. It returns what OpenHeader
// does, and ErrAuth if meta is that of a single object.
func ResumeUpload(meta string, loc Location, keys KeyLookup) (*Upload, error) {
	o, err := OpenHeader(meta, loc, keys)
	if err != nil {
		return nil, err
	}
	if !o.Multipart() {
		return nil, fmt.Errorf("resuming upload of object %s: %w", o.object, &authError{ruleKind})
	}
	return newUpload(o.dek, o.object, meta), nil
}

// ObjectID returns the id of the object that the upload makes.
func (u *Upload) ObjectID() ID { return u.object }

// Metadata returns the value of x-amz-meta-sg1.
func (u *Upload) Metadata() string { return u.meta }

// PartSealer seals one attempt to write one part, under an IV of its own.
type PartSealer struct {
	part Part
	floe *stream.Sealer
	used atomic.Bool
}

// SealPart starts an attempt to write part number, of size plaintext bytes.
// It returns ErrParts for a number outside 1 to MaxParts and ErrTooLarge for a
// size outside 0 to MaxPartSize.
func (u *Upload) SealPart(number int, size int64) (*PartSealer, error) {
	if number < 1 || number > MaxParts {
		return nil, fmt.Errorf("%w: part number %d", ErrParts, number)
	}
	if size < 0 || size > MaxPartSize {
		return nil, fmt.Errorf("%w: part %d of %d bytes", ErrTooLarge, number, size)
	}
	floe := stream.NewSealer(bodyParams, u.dek()[:], partAAD(u.object, number))
	return &PartSealer{part: Part{Number: number, Size: size, IV: floe.IV()}, floe: floe}, nil
}

// Part returns number, size and IV of the attempt, as Tail wants them back
// together with the part's checksum.
func (p *PartSealer) Part() Part { return p.part }

// StoredSize returns the exact length of Reader's stream in bytes.
func (p *PartSealer) StoredSize() int64 { return sealedSize(p.part.Size) }

// Reader returns the sealed part. It implements io.WriterTo. A shorter plain
// surfaces as io.ErrUnexpectedEOF, a longer one as ErrLength, errors of plain
// as they are, wrapped. A second call gets a reader that fails with ErrUsed.
func (p *PartSealer) Reader(plain io.Reader) io.Reader {
	if p.used.Swap(true) {
		return failed(ErrUsed)
	}
	return newPump(newSealStep(p.floe, plain, p.part.Size, noTail))
}

// OpenPart returns the plaintext of one sealed part, given exactly its stored
// bytes: to verify a staged part while it is sent again. part comes from
// authenticated data.
func (u *Upload) OpenPart(part Part, src io.Reader) *Reader {
	b := &body{dek: u.dek, object: u.object}
	b.setParts([]Part{part})
	return openPart(b, src)
}

// Tail is what follows the parts of a multipart object: padding, manifest and
// footer. It is streamed, being up to MaxTailSize bytes.
type Tail struct {
	manifest *Manifest
	sealed   []byte // manifest and footer
}

// Tail seals the manifest of the parts, given in order, and keeps that list. It returns ErrParts,
// ErrTooSmall or ErrTooLarge for a list that no object can have (FORMAT §9).
//
// An upload is completed once: a repeated completion takes the first Tail's
// Sealed to ResumeTail, so that the object's bytes are the same.
func (u *Upload) Tail(parts []Part, d Digests) (*Tail, error) {
	m := &Manifest{Digests: d, Parts: parts}
	for _, p := range parts {
		m.PlainSize += p.Size
	}
	sealed, err := sealTail(u.dek, u.object, m)
	if err != nil {
		return nil, fmt.Errorf("sealing manifest of object %s: %w", u.object, err)
	}
	return &Tail{m, sealed}, nil
}

// ResumeTail returns the Tail that sealed came from. It returns ErrAuth if
// sealed is not of this upload.
func (u *Upload) ResumeTail(sealed []byte) (*Tail, error) {
	o := &Object{header: &header{kind: kindMultipart, object: u.object}, body: body{dek: u.dek, object: u.object}}
	m, err := o.openTail(sealed)
	if err == nil && int64(len(sealed)) != tailSize(len(m.Parts)) {
		err = &authError{ruleLength}
	}
	if err != nil {
		return nil, fmt.Errorf("opening manifest of object %s: %w", u.object, err)
	}
	return &Tail{m, sealed}, nil
}

// Manifest returns what the tail says.
func (t *Tail) Manifest() *Manifest { return t.manifest }

// Sealed returns manifest and footer, without padding: at most 720,526 bytes.
func (t *Tail) Sealed() []byte { return t.sealed }

// StoredSize returns the stored length of the whole object in bytes.
func (t *Tail) StoredSize() int64 { return StoredSize(t.manifest.PlainSize) }

// Size returns the exact length of Reader's stream in bytes.
func (t *Tail) Size() int64 { return t.StoredSize() - t.sealedParts() }

func (t *Tail) sealedParts() int64 {
	var n int64
	for _, p := range t.manifest.Parts {
		n += sealedSize(p.Size)
	}
	return n
}

// Reader returns the tail's bytes, the same on every call. They go into the
// object right after those of the last part.
func (t *Tail) Reader() io.Reader {
	return tailReader(t.Size()-int64(len(t.sealed)), t.sealed)
}
