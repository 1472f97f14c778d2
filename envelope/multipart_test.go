// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newTestUpload(tb testing.TB) *Upload {
	tb.Helper()
	u, err := NewMultipart(SealConfig{Key: testKey(), Location: testLocation, Attr: Attr{ContentType: "model/x"}})
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// sealedPart is one attempt to write a part.
type sealedPart struct {
	part          Part
	plain, stored []byte
}

func sealPart(tb testing.TB, u *Upload, number int, plain []byte) sealedPart {
	tb.Helper()
	s, err := u.SealPart(number, int64(len(plain)))
	if err != nil {
		tb.Fatal(err)
	}
	stored, err := io.ReadAll(s.Reader(bytes.NewReader(plain)))
	if err != nil || int64(len(stored)) != s.StoredSize() {
		tb.Fatalf("sealing part %d: %d bytes, error %v", number, len(stored), err)
	}
	p := s.Part()
	p.Checksum = make([]byte, 8)
	return sealedPart{p, plain, stored}
}

// complete returns the stored body of the object made of parts.
func complete(tb testing.TB, u *Upload, parts ...sealedPart) []byte {
	tb.Helper()
	var list []Part
	var body []byte
	for _, p := range parts {
		list = append(list, p.part)
		body = append(body, p.stored...)
	}
	tail, err := u.Tail(list, Digests{})
	if err != nil {
		tb.Fatal(err)
	}
	end, err := io.ReadAll(tail.Reader())
	if err != nil || int64(len(end)) != tail.Size() {
		tb.Fatalf("tail of %d bytes, Size says %d, error %v", len(end), tail.Size(), err)
	}
	body = append(body, end...)
	if int64(len(body)) != tail.StoredSize() {
		tb.Fatalf("stored %d bytes, StoredSize says %d", len(body), tail.StoredSize())
	}
	return body
}

// openMultipart opens header and manifest.
func openMultipart(tb testing.TB, meta string, stored []byte) (*Object, error) {
	tb.Helper()
	o := mustOpenHeader(tb, meta)
	if o.PlainSize() != -1 {
		tb.Fatalf("length %d known before the manifest", o.PlainSize())
	}
	off, n, err := o.TailRange(int64(len(stored)))
	if err != nil {
		return o, err
	}
	_, err = o.UseManifest(int64(len(stored)), stored[off:off+n])
	return o, err
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	const least = MinPartSize
	for name, c := range map[string]struct{ numbers, sizes []int }{
		"one empty part":     {[]int{1}, []int{0}},
		"one small part":     {[]int{7}, []int{100}},
		"number 10,000":      {[]int{10000}, []int{SegmentSize}},
		"equal parts":        {[]int{1, 2, 3}, []int{least, least, 10}},
		"odd parts and gaps": {[]int{2, 5, 9999}, []int{least + 1, least + 65535, 65537}},
		"empty last":         {[]int{1, 2}, []int{least + 3, 0}},
		"large last":         {[]int{1, 10000}, []int{least, least + SegmentSize}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newTestUpload(t)
			var parts []sealedPart
			for i, n := range c.sizes {
				parts = append(parts, sealPart(t, u, c.numbers[i], noise(n)))
			}
			checkMultipart(t, u, parts)
		})
	}
}

func checkMultipart(t *testing.T, u *Upload, parts []sealedPart) {
	t.Helper()
	stored := complete(t, u, parts...)
	var plain []byte
	for _, p := range parts {
		plain = append(plain, p.plain...)
	}
	o, err := openMultipart(t, u.Metadata(), stored)
	if err != nil {
		t.Fatalf("opening: %v (%s)", err, Fault(err))
	}
	if o.PlainSize() != int64(len(plain)) || !o.Multipart() || o.ObjectID() != u.ObjectID() || o.Attr().ContentType != "model/x" {
		t.Fatalf("object %s of %d bytes, multipart %v, attr %v", o.ObjectID(), o.PlainSize(), o.Multipart(), o.Attr())
	}
	all := o.OpenAll(bytes.NewReader(stored), int64(len(stored)))
	checkPlain(t, all, plain)
	if got := all.Manifest().Parts; len(got) != len(parts) || !cmp.Equal(got[0], parts[0].part) {
		t.Fatalf("manifest lists %d parts", len(got))
	}
	r := rand.New(rand.NewPCG(9, uint64(len(plain))))
	for range 8 {
		off := r.Int64N(int64(len(plain)) + 1)
		checkRange(t, o, stored, plain, off, r.Int64N(int64(len(plain))-off+1))
	}
	edge := int64(len(parts[0].plain)) // across the first part's end
	checkRange(t, o, stored, plain, max(0, edge-1), min(2, int64(len(plain))-max(0, edge-1)))
}

