// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var copyLocation = Location{Bucket: "models", Key: "fraud/v2/weights.safetensors"}

// newerKey is the next version of the keyring of testKey.
func newerKey() *KeyringKey {
	return NewKeyringKey(testDeployment, testRing, 4, Key(bytes.Repeat([]byte{7}, 32)))
}

func rewrap(tb testing.TB, o *Object, c RewrapConfig) string {
	tb.Helper()
	meta, err := o.Rewrap(c)
	if err != nil {
		tb.Fatal(err)
	}
	return meta
}

func openAt(tb testing.TB, meta string, loc Location) *Object {
	tb.Helper()
	o, err := OpenHeader(meta, loc, testKeys)
	if err != nil {
		tb.Fatalf("opening header: %v (%s)", err, Fault(err))
	}
	return o
}

// copySource is a single object with attributes and a checksum sent ahead.
func copySource(tb testing.TB, plain []byte) (*Object, []byte) {
	tb.Helper()
	attr := Attr{ContentType: "model/x", User: []UserMeta{{"a", "1"}}, Checksum: Checksum{Algorithm: ChecksumCRC32, Sum: []byte{1, 2, 3, 4}}}
	s, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Size: int64(len(plain)), Attr: attr})
	if err != nil {
		tb.Fatal(err)
	}
	stored, err := io.ReadAll(s.Reader(bytes.NewReader(plain), noDigests))
	if err != nil {
		tb.Fatal(err)
	}
	return mustOpenHeader(tb, s.Metadata()), stored
}

func TestCopyOpensAtItsOwnNameOnly(t *testing.T) {
	t.Parallel()
	plain := noise(3*SegmentSize + 5)
	source, stored := copySource(t, plain)
	meta := rewrap(t, source, RewrapConfig{Key: newerKey(), Location: copyLocation})
	o := openAt(t, meta, copyLocation)
	got, err := io.ReadAll(o.OpenAll(bytes.NewReader(stored), int64(len(stored))))
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("the copy reads as %d bytes, %v; want the source's %d", len(got), err, len(plain))
	}
	if o.ObjectID() != source.ObjectID() || o.RingVersion() != 4 {
		t.Errorf("the copy is object %s under version %d, want %s under the active version 4", o.ObjectID(), o.RingVersion(), source.ObjectID())
	}
	if d := cmp.Diff(source.Attr(), o.Attr()); d != "" {
		t.Errorf("attributes were to be kept:\n%s", d)
	}
	for _, loc := range []Location{testLocation, {"models2", copyLocation.Key}, {copyLocation.Bucket, copyLocation.Key + "x"}} {
		_, err := OpenHeader(meta, loc, testKeys)
		wantFault(t, err, ruleWrap)
	}
	_, err = OpenHeader(source.header.encode(), copyLocation, testKeys)
	wantFault(t, err, ruleWrap)
}

