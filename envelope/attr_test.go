// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// users returns n user headers of total bytes of names and values in all.
func users(n, total int) []UserMeta {
	list := make([]UserMeta, n)
	for i := range list {
		list[i].Name = fmt.Sprintf("n%03d", i)
		total -= 4
	}
	for i := range list {
		v := total / (n - i)
		list[i].Value = strings.Repeat("v", v)
		total -= v
	}
	return list
}

func TestAttrRoundTrip(t *testing.T) {
	t.Parallel()
	sum := bytes.Repeat([]byte{5}, 32)
	for name, want := range map[string]Attr{
		"empty": {},
		"all": {
			ContentType: "a/b", ContentEncoding: "gzip", ContentDisposition: "attachment", ContentLanguage: "de",
			CacheControl: "no-store", Expires: "Thu, 01 Jan 1970 00:00:00 GMT", User: users(3, 100),
			Checksum: Checksum{Algorithm: ChecksumSHA256, Sum: sum},
		},
		"composite":   {Checksum: Checksum{Algorithm: ChecksumCRC32C, Type: ChecksumComposite, Sum: sum[:4]}},
		"UTF-8":       {User: []UserMeta{{"title", "Größe\t日本"}}},
		"long value":  {User: users(1, AttrBudget)},
		"many":        {User: users(20, AttrBudget), Checksum: Checksum{Algorithm: ChecksumSHA256, Sum: sum}},
		"length 127":  {ContentType: strings.Repeat("x", 127)},
		"length 128":  {ContentType: strings.Repeat("x", 128)},
		"empty value": {User: []UserMeta{{"a", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := want.encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeAttr(b)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, attributes differ (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestAttrBudget: the promise of FORMAT §6, and that what it lets through
// fits S3's limit with everything around it.
func TestAttrBudget(t *testing.T) {
	t.Parallel()
	checksum := Checksum{Algorithm: ChecksumSHA256, Sum: make([]byte, 32)}
	for n := 1; n <= 20; n++ {
		attr := Attr{User: users(n, AttrBudget), Checksum: checksum}
		s, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Attr: attr})
		if err != nil {
			t.Fatalf("%d headers of %d bytes: %v", n, AttrBudget, err)
		}
		if got := len("x-amz-meta-sg1") + len(s.Metadata()); got > 2048 {
			t.Fatalf("%d headers: user metadata of %d bytes, S3 takes 2,048", n, got)
		}
		attr.User[0].Value += "x"
		if _, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Attr: attr}); !errors.Is(err, ErrAttrTooLarge) {
			t.Fatalf("%d headers, one byte over the budget: %v", n, err)
		}
	}
	if _, err := (Attr{ContentType: strings.Repeat("x", AttrBudget-11)}).encode(); !errors.Is(err, ErrAttrTooLarge) {
		t.Errorf("a system header's name does not count: %v", err)
	}
	if _, err := (Attr{User: users(200, 1000), Checksum: checksum}).encode(); !errors.Is(err, ErrAttrTooLarge) {
		t.Errorf("200 headers: %v, want ErrAttrTooLarge", err)
	}
}

// TestMetadataMax: the largest encoding is exactly MaxMetadata.
func TestMetadataMax(t *testing.T) {
	t.Parallel()
	h := header{kind: kindSingle, attr: make([]byte, maxSealedAttr)}
	if got := len(h.encode()); got != MaxMetadata {
		t.Errorf("the longest metadata has %d bytes, MaxMetadata is %d", got, MaxMetadata)
	}
}

func TestAttrInvalid(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Attr{
		"line break":       {ContentType: "a\r\nb"},
		"user line break":  {User: []UserMeta{{"a", "x\n"}}},
		"NUL":              {User: []UserMeta{{"a", "\x00"}}},
		"DEL":              {Expires: "\x7f"},
		"upper case":       {User: []UserMeta{{"A", ""}}},
		"no name":          {User: []UserMeta{{"", "x"}}},
		"name with colon":  {User: []UserMeta{{"a:b", "x"}}},
		"name with space":  {User: []UserMeta{{"a b", "x"}}},
		"out of order":     {User: []UserMeta{{"b", ""}, {"a", ""}}},
		"repeated":         {User: []UserMeta{{"a", ""}, {"a", ""}}},
		"unknown checksum": {Checksum: Checksum{Algorithm: 9}},
		"short sum":        {Checksum: Checksum{Algorithm: ChecksumCRC32, Sum: []byte{1}}},
		"sum of nothing":   {Checksum: Checksum{Sum: []byte{1}}},
		"type of nothing":  {Checksum: Checksum{Type: ChecksumComposite}},
	} {
		if _, err := a.encode(); !errors.Is(err, ErrAttrInvalid) {
			t.Errorf("%s: %v, want ErrAttrInvalid", name, err)
		}
	}
}

func TestDecodeAttrRefuses(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing":            {},
		"unknown bit":        {0x80},
		"header missing":     {0x01},
		"empty header":       {0x01, 0},
		"long form of short": {0x01, 0x80, 1, 'x'},
		"cut header":         {0x01, 2, 'x'},
		"checksum none":      {0x40, 0},
		"checksum unknown":   {0x40, 6},
		"checksum cut":       {0x40, 1, 0, 0, 0},
		"name alone":         {0, 1, 'a'},
		"out of order":       {0, 1, 'b', 0, 1, 'a', 0},
		"too long":           tooManyHeaders(),
	} {
		_, err := decodeAttr(b)
		if Fault(err) != ruleAttributes {
			t.Errorf("%s: %v (%q), want fault %q", name, err, Fault(err), ruleAttributes)
		}
	}
}

// tooManyHeaders is what a writer without the limit would make of headers
// within the budget.
func tooManyHeaders() []byte {
	a := Attr{User: users(250, AttrBudget)}
	b := a.appendSystem([]byte{0})
	for _, u := range a.User {
		b = appendShort(appendShort(b, u.Name), u.Value)
	}
	return b
}

// TestStoreSeesNothing: neither attributes nor plaintext nor digests appear in
// what the store gets.
func TestStoreSeesNothing(t *testing.T) {
	t.Parallel()
	secret := []byte("customer-4711-confidential")
	attr := Attr{ContentType: string(secret), User: []UserMeta{{"owner", string(secret)}}}
	s, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Size: int64(len(secret)), Attr: attr})
	if err != nil {
		t.Fatal(err)
	}
	sum := [32]byte(bytes.Repeat([]byte("sum!"), 8))
	stored, err := io.ReadAll(s.Reader(bytes.NewReader(secret), func() (Digests, error) { return Digests{SHA256: &sum}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	for _, seen := range [][]byte{stored, rawMeta(t, s.Metadata())} {
		for _, hidden := range [][]byte{secret, sum[:], s.dek()[:], testKey().key()[:]} {
			if bytes.Contains(seen, hidden) {
				t.Errorf("the store can read %q", hidden)
			}
		}
	}
}
