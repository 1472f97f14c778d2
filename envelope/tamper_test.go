// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// rawMeta and textMeta convert between metadata and its bytes.
func rawMeta(tb testing.TB, meta string) []byte {
	tb.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(meta)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func textMeta(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// readHostile opens a stored body as a gateway would, and returns what was
// released before the error.
func readHostile(o *Object, stored []byte) ([]byte, error) {
	return io.ReadAll(o.OpenAll(bytes.NewReader(stored), int64(len(stored))))
}

// TestMetadataBits: no bit of the metadata can change.
func TestMetadataBits(t *testing.T) {
	t.Parallel()
	single, _ := sealed(t, noise(10))
	for name, meta := range map[string]string{"single": single, "multipart": newTestUpload(t).Metadata()} {
		raw := rawMeta(t, meta)
		for i := range 8 * len(raw) {
			bad := bytes.Clone(raw)
			bad[i/8] ^= 1 << (i % 8)
			if _, err := OpenHeader(textMeta(bad), testLocation, testKeys); !errors.Is(err, ErrAuth) {
				t.Fatalf("%s: metadata with bit %d of byte %d changed: %v", name, i%8, i/8, err)
			}
		}
		for n := range raw {
			if _, err := OpenHeader(textMeta(raw[:n]), testLocation, testKeys); !errors.Is(err, ErrAuth) {
				t.Fatalf("%s: metadata cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestMetadataText: one value has one text.
func TestMetadataText(t *testing.T) {
	t.Parallel()
	meta, _ := sealed(t, nil)
	for name, bad := range map[string]string{
		"stripped":      "",
		"padded":        meta + "=",
		"line break":    meta[:20] + "\n" + meta[20:],
		"space":         meta + " ",
		"std alphabet":  "+" + meta[1:],
		"longer":        meta + "AAAA",
		"oversized":     string(bytes.Repeat([]byte("A"), MaxMetadata+1)),
		"only zeros":    string(bytes.Repeat([]byte("A"), 400)),
		"trailing bits": trailingBits(meta),
	} {
		_, err := OpenHeader(bad, testLocation, testKeys)
		if name == "longer" {
			wantFault(t, err, ruleWrap)
			continue
		}
		wantFault(t, err, ruleMetadata)
	}
}

// trailingBits sets bits of the last digit that no byte needs.
func trailingBits(meta string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(meta)
	for len(raw)%3 == 0 {
		raw = raw[:len(raw)-1]
	}
	text := []byte(textMeta(raw))
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text[len(text)-1] = digits[bytes.IndexByte([]byte(digits), text[len(text)-1])|1]
	return string(text)
}

// TestStoredBytes: every byte of a small stored body matters, and nothing of
// its only segment is released if any of them is wrong.
func TestStoredBytes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100} {
		o, stored := sealedObject(t, noise(n))
		for i := range stored {
			bad := bytes.Clone(stored)
			bad[i] ^= 1 << (i % 8)
			if got, err := readHostile(o, bad); !errors.Is(err, ErrAuth) || len(got) > 0 {
				t.Fatalf("%d bytes: byte %d changed: released %d bytes, error %v", n, i, len(got), err)
			}
		}
	}
}

// TestSegments changes, moves and exchanges the segments of a larger body.
func TestSegments(t *testing.T) {
	t.Parallel()
	plain := noise(4*SegmentSize + 5)
	o, stored := sealedObject(t, plain)
	_, other := sealedObject(t, plain)
	at := func(b []byte, i int) []byte { return b[i*storedSegment:][:storedSegment] }
	for name, c := range map[string]struct {
		change   func(b []byte)
		released int // segments
		rule     string
	}{
		"bit in first":          {func(b []byte) { b[100] ^= 1 }, 0, ruleSegment},
		"bit in third":          {func(b []byte) { at(b, 2)[storedSegment-1] ^= 1 }, 2, ruleSegment},
		"mark of second":        {func(b []byte) { at(b, 1)[0] = 0 }, 1, ruleSegment},
		"segments swapped":      {func(b []byte) { copy(at(b, 1), at(stored, 2)); copy(at(b, 2), at(stored, 1)) }, 1, ruleSegment},
		"segment repeated":      {func(b []byte) { copy(at(b, 3), at(stored, 2)) }, 3, ruleSegment},
		"segment of another":    {func(b []byte) { copy(at(b, 0), at(other, 0)) }, 0, ruleSegment},
		"bit in last":           {func(b []byte) { b[4*storedSegment+20] ^= 1 }, 4, ruleSegment},
		"padding":               {func(b []byte) { b[sealedSize(int64(len(plain)))] = 1 }, 4, rulePadding},
		"last byte of padding":  {func(b []byte) { b[len(b)-int(tailSize(1))-1] = 0x80 }, 4, rulePadding},
		"manifest":              {func(b []byte) { b[len(b)-100] ^= 1 }, 4, ruleManifest},
		"manifest of another":   {func(b []byte) { copy(b[len(b)-int(tailSize(1)):], other[len(other)-int(tailSize(1)):]) }, 4, ruleManifest},
		"footer magic":          {func(b []byte) { b[len(b)-16] ^= 1 }, 4, ruleFooter},
		"footer count":          {func(b []byte) { b[len(b)-5] ^= 3 }, 4, ruleFooter},
		"footer length":         {func(b []byte) { b[len(b)-1] ^= 1 }, 4, ruleFooter},
		"footer of two entries": {func(b []byte) { copy(b[len(b)-16:], appendFooter(nil, 2)) }, 4, ruleFooter},
		"body of another":       {func(b []byte) { copy(b, other) }, 0, ruleSegment},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := bytes.Clone(stored)
			c.change(bad)
			got, err := readHostile(o, bad)
			wantFault(t, err, c.rule)
			if !bytes.Equal(got, plain[:c.released*SegmentSize]) {
				t.Errorf("released %d bytes, want the first %d segments", len(got), c.released)
			}
		})
	}
}

// TestLengths: a body that is cut or goes on, whatever length the store says.
func TestLengths(t *testing.T) {
	t.Parallel()
	plain := noise(SegmentSize + 10)
	o, stored := sealedObject(t, plain)
	for n := 0; n < len(stored); n += 97 {
		_, err := readHostile(o, stored[:n])
		wantFault(t, err, ruleSize)
		got, err := io.ReadAll(o.OpenAll(bytes.NewReader(stored[:n]), int64(len(stored))))
		wantFault(t, err, ruleLength)
		if len(got) > SegmentSize {
			t.Fatalf("cut to %d bytes: the last segment was released", n)
		}
	}
	long := append(bytes.Clone(stored), 0)
	_, err := readHostile(o, long)
	wantFault(t, err, ruleSize)
	got, err := io.ReadAll(o.OpenAll(bytes.NewReader(long), int64(len(stored))))
	wantFault(t, err, ruleLength)
	if len(got) > SegmentSize {
		t.Error("trailing byte: the last segment was released")
	}
}

// TestRanges: what holds for whole bodies holds for the planned bytes.
func TestRanges(t *testing.T) {
	t.Parallel()
	plain := noise(3 * SegmentSize)
	o, stored := sealedObject(t, plain)
	off, n := int64(SegmentSize-5), int64(SegmentSize+10)
	cipherOff, cipherLen, err := o.Plan(off, n)
	if err != nil {
		t.Fatal(err)
	}
	planned := stored[cipherOff : cipherOff+cipherLen]
	for _, i := range []int{0, 3, 4, 50, storedSegment - 1, storedSegment, len(planned) - 1} {
		bad := bytes.Clone(planned)
		bad[i] ^= 4
		got, err := io.ReadAll(o.OpenRange(bytes.NewReader(bad), off, n))
		wantFault(t, err, ruleSegment)
		if !bytes.HasPrefix(plain[off:], got) || i < storedSegment && len(got) > 0 {
			t.Errorf("byte %d changed: released %d bytes", i, len(got))
		}
	}
	for name, bad := range map[string][]byte{
		"cut":         planned[:len(planned)-1],
		"empty":       nil,
		"longer":      stored[cipherOff : cipherOff+cipherLen+1],
		"at a border": planned[:storedSegment],
	} {
		_, err := io.ReadAll(o.OpenRange(bytes.NewReader(bad), off, n))
		if Fault(err) != ruleLength {
			t.Errorf("%s: %v (%q), want fault %q", name, err, Fault(err), ruleLength)
		}
	}
	shifted := slices.Concat(planned[storedSegment:], planned[:storedSegment])
	_, err = io.ReadAll(o.OpenRange(bytes.NewReader(shifted), off, n))
	wantFault(t, err, ruleSegment)
}

// TestMoved: an object opens under its own name, deployment and keyring only.
func TestMoved(t *testing.T) {
	t.Parallel()
	meta, _ := sealed(t, nil)
	for name, loc := range map[string]Location{
		"key":       {testLocation.Bucket, testLocation.Key + "x"},
		"bucket":    {"models2", testLocation.Key},
		"case":      {"Models", testLocation.Key},
		"border":    {"models/fraud", "v1/weights.safetensors"},
		"empty key": {testLocation.Bucket, ""},
	} {
		_, err := OpenHeader(meta, loc, testKeys)
		if Fault(err) != ruleWrap {
			t.Errorf("%s: %v (%q), want fault %q", name, err, Fault(err), ruleWrap)
		}
	}
	key := *testKey().key()
	for name, k := range map[string]*KeyringKey{
		"deployment": NewKeyringKey(NewID(), testRing, 3, key),
		"keyring":    NewKeyringKey(testDeployment, NewID(), 3, key),
		"version":    NewKeyringKey(testDeployment, testRing, 4, key),
		"key":        NewKeyringKey(testDeployment, testRing, 3, NewKey()),
	} {
		_, err := OpenHeader(meta, testLocation, func(ID, uint32) (*KeyringKey, error) { return k, nil })
		if Fault(err) != ruleWrap {
			t.Errorf("other %s: %v (%q), want fault %q", name, err, Fault(err), ruleWrap)
		}
	}
}

// TestExchanged: fields of one object's metadata in another's.
func TestExchanged(t *testing.T) {
	t.Parallel()
	metaA, _ := sealed(t, noise(20))
	metaB, storedB := sealed(t, noise(20))
	a, b := rawMeta(t, metaA), rawMeta(t, metaB)
	for name, f := range map[string][2]int{
		"object": {3, 19}, "commitment": {39, 71}, "wrapped DEK": {71, 131},
		"commitment and DEK": {39, 131}, "FLOE header": {139, 213}, "attributes": {213, len(a)},
	} {
		bad := bytes.Clone(a)
		copy(bad[f[0]:f[1]], b[f[0]:f[1]])
		_, err := OpenHeader(textMeta(bad), testLocation, testKeys)
		if Fault(err) != ruleWrap {
			t.Errorf("%s of another object: %v (%q), want fault %q", name, err, Fault(err), ruleWrap)
		}
	}
	got, err := readHostile(mustOpenHeader(t, metaA), storedB)
	wantFault(t, err, ruleSegment)
	if len(got) > 0 {
		t.Error("released bytes of another object")
	}
}

// TestNumbers: version, suite and kind are refused by name, and the kind of
// an object cannot be changed with all that it implies.
func TestNumbers(t *testing.T) {
	t.Parallel()
	meta, _ := sealed(t, nil)
	for i, rule := range []string{ruleVersion, ruleSuite, ruleKind} {
		for _, v := range []byte{0, 3, 255} {
			raw := rawMeta(t, meta)
			raw[i] = v
			_, err := OpenHeader(textMeta(raw), testLocation, testKeys)
			wantFault(t, err, rule)
		}
	}
	raw := rawMeta(t, meta)
	raw[2] = byte(kindMultipart)
	_, err := OpenHeader(textMeta(slices.Delete(raw, 131, 213)), testLocation, testKeys)
	wantFault(t, err, ruleWrap)
}

// TestPlainSizeBound: a length over the limit is refused before it sizes
// anything, even by one who can seal it.
func TestPlainSizeBound(t *testing.T) {
	t.Parallel()
	h, dek := forgedHeader(t)
	h.single.plain = MaxPutSize + 1
	h.wrap(testKey(), dek, testLocation)
	_, err := OpenHeader(h.encode(), testLocation, testKeys)
	wantFault(t, err, ruleSize)
}

// forgedHeader returns a header of an empty object, for tests that act as one
// who holds the keyring key. It still lacks its DEK wrap.
func forgedHeader(t *testing.T) (*header, secret) {
	t.Helper()
	s := newTestSealer(t, 0)
	return s.header, s.dek
}

// TestForged: what only the bearer of the keyring key could make, and what is
// refused all the same.
func TestForged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		forge func(h *header, dek secret)
		rule  string
	}{
		"commitment to another key": {func(h *header, _ secret) { other := keep(NewKey()); h.commitment = commitment(other, h.object) }, ruleCommitment},
		"FLOE parameters":           {func(h *header, _ secret) { h.single.floe[5] ^= 1 }, ruleFLOE},
		"FLOE tag":                  {func(h *header, _ secret) { h.single.floe[73] ^= 1 }, ruleFLOE},
		"FLOE IV":                   {func(h *header, _ secret) { h.single.floe[10] ^= 1 }, ruleFLOE},
		"attributes of another key": {func(h *header, _ secret) {
			other := keep(NewKey())
			h.attr = seal(attrKey(other), []byte{0}, attrAAD(h))
		}, ruleAttributes},
		"attributes of a multipart object": {func(h *header, dek secret) {
			h.attr = seal(attrKey(dek), []byte{0}, append(h.object[:16:16], byte(kindMultipart)))
		}, ruleAttributes},
		"attributes not canonical": {func(h *header, dek secret) { h.attr = seal(attrKey(dek), []byte{0x80}, attrAAD(h)) }, ruleAttributes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, dek := forgedHeader(t)
			c.forge(h, dek)
			h.wrap(testKey(), dek, testLocation)
			_, err := OpenHeader(h.encode(), testLocation, testKeys)
			wantFault(t, err, c.rule)
		})
	}
}