// TestUploadResumes: metadata and sealed tail are all the state there is.
func TestUploadResumes(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	first := sealPart(t, u, 1, noise(MinPartSize))
	again, err := ResumeUpload(u.Metadata(), testLocation, testKeys)
	if err != nil {
		t.Fatal(err)
	}
	last := sealPart(t, again, 2, noise(9))
	checkMultipart(t, again, []sealedPart{first, last})

	tail, err := again.Tail([]Part{first.part, last.part}, Digests{})
	if err != nil {
		t.Fatal(err)
	}
	same, err := u.ResumeTail(tail.Sealed())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := io.ReadAll(tail.Reader())
	for range 2 {
		if got, _ := io.ReadAll(same.Reader()); !bytes.Equal(got, want) {
			t.Error("a repeated completion writes another tail")
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	t.Parallel()
	meta, _ := sealed(t, nil)
	_, err := ResumeUpload(meta, testLocation, testKeys)
	wantFault(t, err, ruleKind)
	u, other := newTestUpload(t), newTestUpload(t)
	tail, err := other.Tail([]Part{sealPart(t, other, 1, nil).part}, Digests{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.ResumeTail(tail.Sealed())
	wantFault(t, err, ruleManifest)
	_, err = other.ResumeTail(append([]byte{0}, tail.Sealed()...))
	wantFault(t, err, ruleLength)
	_, err = other.ResumeTail(nil)
	wantFault(t, err, ruleFooter)
}

// TestOpenPart verifies one sealed part by itself.
func TestOpenPart(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	for _, n := range []int{0, 1, SegmentSize, SegmentSize + 1} {
		p := sealPart(t, u, 4, noise(n))
		checkPlain(t, u.OpenPart(p.part, bytes.NewReader(p.stored)), p.plain)
		_, err := io.ReadAll(u.OpenPart(p.part, bytes.NewReader(p.stored[:len(p.stored)-1])))
		wantFault(t, err, ruleLength)
		_, err = io.ReadAll(u.OpenPart(p.part, bytes.NewReader(append(p.stored, 0))))
		wantFault(t, err, ruleLength)
		p.stored[0] ^= 1
		_, err = io.ReadAll(u.OpenPart(p.part, bytes.NewReader(p.stored)))
		wantFault(t, err, ruleSegment)
	}
}

// TestTailRefuses: lists that FORMAT §9 rules out.
func TestTailRefuses(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	part := func(number int, size int64) Part { return Part{Number: number, Size: size, Checksum: make([]byte, 8)} }
	many := make([]Part, MaxParts+1)
	for i := range many {
		many[i] = part(i+1, MinPartSize)
	}
	huge := slices.Repeat([]Part{part(0, MaxPartSize)}, 1025)
	for i := range huge {
		huge[i].Number = i + 1
	}
	for name, c := range map[string]struct {
		parts []Part
		want  error
	}{
		"none":          {nil, ErrParts},
		"too many":      {many, ErrParts},
		"number 0":      {[]Part{part(0, 1)}, ErrParts},
		"number 10,001": {[]Part{part(10001, 1)}, ErrParts},
		"out of order":  {[]Part{part(2, MinPartSize), part(1, 1)}, ErrParts},
		"twice":         {[]Part{part(1, MinPartSize), part(1, 1)}, ErrParts},
		"small":         {[]Part{part(1, MinPartSize-1), part(2, 1)}, ErrTooSmall},
		"large":         {[]Part{part(1, MaxPartSize+1)}, ErrTooLarge},
		"negative":      {[]Part{part(1, -1)}, ErrTooLarge},
		"object":        {huge, ErrTooLarge},
		"no checksum":   {[]Part{{Number: 1}}, ErrParts},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := u.Tail(c.parts, Digests{}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestSealPartRefuses(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	for number, want := range map[int]error{0: ErrParts, 10001: ErrParts, -1: ErrParts} {
		if _, err := u.SealPart(number, 1); !errors.Is(err, want) {
			t.Errorf("part number %d: %v, want %v", number, err, want)
		}
	}
	for _, size := range []int64{-1, MaxPartSize + 1} {
		if _, err := u.SealPart(1, size); !errors.Is(err, ErrTooLarge) {
			t.Errorf("part of %d bytes: %v, want ErrTooLarge", size, err)
		}
	}
}

// TestFullManifest: 10,000 parts fit, and their manifest is verified whole.
func TestFullManifest(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	parts := make([]Part, MaxParts)
	for i := range parts {
		parts[i] = Part{Number: i + 1, Size: 50_000_001, Checksum: make([]byte, 8)}
		parts[i].IV[0] = byte(i)
	}
	tail, err := u.Tail(parts, Digests{})
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(len(tail.Sealed())); got != 720_526 {
		t.Errorf("sealed manifest and footer take %d bytes, FORMAT §12 says 720,526", got)
	}
	o := mustOpenHeader(t, u.Metadata())
	off, n, err := o.TailRange(tail.StoredSize())
	if err != nil || off+n != tail.StoredSize() {
		t.Fatalf("tail at %d, %d bytes, error %v", off, n, err)
	}
	m, err := o.UseManifest(tail.StoredSize(), tail.Sealed())
	same := func(a, b Part) bool { return a.Number == b.Number && a.Size == b.Size && a.IV == b.IV }
	if err != nil || !slices.EqualFunc(m.Parts, parts, same) {
		t.Fatalf("manifest does not come back: %v (%s)", err, Fault(err))
	}
	if _, err := mustOpenHeader(t, u.Metadata()).UseManifest(tail.StoredSize(), tail.Sealed()[1:]); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("a tail cut in front: %v, want io.ErrShortBuffer", err)
	}
}

func TestNoManifest(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	stored := complete(t, u, sealPart(t, u, 1, noise(5)))
	o := mustOpenHeader(t, u.Metadata())
	if _, _, err := o.Plan(0, 1); !errors.Is(err, ErrNoManifest) {
		t.Errorf("Plan before UseManifest: %v", err)
	}
	if _, err := io.ReadAll(o.OpenRange(bytes.NewReader(stored), 0, 1)); !errors.Is(err, ErrNoManifest) {
		t.Errorf("OpenRange before UseManifest: %v", err)
	}
	if _, err := io.ReadAll(o.OpenAll(bytes.NewReader(stored), int64(len(stored)))); !errors.Is(err, ErrNoManifest) {
		t.Errorf("OpenAll before UseManifest: %v", err)
	}
}
