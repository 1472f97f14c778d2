// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"testing"
)

// deriveVectors covers the table of FORMAT §4, as far as it is deterministic
// and not FLOE's own.
func deriveVectors() []vector[deriveInput, hexBytes] {
	key, object := bytes.Repeat([]byte{0x11}, 32), bytes.Repeat([]byte{0x22}, 16)
	ring := deriveInput{
		Key: key, Deployment: testDeployment[:], Keyring: testRing[:], Version: 3, Bucket: "models", Prefix: "fraud/",
	}
	with := func(in deriveInput, change func(*deriveInput)) deriveInput { change(&in); return in }
	var list []vector[deriveInput, hexBytes]
	for _, c := range []struct {
		comment string
		in      deriveInput
	}{
		{"context of a keyring version", with(ring, func(in *deriveInput) { in.Use = "context" })},
		{"context of a whole bucket", with(ring, func(in *deriveInput) { in.Use, in.Prefix = "context", "" })},
		{"check value", with(ring, func(in *deriveInput) { in.Use = "check value" })},
		{"system key of 32 bytes", with(ring, func(in *deriveInput) { in.Use, in.Purpose, in.Length = "system", "tokens", 32 })},
		{"system key of 64 bytes shares nothing with it", with(ring, func(in *deriveInput) { in.Use, in.Purpose, in.Length = "system", "tokens", 64 })},
		{"wrap key of an object", with(ring, func(in *deriveInput) { in.Use, in.Object = "wrap key", object })},
		{"commitment", deriveInput{Use: "commitment", Key: key, Object: object}},
		{"attributes key", deriveInput{Use: "attributes key", Key: key}},
		{"FLOE AAD of part 1", deriveInput{Use: "part AAD", Object: object, Part: 1}},
		{"FLOE AAD of part 10,000", deriveInput{Use: "part AAD", Object: object, Part: 10000}},
		{"FLOE AAD of the manifest", deriveInput{Use: "tail AAD", Object: object}},
	} {
		list = append(list, vector[deriveInput, hexBytes]{c.comment, generated, c.in, derive(c.in)})
	}
	return list
}

func recordVectors(t *testing.T) []vector[hexBytes, recordExpect] {
	t.Helper()
	good, err := testRecord().Encode()
	if err != nil {
		t.Fatal(err)
	}
	change := func(i int, b byte) []byte { bad := bytes.Clone(good); bad[i] = b; return bad }
	list := []vector[hexBytes, recordExpect]{{"a record", generated, good, expectRecord(testRecord())}}
	for _, c := range []struct {
		comment, rule string
		in            []byte
	}{
		{"nothing", "magic", nil},
		{"another magic", "magic", change(13, 'E')},
		{"format 2", "format", change(14, 2)},
		{"bucket longer than the record", "bucket: 1 to 255 bytes", change(47, 1)},
		{"version 0", "version: from 1", change(70, 0)},
		{"created in 2^60 seconds", "created: below 2^60", change(len(good)-8, 0x10)},
		{"cut by one byte", "all fields", good[:len(good)-1]},
		{"longer by one byte", "nothing follows the last field", append(bytes.Clone(good), 0)},
	} {
		list = append(list, vector[hexBytes, recordExpect]{c.comment, generated, c.in, recordExpect{Rule: c.rule}})
	}
	return list
}

func attrVectors(t *testing.T) []vector[hexBytes, attrExpect] {
	t.Helper()
	var list []vector[hexBytes, attrExpect]
	for comment, a := range map[string]Attr{
		"no attributes": {},
		"system headers, composite checksum, user headers": {
			ContentType: "text/csv", Expires: "0", User: []UserMeta{{"a", ""}, {"b", "2"}},
			Checksum: Checksum{Algorithm: ChecksumCRC32C, Type: ChecksumComposite, Sum: []byte{1, 2, 3, 4}},
		},
		"a value of 128 bytes": {CacheControl: string(bytes.Repeat([]byte("x"), 128))},
	} {
		b, err := a.encode()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, vector[hexBytes, attrExpect]{comment, generated, b, attrExpect{Attr: &a}})
	}
	for _, c := range []struct {
		comment string
		in      []byte
	}{
		{"no bytes", nil},
		{"bit 7 of the first byte", []byte{0x80}},
		{"header present but empty", []byte{1, 0}},
		{"two-byte length below 128", []byte{1, 0x80, 1, 'x'}},
		{"checksum present but none", []byte{0x40, 0}},
		{"unknown checksum", []byte{0x40, 6}},
		{"user headers out of order", []byte{0, 1, 'b', 0, 1, 'a', 0}},
		{"user header twice", []byte{0, 1, 'a', 0, 1, 'a', 0}},
		{"upper-case name", []byte{0, 1, 'A', 0}},
		{"line break in a value", []byte{0, 1, 'a', 1, '\n'}},
		{"name without value", []byte{0, 1, 'a'}},
	} {
		list = append(list, vector[hexBytes, attrExpect]{c.comment, generated, c.in, attrExpect{Rule: ruleAttributes}})
	}
	return list
}