// TestSourceErrors: a store that fails is not a store that lies.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	reset := errors.New("connection reset")
	o, stored := sealedObject(t, noise(100))
	for _, n := range []int{0, 50, 150, 300, len(stored)} {
		src := io.MultiReader(bytes.NewReader(stored[:n]), iotest.ErrReader(reset))
		got, err := io.ReadAll(o.OpenAll(src, int64(len(stored))))
		if !errors.Is(err, reset) || errors.Is(err, ErrAuth) || len(got) > 0 {
			t.Errorf("failing after %d bytes: released %d, error %v", n, len(got), err)
		}
	}
	gone := errors.New("keyring retired")
	meta, _ := sealed(t, nil)
	_, err := OpenHeader(meta, testLocation, func(ID, uint32) (*KeyringKey, error) { return nil, gone })
	if !errors.Is(err, gone) || errors.Is(err, ErrAuth) {
		t.Errorf("failing lookup: %v, want %v", err, gone)
	}
}

// TestVague: no error text tells a client what was wrong.
func TestVague(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{ruleWrap, ruleManifest} {
		if err := error(&authError{rule}); err.Error() != ErrAuth.Error() {
			t.Errorf("error text %q says more than %q", err, ErrAuth)
		}
	}
	if Fault(nil) != "" || Fault(io.EOF) != "" || Fault(ErrAuth) != "" {
		t.Error("Fault names a rule for errors that broke none")
	}
}
