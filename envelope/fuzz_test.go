// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"testing"
)

// FuzzHeader: what parses encodes to the same text, and nothing panics on the
// way to a key.
func FuzzHeader(f *testing.F) {
	single, _ := sealed(f, noise(10))
	multi := newTestUpload(f).Metadata()
	for _, meta := range []string{single, multi, single[:280], "AQEB", multi + "AAAA"} {
		f.Add(meta)
	}
	f.Fuzz(func(t *testing.T, meta string) {
		h, err := parseHeader(meta)
		if err != nil {
			if Fault(err) == "" {
				t.Fatalf("refused without a rule: %v", err)
			}
			return
		}
		if got := h.encode(); got != meta {
			t.Fatalf("parses, but encodes to %q", got)
		}
		_, _ = OpenHeader(meta, testLocation, testKeys) // must not panic; seeds open, mutants do not
	})
}

// FuzzAttr: the same for sealed attributes, which a faulty writer could make.
func FuzzAttr(f *testing.F) {
	for _, a := range []Attr{
		{},
		{ContentType: "a/b", Expires: "x", User: users(3, 40)},
		{User: users(1, 300), Checksum: Checksum{Algorithm: ChecksumCRC32, Type: ChecksumComposite, Sum: []byte{1, 2, 3, 4}}},
	} {
		b, err := a.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xFF, 0x80, 0x7F})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAttr(b)
		if err != nil {
			return
		}
		// The budget is the writer's; a reader takes what fits the encoding.
		if a.budgeted() > AttrBudget {
			return
		}
		if got, err := a.encode(); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("decodes, but encodes to %x, %v", got, err)
		}
	})
}

// FuzzManifest: decode, encode, equal; and the layout it gives obeys the law.
func FuzzManifest(f *testing.F) {
	for _, m := range []*Manifest{
		{PlainSize: 5, Parts: []Part{{Number: 1, Size: 5, Checksum: make([]byte, 8)}}},
		{
			Digests:   Digests{SHA256: &[32]byte{1}, Client: Checksum{Algorithm: ChecksumSHA1, Sum: make([]byte, 20)}},
			PlainSize: MinPartSize,
			Parts:     []Part{{Number: 2, Size: MinPartSize, Checksum: make([]byte, 20)}, {Number: 10000, Checksum: make([]byte, 20)}},
		},
	} {
		b, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(bytes.Clone(b))
		if err != nil {
			return
		}
		if got, err := m.encode(); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("decodes, but encodes to %x, %v", got, err)
		}
		var o body
		o.setParts(m.Parts)
		if o.layout.PlainSize() != m.PlainSize || StoredSize(m.PlainSize)-o.layout.sealed()-tailSize(len(m.Parts)) < 90 {
			t.Fatalf("%d parts of %d bytes do not fit the law", len(m.Parts), m.PlainSize)
		}
	})
}

// FuzzFooter: a footer is one of 10,000 values.
func FuzzFooter(f *testing.F) {
	f.Add(appendFooter(nil, 1))
	f.Add(appendFooter(nil, MaxParts))
	f.Add([]byte("SG1/FOOT\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseFooter(b)
		if err == nil && !bytes.Equal(appendFooter(nil, n), b) {
			t.Fatalf("footer %x is not that of %d parts", b, n)
		}
	})
}

// FuzzRecord: decode, encode, equal.
func FuzzRecord(f *testing.F) {
	r := testRecord()
	good, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:50])
	r.Prefix = ""
	whole, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecord(b)
		if err != nil {
			return
		}
		if got, err := r.Encode(); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("decodes, but encodes to %x, %v", got, err)
		}
	})
}

// FuzzOpenAll: whatever the store returns for an object, what comes out is a
// prefix of the plaintext, whole only if nothing was changed.
func FuzzOpenAll(f *testing.F) {
	plain := noise(SegmentSize + 50)
	o, stored := sealedObject(f, plain)
	f.Add(0, byte(0), int64(0))
	f.Add(5, byte(1), int64(0))
	f.Add(storedSegment+60, byte(0x80), int64(0))
	f.Add(len(stored)-1, byte(0), int64(-1))
	f.Add(len(stored)-1, byte(3), int64(1))
	f.Fuzz(func(t *testing.T, at int, change byte, longer int64) {
		if at < 0 || at >= len(stored) || longer < -int64(len(stored)) || longer > 1000 {
			return // nothing that a store could return
		}
		bad := append(bytes.Clone(stored), make([]byte, max(0, longer))...)[:int64(len(stored))+longer]
		if at < len(bad) {
			bad[at] ^= change
		}
		got, err := readHostile(o, bad)
		same := bytes.Equal(bad, stored)
		if !bytes.HasPrefix(plain, got) || same != (err == nil) || (err == nil) != (len(got) == len(plain)) {
			t.Fatalf("byte %d ^ %#x, %+d bytes: released %d, error %v", at, change, longer, len(got), err)
		}
	})
}