func manifestVectors(t *testing.T) []vector[runs, manifestExpect] {
	t.Helper()
	single := &Manifest{PlainSize: 5, Parts: []Part{{Number: 1, Size: 5, Checksum: make([]byte, 8)}}}
	double := &Manifest{
		Digests:   Digests{Client: Checksum{Algorithm: ChecksumSHA1, Type: ChecksumComposite, Sum: bytes.Repeat([]byte{9}, 20)}},
		PlainSize: MinPartSize + 1,
		Parts:     []Part{{Number: 3, Size: MinPartSize, Checksum: make([]byte, 20)}, {Number: 8, Size: 1, Checksum: make([]byte, 20)}},
	}
	encode := func(m *Manifest) []byte {
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	list := []vector[runs, manifestExpect]{
		{"one part", generated, once(encode(single)), expectManifest(single)},
		{"two parts, a gap, a composite checksum", generated, once(encode(double)), expectManifest(double)},
	}
	for _, c := range []struct {
		comment string
		of      *Manifest
		at      int
		to      byte
	}{
		{"unknown checksum algorithm", double, 0, 6},
		{"unknown checksum type", double, 1, 2},
		{"type without algorithm", single, 1, 1},
		{"sum longer than its algorithm's", double, 2 + 20, 1},
		{"P is not the sum of the parts", single, 81, 6},
		{"P over MaxObjectSize", single, 74, 0xFF},
		{"n is not the number of entries", single, 83, 2},
		{"part number 0", single, 85, 0},
		{"part number over 10,000", double, 84 + 72, 0x80},
		{"part numbers not ascending", double, 85, 8},
		{"first part under 5 MiB", double, 84 + 2 + 3, 0},
		{"part over MaxPartSize", single, 84 + 2, 1},
		{"part's sum longer than its algorithm's", single, 84 + 40 + 8, 1},
	} {
		b := encode(c.of)
		b[c.at] = c.to
		list = append(list, vector[runs, manifestExpect]{c.comment, generated, once(b), manifestExpect{Rule: ruleManifest}})
	}
	for comment, b := range map[string][]byte{
		"no bytes": nil, "cut": encode(single)[:155], "trailing byte": append(encode(single), 0), "no parts": make([]byte, 84),
	} {
		list = append(list, vector[runs, manifestExpect]{comment, generated, once(b), manifestExpect{Rule: ruleManifest}})
	}
	return list
}

func sizeVectors() []vector[int64, sizeExpect] {
	var list []vector[int64, sizeExpect]
	for comment, p := range map[string]int64{
		"empty": 0, "one byte": 1, "a full segment": 65536, "one byte more": 65537, "one byte under 5 MiB": MinPartSize - 1,
		"5 MiB": MinPartSize, "500 GB in parts of 50,000,001": 500_000_010_000, "MaxPutSize": MaxPutSize, "MaxObjectSize": MaxObjectSize,
	} {
		list = append(list, vector[int64, sizeExpect]{comment, generated, law(p), sizeExpect{Plain: p}})
	}
	for comment, s := range map[string]int64{
		"negative": -1, "nothing stored": 0, "one under the empty object": 399, "between one and two segments": law(65536) + 1,
		"just under 5 MiB": law(MinPartSize) - 1, "over the largest": law(MaxObjectSize) + 1,
	} {
		list = append(list, vector[int64, sizeExpect]{comment, generated, s, sizeExpect{Rule: ruleSize}})
	}
	return list
}

func layoutVectors() []vector[layoutInput, [2]int64] {
	odd := []int64{MinPartSize + 1, MinPartSize, 7}
	var list []vector[layoutInput, [2]int64]
	for _, c := range []struct {
		comment string
		in      layoutInput
	}{
		{"first byte", layoutInput{[]int64{100}, [2]int64{0, 1}}},
		{"last byte of a full segment", layoutInput{[]int64{131072}, [2]int64{65535, 1}}},
		{"across a segment's edge", layoutInput{[]int64{131072}, [2]int64{65535, 2}}},
		{"across a part's edge", layoutInput{odd, [2]int64{MinPartSize, 2}}},
		{"all", layoutInput{odd, [2]int64{0, 2*MinPartSize + 8}}},
		{"the part after an empty one", layoutInput{[]int64{0, 5}, [2]int64{0, 5}}},
		{"nothing", layoutInput{odd, [2]int64{65536, 0}}},
	} {
		off, n := CipherRange(NewLayout(c.in.Parts...), c.in.Range[0], c.in.Range[1])
		list = append(list, vector[layoutInput, [2]int64]{c.comment, generated, c.in, [2]int64{off, n}})
	}
	return list
}
