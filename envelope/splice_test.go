// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"testing"
)

// TestSpliced: what a store can do with the parts of one or two uploads.
func TestSpliced(t *testing.T) {
	t.Parallel()
	u, other := newTestUpload(t), newTestUpload(t)
	one, two := sealPart(t, u, 1, noise(MinPartSize)), sealPart(t, u, 2, noise(MinPartSize))
	last := sealPart(t, u, 3, noise(100))
	older := sealPart(t, u, 2, noise(MinPartSize)) // an attempt that the client repeated
	foreign := sealPart(t, other, 2, noise(MinPartSize))
	stored := complete(t, u, one, two, last)
	tail := stored[len(one.stored)+len(two.stored)+len(last.stored):]
	join := slices.Concat[[]byte]
	for name, c := range map[string]struct {
		stored   []byte
		released int64
		rule     string
	}{
		"older attempt of a part": {join(one.stored, older.stored, last.stored, tail), MinPartSize, ruleSegment},
		"part of another object":  {join(one.stored, foreign.stored, last.stored, tail), MinPartSize, ruleSegment},
		"parts exchanged":         {join(two.stored, one.stored, last.stored, tail), 0, ruleSegment},
		"part repeated":           {join(one.stored, one.stored, last.stored, tail), MinPartSize, ruleSegment},
		"part dropped":            {join(one.stored, last.stored, make([]byte, len(two.stored)), tail), MinPartSize, ruleSegment},
		"tail first":              {join(tail, one.stored, two.stored, last.stored), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.rule == "" {
				_, err := openMultipart(t, u.Metadata(), c.stored)
				wantFault(t, err, ruleFooter)
				return
			}
			o, err := openMultipart(t, u.Metadata(), c.stored)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readHostile(o, c.stored)
			wantFault(t, err, c.rule)
			if int64(len(got)) != c.released || !bytes.HasPrefix(one.plain, got) {
				t.Errorf("released %d bytes, want %d", len(got), c.released)
			}
		})
	}
}

// TestSplicedManifest: a manifest in the wrong place or for the wrong length.
func TestSplicedManifest(t *testing.T) {
	t.Parallel()
	u, other := newTestUpload(t), newTestUpload(t)
	stored := complete(t, u, sealPart(t, u, 1, noise(100)))
	foreign := complete(t, other, sealPart(t, other, 1, noise(100)))
	_, err := openMultipart(t, u.Metadata(), foreign)
	wantFault(t, err, ruleManifest)

	// Both lengths obey the law, but the manifest is for the other one.
	longer := append(make([]byte, 1), stored...)
	_, err = openMultipart(t, u.Metadata(), longer)
	wantFault(t, err, ruleSize)

	_, err = openMultipart(t, u.Metadata(), stored[:len(stored)-1])
	wantFault(t, err, ruleFooter)
	_, err = openMultipart(t, u.Metadata(), nil)
	wantFault(t, err, ruleSize)

	// A genuine manifest of the same upload, after another was believed.
	o, err := openMultipart(t, u.Metadata(), stored)
	if err != nil {
		t.Fatal(err)
	}
	p := sealPart(t, u, 1, noise(100))
	again := complete(t, u, p)
	copy(again, stored[:sealedSize(100)])
	_, err = io.ReadAll(o.OpenAll(bytes.NewReader(again), int64(len(again))))
	wantFault(t, err, ruleManifest)
}

// TestForgedManifest: a manifest that opens, but contradicts the metadata.
func TestForgedManifest(t *testing.T) {
	t.Parallel()
	plain := noise(10)
	s := newTestSealer(t, 10)
	stored, err := io.ReadAll(s.Reader(bytes.NewReader(plain), noDigests))
	if err != nil {
		t.Fatal(err)
	}
	o := mustOpenHeader(t, s.Metadata())
	good := Part{Number: 1, Size: 10, IV: s.floe.IV(), Checksum: make([]byte, 8)}
	for name, forge := range map[string]func(p *Part){
		"number":   func(p *Part) { p.Number = 2 },
		"size":     func(p *Part) { p.Size = 11 },
		"IV":       func(p *Part) { p.IV[0] ^= 1 },
		"checksum": func(p *Part) { p.Checksum = []byte("12345678") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := good
			forge(&p)
			tail, err := sealTail(s.dek, s.header.object, &Manifest{PlainSize: p.Size, Parts: []Part{p}})
			if err != nil {
				t.Fatal(err)
			}
			bad := append(stored[:len(stored)-len(tail):len(stored)-len(tail)], tail...)
			got, err := readHostile(o, bad)
			wantFault(t, err, ruleManifest)
			if len(got) > 0 {
				t.Errorf("released %d bytes", len(got))
			}
			_, err = o.UseManifest(int64(len(bad)), tail)
			wantFault(t, err, ruleManifest)
		})
	}
}

// TestManifestClaims: a claimed count sizes nothing before it is known to fit.
func TestManifestClaims(t *testing.T) {
	for _, n := range []int{0, MaxParts + 1} {
		_, err := parseFooter(appendFooter(nil, n))
		wantFault(t, err, ruleFooter)
	}
	b := make([]byte, manifestHead)
	b[82], b[83] = 0xFF, 0xFF
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeManifest(b)
	runtime.ReadMemStats(&after)
	wantFault(t, err, ruleManifest)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<16 {
		t.Errorf("a manifest of %d bytes made its reader allocate %d", len(b), used)
	}
}

// TestLastSegmentHeld: the last segment of a whole body does not even touch
// the caller's memory before the tail has been verified.
func TestLastSegmentHeld(t *testing.T) {
	t.Parallel()
	o, stored := sealedObject(t, bytes.Repeat([]byte{0xEE}, 2*SegmentSize))
	stored[len(stored)-20] ^= 1
	buf := make([]byte, 3*SegmentSize)
	n, err := io.ReadFull(o.OpenAll(bytes.NewReader(stored), int64(len(stored))), buf)
	wantFault(t, err, ruleManifest)
	if n != SegmentSize || !isZero(buf[n:]) {
		t.Errorf("released %d bytes, and wrote beyond them: %v", n, !isZero(buf[n:]))
	}
}

// TestUseManifestSize: the stored length must be the law's for the length
// that the manifest authenticates.
func TestUseManifestSize(t *testing.T) {
	t.Parallel()
	o, stored := sealedObject(t, noise(10))
	if _, _, err := o.TailRange(StoredSize(11)); Fault(err) != ruleSize {
		t.Errorf("tail of a body one byte longer: %v", err)
	}
	if err := o.CheckStored(int64(len(stored))); err != nil {
		t.Error(err)
	}
	for _, n := range []int64{0, -1, StoredSize(9), StoredSize(11), 1 << 62} {
		wantFault(t, o.CheckStored(n), ruleSize)
	}
}
