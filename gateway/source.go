// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// errUnmanaged marks an object that carries no header of ours: someone else
// wrote it, or the store took the header away.
var errUnmanaged = errors.New("the object was not written by the gateway")

// errMixed marks an ETag that stands for another object than before.
var errMixed = fmt.Errorf("another object stands behind this ETag: %w", envelope.ErrAuth)

// source is a stored object whose header was verified, with an open body or
// none.
type source struct {
	stored   store.Object
	object   *envelope.Object
	manifest *envelope.Manifest // nil unless it was needed
	body     *store.Reader      // nil for a head
	rng      s3api.Range        // as asked for, or all of it where If-Range does not hold
}

func (s *source) close() {
	if s != nil && s.body != nil {
		_ = s.body.Close() // read side: nothing can be lost
		s.body = nil
	}
}

// reader finds and verifies objects of one bucket for one exchange.
type reader struct {
	x      *exchange
	bucket string
	store  store.Store
}

// want is what a read asks for.
type want struct {
	key       string
	rng       s3api.Range
	cond      s3api.Conditions
	checksums bool
}

// head opens the header of a key, and its manifest if the size or the
// checksum asked for is only there.
func (rd reader) head(ctx context.Context, w want) (*source, error) {
	stored, err := rd.store.Head(ctx, w.key)
	if err != nil {
		return nil, err
	}
	s := &source{stored: stored}
	if err := rd.open(s, w); err != nil {
		return nil, err
	}
	return s, rd.complete(ctx, s, w)
}

// body opens a key with the body positioned for the range. The common case is
// one call to the store: the stored range of an object from one PUT follows
// from the plaintext range alone (FORMAT.md §11), that of a multipart object
// from the manifest that was read before.
func (rd reader) body(ctx context.Context, w want) (*source, error) {
	if s := rd.remembered(ctx, w); s != nil {
		return s, nil
	}
	guess, ok := guessRange(w.rng)
	if !ok {
		return rd.located(ctx, w)
	}
	body, err := rd.store.Get(ctx, w.key, guess)
	if errors.Is(err, store.ErrRange) {
		return rd.located(ctx, w) // finds that out again, with the size to tell
	}
	if err != nil {
		return nil, err
	}
	s := &source{stored: body.Object, body: body}
	if err := rd.open(s, w); err != nil {
		s.close()
		return nil, err
	}
	if err := rd.complete(ctx, s, w); err != nil {
		s.close()
		return nil, err
	}
	return rd.position(ctx, s, w)
}

// located opens a key when the stored range depends on the object's size or
// parts: header first, then the body of that very version.
func (rd reader) located(ctx context.Context, w want) (*source, error) {
	s, err := rd.head(ctx, w)
	if err != nil {
		return nil, err
	}
	return rd.position(ctx, s, w)
}

// position gives s the body that its range needs. One that is open already is
// kept if it begins there: of parts that are whole segments long, it does.
func (rd reader) position(ctx context.Context, s *source, w want) (*source, error) {
	if unmet := w.cond.CheckRead(s3api.ETag(s.stored.ETag), s.stored.LastModified); unmet != nil {
		s.close()
		return s, nil //nolint:nilerr // no byte is wanted, and describe says why
	}
	get, err := s.plan()
	switch {
	case err != nil:
		s.close()
		return s, err // with the size, which the answer names
	case get.Len == 0:
		s.close()
		s.body = &store.Reader{ReadCloser: io.NopCloser(strings.NewReader(""))}
		return s, nil
	case s.body != nil && s.body.Off == get.Off && (s.body.Len >= get.Len && get.Len > 0 || s.body.Len == s.stored.Size-get.Off):
		return s, nil
	}
	s.close()
	get.IfMatch = s.stored.ETag
	if s.body, err = rd.store.Get(ctx, w.key, get); err != nil {
		return s, changedMeanwhile(err)
	}
	return s, nil
}

// plan gives the stored bytes that the range needs.
func (s *source) plan() (store.GetOptions, error) {
	off, n, err := s.span()
	if err != nil || !s.partial() {
		return store.Whole(), err
	}
	off, n, err = s.object.Plan(off, n)
	return store.GetOptions{Off: off, Len: n}, err
}

// span gives the plaintext bytes that the range asks for.
func (s *source) span() (off, n int64, err error) {
	if s.object.Multipart() {
		return spanOf(s.rng, s.manifest)
	}
	return s.rng.Resolve(s.object.PlainSize())
}

// spanOf resolves a range of a multipart object. Parts are counted as they
// stand in it, from 1, whatever numbers they were uploaded with (S3.md,
// "Ranges").
func spanOf(rng s3api.Range, m *envelope.Manifest) (off, n int64, err error) {
	part := rng.Part()
	switch {
	case part == 0:
		return rng.Resolve(m.PlainSize)
	case part > len(m.Parts):
		return 0, 0, s3api.NewError("InvalidPartNumber", "")
	}
	for _, p := range m.Parts[:part-1] {
		off += p.Size
	}
	return off, m.Parts[part-1].Size, nil
}