func TestCopyOfMultipartObject(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	first := sealPart(t, u, 1, make([]byte, MinPartSize))
	stored := complete(t, u, first, sealPart(t, u, 2, []byte("end")))
	source, err := openMultipart(t, u.Metadata(), stored)
	if err != nil {
		t.Fatal(err)
	}
	o := openAt(t, rewrap(t, source, RewrapConfig{Key: testKey(), Location: copyLocation}), copyLocation)
	off, n, err := o.TailRange(int64(len(stored)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.UseManifest(int64(len(stored)), stored[off:off+n]); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(o.OpenAll(bytes.NewReader(stored), int64(len(stored))))
	if want := append(bytes.Clone(first.plain), "end"...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy reads as %d bytes, %v; want %d", len(got), err, len(want))
	}
}

func TestCopyWithOtherAttributes(t *testing.T) {
	t.Parallel()
	source, _ := copySource(t, []byte("x"))
	given := &Attr{ContentType: "text/plain", Checksum: Checksum{Algorithm: ChecksumSHA1, Sum: make([]byte, 20)}}
	meta := rewrap(t, source, RewrapConfig{Key: testKey(), Location: testLocation, Attr: given})
	want := Attr{ContentType: "text/plain", Checksum: source.Attr().Checksum}
	if d := cmp.Diff(want, mustOpenHeader(t, meta).Attr()); d != "" {
		t.Errorf("attributes of the copy:\n%s", d)
	}
	if given.Checksum.Algorithm != ChecksumSHA1 {
		t.Error("the caller's attributes were changed")
	}
	if source.Attr().ContentType != "model/x" {
		t.Error("the source's attributes were changed")
	}

	// The older attributes do not fit the newer wrap, nor the other way round.
	mixed := *openAt(t, meta, testLocation).header
	mixed.attr = source.header.attr
	_, err := OpenHeader(mixed.encode(), testLocation, testKeys)
	wantFault(t, err, ruleWrap)

	_, err = source.Rewrap(RewrapConfig{Key: testKey(), Location: testLocation, Attr: &Attr{ContentType: strings.Repeat("x", AttrBudget)}})
	if !errors.Is(err, ErrAttrTooLarge) {
		t.Errorf("too large attributes: got %v", err)
	}
	_, err = source.Rewrap(RewrapConfig{Key: testKey(), Location: testLocation, Attr: &Attr{ContentType: "a\nb"}})
	if !errors.Is(err, ErrAttrInvalid) {
		t.Errorf("attributes with a line break: got %v", err)
	}
}

// TestCopyAcrossKeyrings: a DEK that two keyrings wrap would outlive the
// destruction of one of them.
func TestCopyAcrossKeyrings(t *testing.T) {
	t.Parallel()
	source, _ := copySource(t, []byte("x"))
	other := NewKeyringKey(testDeployment, ID([]byte("keyring-00000002")), 3, Key(bytes.Repeat([]byte{7}, 32)))
	if meta, err := source.Rewrap(RewrapConfig{Key: other, Location: copyLocation}); !errors.Is(err, ErrKeyring) || meta != "" {
		t.Errorf("got %q, %v; want ErrKeyring", meta, err)
	}
}

// TestCopyDrawsNonces: one wrap key seals every copy of an object, so no two
// seals may share a nonce, and neither may the attributes'.
func TestCopyDrawsNonces(t *testing.T) {
	t.Parallel()
	source, _ := copySource(t, []byte("x"))
	seen := map[string]bool{string(source.header.wrapped[:12]): true}
	attrs := map[string]bool{string(source.header.attr[:12]): true}
	for range 64 {
		attr := source.Attr()
		o := openAt(t, rewrap(t, source, RewrapConfig{Key: testKey(), Location: testLocation, Attr: &attr}), testLocation)
		w, a := string(o.header.wrapped[:12]), string(o.header.attr[:12])
		if seen[w] || attrs[a] {
			t.Fatal("a nonce came twice under one key")
		}
		seen[w], attrs[a] = true, true
		if o.header.commitment != source.header.commitment || !bytes.Equal(o.header.single.floe[:], source.header.single.floe[:]) {
			t.Fatal("the copy does not commit to its body as the source does")
		}
	}
}

// copyVectors are copies that open, and mixtures that must not.
func copyVectors(t *testing.T) []openVec {
	t.Helper()
	at := func(comment, meta string, loc Location, stored []byte, want openExpect) openVec {
		v := openVec1(comment, meta, once(stored), nil, want)
		v.Input.Bucket, v.Input.Key = loc.Bucket, loc.Key
		return v
	}
	source, stored := copySource(t, []byte("hello"))
	kept := rewrap(t, source, RewrapConfig{Key: testKey(), Location: copyLocation})
	replaced := rewrap(t, source, RewrapConfig{Key: testKey(), Location: copyLocation, Attr: &Attr{ContentType: "text/plain"}})
	hello := once([]byte("hello"))
	mixed := *openAt(t, replaced, copyLocation).header
	mixed.attr = source.header.attr

	u := newTestUpload(t)
	parts := complete(t, u, sealPart(t, u, 7, []byte("only part")))
	multi := rewrap(t, mustOpenHeader(t, u.Metadata()), RewrapConfig{Key: testKey(), Location: copyLocation})
	return []openVec{
		at("copy that keeps its attributes", kept, copyLocation, stored, openExpect{Plain: hello, ContentType: "model/x"}),
		at("copy with other attributes", replaced, copyLocation, stored, openExpect{Plain: hello, ContentType: "text/plain"}),
		at("copy of a multipart object", multi, copyLocation, parts, openExpect{Plain: once([]byte("only part")), ContentType: "model/x"}),
		at("copy under its source's name", kept, testLocation, stored, openExpect{Rule: ruleWrap}),
		at("source under its copy's name", source.header.encode(), copyLocation, stored, openExpect{Rule: ruleWrap}),
		at("copy with the attributes of its source", mixed.encode(), copyLocation, stored, openExpect{Rule: ruleWrap}),
	}
}
