// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// SealConfig says what to seal.
type SealConfig struct {
	// Key is the active key of the keyring whose scope holds Location.
	Key *KeyringKey
	// Location is where clients will find the object; it is bound into it.
	Location Location
	// Size is the exact plaintext length in bytes. NewMultipart ignores it.
	Size int64
	// Attr is the client's metadata.
	Attr Attr
}

// Sealer seals one attempt to write one single object. It draws id, DEK and
// IV for itself and gives out one body, so that a retry cannot but start from
// a new Sealer. Safe for concurrent use.
type Sealer struct {
	header *header
	dek    secret
	floe   *stream.Sealer
	meta   string
	used   atomic.Bool
}

// NewSealer starts an attempt. It returns ErrTooLarge for a Size outside 0 to
// MaxPutSize, and ErrAttrTooLarge or ErrAttrInvalid for an Attr that cannot be
// stored.
func NewSealer(c SealConfig) (*Sealer, error) {
	if c.Size < 0 || c.Size > MaxPutSize {
		return nil, fmt.Errorf("sealing object of %d bytes: %w", c.Size, ErrTooLarge)
	}
	h, dek, err := newHeader(kindSingle, c)
	if err != nil {
		return nil, err
	}
	s := &Sealer{header: h, dek: dek, floe: stream.NewSealer(bodyParams, dek()[:], partAAD(h.object, 1))}
	h.single = singleHeader{c.Size, s.floe.Header()}
	h.wrap(c.Key, dek, c.Location)
	s.meta = h.encode()
	return s, nil
}

// newHeader draws id and DEK and seals the attributes. The DEK wrap, which
// covers the whole header, is for the caller to add.
func newHeader(k kind, c SealConfig) (*header, secret, error) {
	attr, err := c.Attr.encode()
	if err != nil {
		return nil, nil, fmt.Errorf("sealing metadata: %w", err)
	}
	dek := keep(NewKey())
	h := &header{kind: k, object: NewID(), ring: c.Key.ring, ringVersion: c.Key.version}
	h.commitment = commitment(dek, h.object)
	h.attr = seal(attrKey(dek), attr, attrAAD(h))
	return h, dek, nil
}

// ObjectID returns the id of this attempt's object.
func (s *Sealer) ObjectID() ID { return s.header.object }

// Metadata returns the value of x-amz-meta-sg1, at most MaxMetadata bytes.
func (s *Sealer) Metadata() string { return s.meta }

// StoredSize returns the exact length of Reader's stream in bytes.
func (s *Sealer) StoredSize() int64 { return StoredSize(s.header.single.plain) }

// Reader returns the stored body: sealed segments, padding, manifest, footer.
// It implements io.WriterTo.
//
// finish is called once, after plain has given exactly Size bytes and io.EOF;
// what it returns goes into the manifest. A shorter plain surfaces as
// io.ErrUnexpectedEOF, a longer one as ErrLength, and errors of plain and
// finish as they are, wrapped: so a store that takes an object only from a
// stream without error takes none.
//
// A second call gets a reader that fails with ErrUsed.
func (s *Sealer) Reader(plain io.Reader, finish func() (Digests, error)) io.Reader {
	if s.used.Swap(true) {
		return failed(ErrUsed)
	}
	tail := func() (io.Reader, error) { return s.sealTail(finish) }
	return newPump(newSealStep(s.floe, plain, s.header.single.plain, tail))
}

// sealTail makes padding, manifest and footer of a single object.
func (s *Sealer) sealTail(finish func() (Digests, error)) (io.Reader, error) {
	digests, err := finish()
	if err != nil {
		return nil, err
	}
	size := s.header.single.plain
	m := &Manifest{Digests: digests, PlainSize: size}
	m.Parts = []Part{{Number: 1, Size: size, IV: s.floe.IV(), Checksum: digests.sum()}}
	sealed, err := sealTail(s.dek, s.header.object, m)
	if err != nil {
		return nil, fmt.Errorf("sealing manifest: %w", err)
	}
	return tailReader(StoredSize(size)-sealedSize(size)-int64(len(sealed)), sealed), nil
}
