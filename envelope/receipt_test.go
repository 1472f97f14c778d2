// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testReceipt() Receipt {
	return Receipt{
		Part:      Part{Number: 7, Size: MaxPartSize, IV: [32]byte{1, 2, 3}, Checksum: bytes.Repeat([]byte{9}, 20)},
		Algorithm: ChecksumSHA1, CRC64NVME: [8]byte{8},
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	for name, r := range map[string]Receipt{
		"of a sum":  testReceipt(),
		"of no sum": {Part: Part{Number: MaxParts}},
	} {
		sealed, err := u.SealReceipt(r, "upload", "tag")
		if err != nil || len(sealed) != sealedReceiptSize {
			t.Fatalf("%s: %d bytes, %v", name, len(sealed), err)
		}
		again, err := ResumeUpload(u.Metadata(), testLocation, testKeys) // as another replica does
		if err != nil {
			t.Fatal(err)
		}
		got, err := again.OpenReceipt(sealed, "upload", r.Part.Number, "tag")
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Errorf("%s: error %v, receipts differ (-want +got):\n%s", name, err, diff)
		}
		if twice, err := u.SealReceipt(r, "upload", "tag"); err != nil || bytes.Equal(sealed, twice) {
			t.Errorf("%s: sealing again gives the same bytes (%v)", name, err)
		}
	}
}

