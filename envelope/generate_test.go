// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the vector files that are missing in testdata")

const generated = "go test ./envelope -run TestGenerate -update"

// TestGenerate makes every vector, and with -update writes those files of
// testdata that are missing. It never touches a file that exists: vectors of a
// released format do not change, they are added to under a new name.
func TestGenerate(t *testing.T) {
	for name, list := range map[string]any{
		"v1_open.json":     append(openVectors(t), badOpenVectors(t)...),
		"v1_copy.json":     copyVectors(t),
		"v1_derive.json":   deriveVectors(),
		"v1_record.json":   recordVectors(t),
		"v1_attr.json":     attrVectors(t),
		"v1_manifest.json": manifestVectors(t),
		"v1_sizelaw.json":  sizeVectors(),
		"v1_layout.json":   layoutVectors(),
		"v1_receipt.json":  receiptVectors(t),
	} {
		path := filepath.Join("testdata", name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue // it is kept
		}
		if !*update {
			t.Errorf("%s is missing; to write it: %s", path, generated)
			continue
		}
		text, err := json.MarshalIndent(list, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// once is a byte string as it is.
func once(b []byte) runs {
	if len(b) == 0 {
		return nil
	}
	return runs{{Repeat: b, Times: 1}}
}

// sparse is b with [0, n) as zeros: a part of the body that is not read.
func sparse(b []byte, n int) runs {
	return runs{{Repeat: []byte{0}, Times: n}, {Repeat: b[n:], Times: 1}}
}

type openVec = vector[openInput, openExpect]

func openVec1(comment string, meta string, stored runs, r *[2]int64, want openExpect) openVec {
	k := testKey()
	in := openInput{
		k.deployment[:], k.ring[:], k.version, k.key()[:], testLocation.Bucket, testLocation.Key, meta, stored, r,
	}
	return openVec{comment, generated, in, want}
}

// openVectors are objects that open.
func openVectors(t *testing.T) []openVec {
	t.Helper()
	var list []openVec
	for _, c := range []struct {
		comment string
		plain   run
	}{
		{"empty object", run{}},
		{"one byte", run{[]byte{0x5A}, 1}},
		{"one full segment, no empty one after it", run{[]byte("ab"), 32768}},
	} {
		plain := bytes.Repeat(c.plain.Repeat, c.plain.Times)
		meta, stored := sealed(t, plain)
		want := openExpect{Plain: runs{c.plain}}
		if len(plain) == 0 {
			want.Plain = nil
		}
		list = append(list, openVec1(c.comment, meta, once(stored), nil, want))
	}
	meta, stored := sealed(t, bytes.Repeat([]byte{1}, SegmentSize+1))
	list = append(list, openVec1("range in the second segment; the first is not there", meta,
		sparse(stored, storedSegment), &[2]int64{SegmentSize, 1}, openExpect{Plain: once([]byte{1})}))
	return append(append(list, attrOpenVector(t)), multipartVectors(t)...)
}

func attrOpenVector(t *testing.T) openVec {
	t.Helper()
	s, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Size: 5, Attr: Attr{ContentType: "text/plain"}})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(s.Reader(bytes.NewReader([]byte("hello")), noDigests))
	if err != nil {
		t.Fatal(err)
	}
	return openVec1("sealed content-type", s.Metadata(), once(stored), nil, openExpect{Plain: once([]byte("hello")), ContentType: "text/plain"})
}

func multipartVectors(t *testing.T) []openVec {
	t.Helper()
	u := newTestUpload(t)
	one := complete(t, u, sealPart(t, u, 7, []byte("only part")))
	v := openExpect{Plain: once([]byte("only part")), ContentType: "model/x"}
	list := []openVec{openVec1("multipart object of one part, number 7", u.Metadata(), once(one), nil, v)}

	u = newTestUpload(t)
	first := sealPart(t, u, 2, make([]byte, MinPartSize+1))
	two := complete(t, u, first, sealPart(t, u, 10000, []byte("last part")))
	v.Plain = once([]byte("part"))
	return append(list, openVec1("range in the last of two parts of odd sizes; the first is not there", u.Metadata(),
		sparse(two, len(first.stored)), &[2]int64{MinPartSize + 1 + 5, 4}, v))
}

// badOpenVectors are one small object, damaged.
func badOpenVectors(t *testing.T) []openVec {
	t.Helper()
	meta, stored := sealed(t, bytes.Repeat([]byte{7}, 100))
	otherMeta, other := sealed(t, bytes.Repeat([]byte{7}, 100))
	var list []openVec
	for _, c := range []struct {
		comment, rule string
		damage        func(in *openInput, stored []byte) []byte
	}{
		{"metadata stripped", ruleMetadata, func(in *openInput, b []byte) []byte { in.Metadata = ""; return b }},
		{"metadata with base64 padding", ruleMetadata, func(in *openInput, b []byte) []byte { in.Metadata += "="; return b }},
		{"metadata with a line break", ruleMetadata, func(in *openInput, b []byte) []byte { in.Metadata += "\n"; return b }},
		{"metadata cut in the header", ruleMetadata, func(in *openInput, b []byte) []byte { in.Metadata = meta[:200]; return b }},
		{"version 2", ruleVersion, damageMeta(t, 0, 2)},
		{"suite 2", ruleSuite, damageMeta(t, 1, 2)},
		{"kind 3", ruleKind, damageMeta(t, 2, 3)},
		{"another object id", ruleWrap, damageMeta(t, 3, 0)},
		{"another keyring version", ruleWrap, damageMeta(t, 38, 9)},
		{"another commitment", ruleWrap, damageMeta(t, 39, 0)},
		{"another wrapped key", ruleWrap, damageMeta(t, 100, 0)},
		{"another length", ruleWrap, damageMeta(t, 138, 101)},
		{"a length over MaxPutSize", ruleSize, damageMeta(t, 131, 1)},
		{"another IV", ruleWrap, damageMeta(t, 160, 0)},
		{"other attributes", ruleWrap, damageMeta(t, 220, 0)},
		{"another key", ruleWrap, func(in *openInput, b []byte) []byte { in.Key += "x"; return b }},
		{"another bucket", ruleWrap, func(in *openInput, b []byte) []byte { in.Bucket += "x"; return b }},
		{"border between bucket and key moved", ruleWrap, func(in *openInput, b []byte) []byte { in.Bucket, in.Key = "model", "s"+in.Key; return b }},
		{"another deployment", ruleWrap, func(in *openInput, b []byte) []byte { in.Deployment = make([]byte, 16); return b }},
		{"metadata of another object", ruleSegment, func(in *openInput, b []byte) []byte { in.Metadata = otherMeta; return b }},
		{"body of another object", ruleSegment, func(_ *openInput, _ []byte) []byte { return other }},
		{"bit in the ciphertext", ruleSegment, func(_ *openInput, b []byte) []byte { b[30] ^= 1; return b }},
		{"bit in the mark", ruleSegment, func(_ *openInput, b []byte) []byte { b[3] ^= 1; return b }},
		{"padding not zero", rulePadding, func(_ *openInput, b []byte) []byte { b[132] = 1; return b }},
		{"bit in the manifest", ruleManifest, func(_ *openInput, b []byte) []byte { b[len(b)-50] ^= 1; return b }},
		{"bit in the footer's magic", ruleFooter, func(_ *openInput, b []byte) []byte { b[len(b)-16] ^= 1; return b }},
		{"bit in the footer's length", ruleFooter, func(_ *openInput, b []byte) []byte { b[len(b)-1] ^= 1; return b }},
		{"body cut by one byte", ruleSize, func(_ *openInput, b []byte) []byte { return b[:len(b)-1] }},
		{"body longer by one byte", ruleSize, func(_ *openInput, b []byte) []byte { return append(b, 0) }},
		{"body empty", ruleSize, func(_ *openInput, _ []byte) []byte { return nil }},
	} {
		v := openVec1(c.comment, meta, nil, nil, openExpect{Rule: c.rule})
		v.Input.Stored = once(c.damage(&v.Input, bytes.Clone(stored)))
		list = append(list, v)
	}
	return append(list, forgedVectors(t)...)
}

// damageMeta sets one byte of the metadata, to another value than it has.
func damageMeta(t *testing.T, i int, b byte) func(*openInput, []byte) []byte {
	t.Helper()
	return func(in *openInput, stored []byte) []byte {
		raw := rawMeta(t, in.Metadata)
		if raw[i] == b {
			b ^= 0x55
		}
		raw[i] = b
		in.Metadata = textMeta(raw)
		return stored
	}
}

// forgedVectors are what only a holder of the keyring key could make.
func forgedVectors(t *testing.T) []openVec {
	t.Helper()
	var list []openVec
	for _, c := range []struct {
		comment, rule string
		forge         func(h *header, dek secret)
	}{
		{"commitment to another key, under a genuine wrap", ruleCommitment, func(h *header, _ secret) { h.commitment[0] ^= 1 }},
		{"FLOE parameters of another segment length, under a genuine wrap", ruleFLOE, func(h *header, _ secret) { h.single.floe[3] ^= 2 }},
		{"FLOE tag of another message, under a genuine wrap", ruleFLOE, func(h *header, _ secret) { h.single.floe[50] ^= 1 }},
		{"attributes that are not canonical, under a genuine wrap", ruleAttributes, func(h *header, dek secret) {
			h.attr = seal(attrKey(dek), []byte{1, 0x80, 1, 'x'}, attrAAD(h))
		}},
	} {
		h, dek := forgedHeader(t)
		c.forge(h, dek)
		h.wrap(testKey(), dek, testLocation)
		list = append(list, openVec1(c.comment, h.encode(), nil, nil, openExpect{Rule: c.rule}))
	}
	return list
}
