// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"fmt"

	"github.com/sealgate/sealgate/envelope/internal/stream"
)

// Object is a header that has been opened: all it says is authentic. Its
// methods are safe for concurrent use, but UseManifest comes before all that
// depend on it.
type Object struct {
	body
	header   *header
	attr     Attr
	manifest *Manifest // nil before UseManifest
}

// OpenHeader opens meta, the value of x-amz-meta-sg1, of the object that a
// client asked for at loc. It returns ErrAuth if anything does not verify,
// and the error of keys, wrapped, if there is no key.
func OpenHeader(meta string, loc Location, keys KeyLookup) (*Object, error) {
	h, err := parseHeader(meta)
	if err != nil {
		return nil, fmt.Errorf("reading header: %w", err)
	}
	k, err := keys(h.ring, h.ringVersion)
	if err != nil {
		return nil, fmt.Errorf("looking up keyring %s/%d: %w", h.ring, h.ringVersion, err)
	}
	dek, err := h.unwrap(k, loc)
	if err != nil {
		return nil, fmt.Errorf("unwrapping key of object %s: %w", h.object, err)
	}
	o := &Object{header: h, body: body{dek: dek, object: h.object}}
	if err := o.openFields(); err != nil {
		return nil, fmt.Errorf("opening header of object %s: %w", h.object, err)
	}
	return o, nil
}

// openFields opens what the DEK protects in the header.
func (o *Object) openFields() error {
	plain, err := open(attrKey(o.dek), o.header.attr, attrAAD(o.header), ruleAttributes)
	if err != nil {
		return err
	}
	if o.attr, err = decodeAttr(plain); err != nil {
		return err
	}
	if o.Multipart() {
		return nil
	}
	floe := o.header.single.floe[:]
	if _, err := stream.NewOpener(bodyParams, o.dek()[:], floe, partAAD(o.object, 1)); err != nil {
		return &authError{ruleFLOE}
	}
	o.setParts([]Part{{Number: 1, Size: o.header.single.plain, IV: floeIV(floe)}})
	return nil
}

// ObjectID returns the id drawn when the object was sealed.
func (o *Object) ObjectID() ID { return o.object }

// Ring returns the keyring that wraps the object's DEK.
func (o *Object) Ring() ID { return o.header.ring }

// RingVersion returns the version of that keyring.
func (o *Object) RingVersion() uint32 { return o.header.ringVersion }

// Attr returns the client's metadata.
func (o *Object) Attr() Attr { return o.attr }

// Multipart reports whether the object was written in parts, so that its
// length is in the manifest alone.
func (o *Object) Multipart() bool { return o.header.kind == kindMultipart }

// PlainSize returns the plaintext length in bytes: -1 for a multipart object
// before UseManifest.
func (o *Object) PlainSize() int64 {
	if o.parts == nil {
		return -1
	}
	return o.layout.plain
}

// CheckStored compares the backend's total length with the size law. It
// returns ErrAuth if they differ; for a multipart object before UseManifest,
// if no object has that length.
func (o *Object) CheckStored(stored int64) error {
	claim, ok := PlainSize(stored)
	if !ok || (o.parts != nil && claim != o.layout.plain) {
		return fmt.Errorf("checking stored length of object %s: %w", o.object, &authError{ruleSize})
	}
	return nil
}
