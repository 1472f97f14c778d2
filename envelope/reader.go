// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"errors"
	"fmt"
	"io"
)

// Reader yields the plaintext of an object, or a range of it. No byte leaves
// it before its segment has been authenticated; a fault is an error in place
// of what it concerns, never an early end.
//
// Errors wrap ErrAuth if the stored bytes do not verify, ErrRange or
// ErrNoManifest if the call was wrong; errors of the source come back as they
// are, wrapped. A source that ends early or late does not verify.
type Reader struct {
	*pump
	all *openAll // nil for a range
}

// Manifest returns the manifest of a whole body that has been read to its
// end, or nil.
func (r *Reader) Manifest() *Manifest {
	if r.all == nil || r.err != io.EOF { //nolint:errorlint // the pump keeps io.EOF itself
		return nil
	}
	return r.all.found
}

// Plan returns the range of stored bytes that OpenRange needs for plaintext
// [off, off+n): ErrRange if that is not within the object, ErrNoManifest if
// its layout is not known yet. An empty range needs no bytes.
func (o *Object) Plan(off, n int64) (cipherOff, cipherLen int64, err error) {
	if o.parts == nil {
		return 0, 0, ErrNoManifest
	}
	if off < 0 || n < 0 || off > o.layout.plain || n > o.layout.plain-off {
		return 0, 0, fmt.Errorf("%w: %d bytes at %d of %d", ErrRange, n, off, o.layout.plain)
	}
	cipherOff, cipherLen = CipherRange(o.layout, off, n)
	return cipherOff, cipherLen, nil
}

// OpenRange returns plaintext [off, off+n). src holds exactly the stored
// bytes that Plan returns; CheckStored has compared the object's stored length
// before.
func (o *Object) OpenRange(src io.Reader, off, n int64) *Reader {
	_, cipherLen, err := o.Plan(off, n)
	if err != nil {
		return &Reader{pump: failed(err)}
	}
	st := &openStep{body: &o.body, src: newSource(src, cipherLen), left: n}
	st.next = o.layout.at(off)
	if n > 0 {
		st.skip = off - st.next.plainOff(o.layout)
	}
	return &Reader{pump: newPump(st)}
}

// OpenAll returns the whole plaintext. src holds the whole stored body, of
// stored bytes. Segments, padding, manifest, footer and the end of src are all
// verified before the plaintext of the last segment is released (FORMAT §9).
func (o *Object) OpenAll(src io.Reader, stored int64) *Reader {
	if o.parts == nil {
		return &Reader{pump: failed(ErrNoManifest)}
	}
	if err := o.CheckStored(stored); err != nil {
		return &Reader{pump: failed(err)}
	}
	all := &openAll{openStep: openStep{body: &o.body, src: newSource(src, stored), left: o.layout.plain}, object: o}
	return &Reader{pump: newPump(all), all: all}
}

// openPart returns the plaintext of a part, given exactly its sealed bytes.
func openPart(b *body, src io.Reader) *Reader {
	st := &openStep{body: b, src: newSource(src, b.layout.sealed()), left: b.layout.plain}
	st.whole = true
	return &Reader{pump: newPump(st)}
}

// reading turns what a source reports into what a Reader returns.
func reading(err error) error {
	if errors.Is(err, errShort) || errors.Is(err, errLong) {
		err = &authError{ruleLength}
	}
	return fmt.Errorf("reading stored body: %w", err)
}