// TestReceiptOpensForItsPartAlone: a receipt that whoever holds the database
// puts in another's place is none.
func TestReceiptOpensForItsPartAlone(t *testing.T) {
	t.Parallel()
	u, other := newTestUpload(t), newTestUpload(t)
	sealed, err := u.SealReceipt(testReceipt(), "upload", "tag")
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (Receipt, error){
		"other part":     func() (Receipt, error) { return u.OpenReceipt(sealed, "upload", 8, "tag") },
		"other tag":      func() (Receipt, error) { return u.OpenReceipt(sealed, "upload", 7, "tagg") },
		"other name":     func() (Receipt, error) { return u.OpenReceipt(sealed, "uploae", 7, "tag") },
		"moved boundary": func() (Receipt, error) { return u.OpenReceipt(sealed, "uploa", 7, "dtag") },
		"other upload":   func() (Receipt, error) { return other.OpenReceipt(sealed, "upload", 7, "tag") },
		"cut":            func() (Receipt, error) { return u.OpenReceipt(sealed[:len(sealed)-1], "upload", 7, "tag") },
		"longer":         func() (Receipt, error) { return u.OpenReceipt(append(sealed, 0), "upload", 7, "tag") },
		"nothing":        func() (Receipt, error) { return u.OpenReceipt(nil, "upload", 7, "tag") },
		"of the metadata": func() (Receipt, error) {
			return u.OpenReceipt(seal(attrKey(u.dek), testReceipt().encode(), receiptAAD("upload", 7, "tag")), "upload", 7, "tag")
		},
	} {
		if r, err := open(); !errors.Is(err, ErrAuth) || Fault(err) != ruleReceipt || r.Part.Number != 0 {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	for i := range sealed {
		sealed[i] ^= 1
		if _, err := u.OpenReceipt(sealed, "upload", 7, "tag"); Fault(err) != ruleReceipt {
			t.Fatalf("changed byte %d: %v", i, err)
		}
		sealed[i] ^= 1
	}
}

// TestReceiptNamesItsPart: one that was sealed with another number inside
// than outside, as only a faulty writer can, does not open.
func TestReceiptNamesItsPart(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	sealed := seal(receiptKey(u.dek), testReceipt().encode(), receiptAAD("upload", 8, "tag"))
	_, err := u.OpenReceipt(sealed, "upload", 8, "tag")
	wantFault(t, err, ruleReceipt)
}

func TestReceiptRefuses(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	for name, change := range map[string]func(*Receipt){
		"number 0":      func(r *Receipt) { r.Part.Number = 0 },
		"number 10,001": func(r *Receipt) { r.Part.Number = MaxParts + 1 },
		"negative size": func(r *Receipt) { r.Part.Size = -1 },
		"large":         func(r *Receipt) { r.Part.Size = MaxPartSize + 1 },
		"short sum":     func(r *Receipt) { r.Part.Checksum = r.Part.Checksum[1:] },
		"sum of none":   func(r *Receipt) { r.Algorithm = ChecksumNone },
		"unknown":       func(r *Receipt) { r.Algorithm, r.Part.Checksum = 6, nil },
	} {
		r := testReceipt()
		change(&r)
		if sealed, err := u.SealReceipt(r, "upload", "tag"); !errors.Is(err, ErrParts) || sealed != nil {
			t.Errorf("%s: sealed, error %v", name, err)
		}
	}
}

// FuzzReceipt: decode, encode, equal.
func FuzzReceipt(f *testing.F) {
	f.Add(testReceipt().encode())
	f.Add(Receipt{Part: Part{Number: 1}}.encode())
	f.Add(testReceipt().encode()[1:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := decodeReceipt(bytes.Clone(b)); ok && !bytes.Equal(r.encode(), b) {
			t.Fatalf("decodes, but encodes to %x", r.encode())
		}
	})
}

// TestReuseManifest: an opened manifest serves another header of the object it
// is of, and nothing else.
func TestReuseManifest(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	p := sealPart(t, u, 1, noise(100_000))
	stored := complete(t, u, p)
	o, err := openMultipart(t, u.Metadata(), stored)
	if err != nil {
		t.Fatal(err)
	}
	m, size := o.manifest, int64(len(stored))
	again := mustOpenHeader(t, u.Metadata())
	if err := again.ReuseManifest(size, m); err != nil {
		t.Fatal(err)
	}
	checkRange(t, again, stored, p.plain, 70_000, 10)
	checkPlain(t, again.OpenAll(bytes.NewReader(stored), size), p.plain)

	twin := newTestUpload(t) // as long, in as many parts
	for name, err := range map[string]error{
		"another object":        mustOpenHeader(t, twin.Metadata()).ReuseManifest(size, m),
		"another stored length": mustOpenHeader(t, u.Metadata()).ReuseManifest(size+1, m),
		"one nobody opened":     mustOpenHeader(t, u.Metadata()).ReuseManifest(size, &Manifest{PlainSize: 1, Parts: []Part{p.part}}),
	} {
		if Fault(err) != ruleManifest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := io.ReadAll(again.OpenAll(bytes.NewReader(stored[:len(stored)-1]), size-1)); !errors.Is(err, ErrAuth) {
		t.Errorf("a shorter body: %v", err)
	}
}

// receiptInput are the parts of an opening.
type receiptInput struct {
	DEK    hexBytes `json:"dek"`
	Upload string   `json:"upload"`
	Number int      `json:"number"`
	ETag   string   `json:"etag"`
	Sealed hexBytes `json:"sealed"`
}

type receiptExpect struct {
	Receipt *Receipt `json:"receipt,omitempty"`
	Rule    string   `json:"rule,omitempty"`
}

func checkReceiptVector(t *testing.T, in receiptInput, want receiptExpect) {
	t.Helper()
	u := newUpload(keep(Key(in.DEK)), ID{}, "")
	got, err := u.OpenReceipt(in.Sealed, in.Upload, in.Number, in.ETag)
	if want.Receipt == nil {
		wantFault(t, err, want.Rule)
		return
	}
	if diff := cmp.Diff(*want.Receipt, got); err != nil || diff != "" {
		t.Errorf("error %v, receipts differ (-want +got):\n%s", err, diff)
	}
}

func receiptVectors(t *testing.T) []vector[receiptInput, receiptExpect] {
	t.Helper()
	dek := bytes.Repeat([]byte{0x11}, 32)
	u := newUpload(keep(Key(dek)), ID{}, "")
	r, bare := testReceipt(), Receipt{Part: Part{Number: 10000}}
	seal := func(r Receipt) []byte {
		b, err := u.SealReceipt(r, "upload", "0badcafe")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	in := receiptInput{DEK: dek, Upload: "upload", Number: 7, ETag: "0badcafe", Sealed: seal(r)}
	last := receiptInput{DEK: dek, Upload: "upload", Number: 10000, ETag: "0badcafe", Sealed: seal(bare)}
	with := func(change func(*receiptInput)) receiptInput {
		in := in
		in.Sealed = bytes.Clone(in.Sealed)
		change(&in)
		return in
	}
	bad := receiptExpect{Rule: ruleReceipt}
	return []vector[receiptInput, receiptExpect]{
		{"a part with a sum", generated, in, receiptExpect{Receipt: &r}},
		{"an empty part without one", generated, last, receiptExpect{Receipt: &bare}},
		{"of another part", generated, with(func(in *receiptInput) { in.Number = 8 }), bad},
		{"of another tag", generated, with(func(in *receiptInput) { in.ETag = "0badcaff" }), bad},
		{"of another upload's name", generated, with(func(in *receiptInput) { in.Upload = "uploae" }), bad},
		{"a changed bit", generated, with(func(in *receiptInput) { in.Sealed[40] ^= 1 }), bad},
		{"cut", generated, with(func(in *receiptInput) { in.Sealed = in.Sealed[:108] }), bad},
	}
}