// remembered reads a multipart object with one call, as it was when its
// manifest was read. Nil means that this did not work out, for whatever reason:
// it is then read as if nothing were known.
func (rd reader) remembered(ctx context.Context, w want) *source {
	known := rd.x.g.manifests.guess(placeOf(rd.bucket, w.key))
	if known == nil {
		return nil
	}
	off, n, err := spanOf(w.rng, known.manifest)
	if err != nil || n == 0 && w.rng.Partial() {
		return nil
	}
	get := store.Whole()
	if w.rng.Partial() {
		get.Off, get.Len = envelope.CipherRange(known.layout, off, n)
	}
	body, err := rd.store.Get(ctx, w.key, get)
	if err != nil {
		return nil
	}
	s := &source{stored: body.Object, body: body}
	if rd.open(s, w) != nil || s.rng != w.rng || !rd.reuse(s, known.manifest) {
		s.close()
		return nil
	}
	return s
}

// reuse takes a manifest for the object of s, if it is of it.
func (rd reader) reuse(s *source, m *envelope.Manifest) bool {
	if m == nil || !s.object.Multipart() || s.object.ReuseManifest(s.stored.Size, m) != nil {
		return false
	}
	s.manifest = m
	return true
}

// partial says whether less than the whole object is asked for. A part of an
// empty object is all of it.
func (s *source) partial() bool { return s.rng.Partial() && s.object.PlainSize() > 0 }

// guessRange gives the stored range of an object from one PUT, from the
// plaintext range alone; false for ranges that depend on the size.
func guessRange(rng s3api.Range) (store.GetOptions, bool) {
	first, last, ok := rng.Bounds()
	switch {
	case !ok || first >= envelope.MaxPutSize:
		return store.GetOptions{}, false
	case !rng.Partial():
		return store.Whole(), true
	}
	end := int64(envelope.MaxPutSize)
	if last >= 0 && last < end {
		end = last + 1
	}
	off, n := envelope.CipherRange(largestPut, first, end-first)
	if last < 0 {
		n = -1
	}
	return store.GetOptions{Off: off, Len: n}, true
}

// largestPut places a segment where it lies in every object from one PUT that
// is long enough to have it.
var largestPut = envelope.NewLayout(envelope.MaxPutSize)

// open verifies the header: the key that opens it is chosen by it, but no
// fact about the object is believed before it opened for this location.
func (rd reader) open(s *source, w want) error {
	x := rd.x
	if s.stored.Metadata == "" {
		return errUnmanaged
	}
	// The key is the client's: under the one that the store names, any object
	// of the bucket would open (FORMAT.md §5).
	loc := envelope.Location{Bucket: rd.bucket, Key: w.key}
	object, err := envelope.OpenHeader(s.stored.Metadata, loc, x.snap.Keys.Lookup)
	if errors.Is(err, rotation.ErrNoKeyring) {
		// The header names a key that was never ours or was given up: to try
		// again later, as for a key that is away, would change nothing.
		return fmt.Errorf("%w: %w", envelope.ErrAuth, err)
	}
	if err != nil {
		return err
	}
	x.outcome.Object = object.ObjectID().String()
	x.outcome.Keyring, x.outcome.KeyringVersion = object.Ring().String(), object.RingVersion()
	if !x.g.pins.check(rd.bucket, w.key, s.stored.ETag, object.ObjectID()) {
		return errMixed
	}
	s.object = object
	s.rng = w.cond.Select(w.rng, s3api.ETag(s.stored.ETag), s.stored.LastModified)
	if object.Multipart() {
		return nil // its size is in the manifest
	}
	return object.CheckStored(s.stored.Size)
}

// complete reads the manifest where something asked for is only there.
func (rd reader) complete(ctx context.Context, s *source, w want) error {
	inHeader := s.object.Attr().Checksum.Algorithm != envelope.ChecksumNone
	answered := w.checksums && !s.partial() // a part has no checksum of its own
	if !s.object.Multipart() && (!answered || inHeader) {
		return nil
	}
	id := s.object.ManifestKey(s.stored.Size)
	if rd.reuse(s, rd.x.g.manifests.of(id)) {
		return nil
	}
	off, n, err := s.object.TailRange(s.stored.Size)
	if err != nil {
		return err
	}
	body, err := rd.store.Get(ctx, w.key, store.GetOptions{Off: off, Len: n, IfMatch: s.stored.ETag})
	if err != nil {
		return changedMeanwhile(err)
	}
	defer body.Close() //nolint:errcheck // read side: nothing can be lost
	var tail bytes.Buffer
	tail.Grow(int(n) + 1 + bytes.MinRead) // at once: growing would take it several times
	if _, err := tail.ReadFrom(io.LimitReader(body, n+1)); err != nil {
		return err
	}
	if s.manifest, err = s.object.UseManifest(s.stored.Size, tail.Bytes()); err == nil && s.object.Multipart() {
		rd.x.g.manifests.add(id, placeOf(rd.bucket, w.key), s.manifest)
	}
	return shortTail(err, tail.Len(), n)
}

// shortTail makes less of a tail than was asked for a broken object.
func shortTail(err error, got int, want int64) error {
	if errors.Is(err, io.ErrShortBuffer) {
		return fmt.Errorf("the store gave %d bytes of a tail of %d: %w", got, want, envelope.ErrAuth)
	}
	return err
}

// changedMeanwhile turns the failed condition of a follow-up read into what
// the client can act on.
func changedMeanwhile(err error) error {
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) {
		return s3api.SlowDown("the object was replaced while it was being read; try again")
	}
	return err
}
