// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// vector is one entry of a file in testdata (FORMAT §14).
type vector[I, E any] struct {
	// Comment says what the vector shows.
	Comment string `json:"comment"`
	// Source says where it comes from.
	Source string `json:"source"`
	Input  I      `json:"input"`
	Expect E      `json:"expect"`
}

// hexBytes is written as hex digits.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// runs is a byte string written as a list of runs, most of them repeated once.
type runs []run

type run struct {
	Repeat hexBytes `json:"repeat"`
	Times  int      `json:"times"`
}

func (r runs) bytes() []byte {
	var b []byte
	for _, x := range r {
		b = append(b, bytes.Repeat(x.Repeat, x.Times)...)
	}
	return b
}

// vectorFiles ties each file to what checks it.
var vectorFiles = map[string]func(*testing.T, []byte){
	"v1_open.json":     checkVectors(checkOpenVector),
	"v1_copy.json":     checkVectors(checkOpenVector),
	"v1_derive.json":   checkVectors(checkDeriveVector),
	"v1_record.json":   checkVectors(checkRecordVector),
	"v1_attr.json":     checkVectors(checkAttrVector),
	"v1_manifest.json": checkVectors(checkManifestVector),
	"v1_sizelaw.json":  checkVectors(checkSizeVector),
	"v1_layout.json":   checkVectors(checkLayoutVector),
	"v1_receipt.json":  checkVectors(checkReceiptVector),
}

func TestVectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(vectorFiles) {
		t.Fatalf("testdata holds %d vector files, want %d (%v)", len(files), len(vectorFiles), err)
	}
	for name, check := range vectorFiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			check(t, b)
		})
	}
}

// checkVectors decodes a file strictly and checks each vector. No vectors is
// a failure.
func checkVectors[I, E any](check func(*testing.T, I, E)) func(*testing.T, []byte) {
	return func(t *testing.T, file []byte) {
		t.Helper()
		var list []vector[I, E]
		d := json.NewDecoder(bytes.NewReader(file))
		d.DisallowUnknownFields()
		if err := d.Decode(&list); err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			t.Fatal("no vectors")
		}
		for _, v := range list {
			t.Run(v.Comment, func(t *testing.T) {
				if v.Comment == "" || v.Source == "" {
					t.Error("a vector without comment or source")
				}
				check(t, v.Input, v.Expect)
			})
		}
	}
}

// openInput is a stored object and what is read of it.
type openInput struct {
	Deployment     hexBytes `json:"deployment"`
	Keyring        hexBytes `json:"keyring"`
	KeyringVersion uint32   `json:"keyring_version"`
	KeyringKey     hexBytes `json:"keyring_key"`
	Bucket         string   `json:"bucket"`
	Key            string   `json:"key"`
	Metadata       string   `json:"metadata"`
	Stored         runs     `json:"stored"`
	// Range is offset and length in plaintext bytes: nil reads the whole body.
	Range *[2]int64 `json:"range,omitempty"`
}

// openExpect is the plaintext, or the rule of FORMAT.md that the input breaks.
type openExpect struct {
	Plain       runs   `json:"plain,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Rule        string `json:"rule,omitempty"`
}

func checkOpenVector(t *testing.T, in openInput, want openExpect) {
	t.Helper()
	o, got, err := openVector(in)
	if want.Rule != "" {
		wantFault(t, err, want.Rule)
		return
	}
	if err != nil {
		t.Fatalf("%v (%s)", err, Fault(err))
	}
	if !bytes.Equal(got, want.Plain.bytes()) || o.Attr().ContentType != want.ContentType {
		t.Errorf("got %d bytes of %q, want %d of %q", len(got), o.Attr().ContentType, len(want.Plain.bytes()), want.ContentType)
	}
}

// openVector reads as a gateway does.
func openVector(in openInput) (*Object, []byte, error) {
	keys := func(ID, uint32) (*KeyringKey, error) {
		return NewKeyringKey(ID(in.Deployment), ID(in.Keyring), in.KeyringVersion, Key(in.KeyringKey)), nil
	}
	o, err := OpenHeader(in.Metadata, Location{in.Bucket, in.Key}, keys)
	if err != nil {
		return nil, nil, err
	}
	stored := in.Stored.bytes()
	if o.Multipart() {
		if _, err := o.UseManifest(int64(len(stored)), stored); err != nil {
			return nil, nil, err
		}
	}
	if in.Range == nil {
		got, err := io.ReadAll(o.OpenAll(bytes.NewReader(stored), int64(len(stored))))
		return o, got, err
	}
	off, n, err := o.Plan(in.Range[0], in.Range[1])
	if err != nil {
		return nil, nil, err
	}
	got, err := io.ReadAll(o.OpenRange(bytes.NewReader(stored[off:off+n]), in.Range[0], in.Range[1]))
	return o, got, err
}

// deriveInput names one row of the table in FORMAT §4.
type deriveInput struct {
	Use    string   `json:"use"`
	Key    hexBytes `json:"key,omitempty"`
	Object hexBytes `json:"object,omitempty"`
	// Context, for all uses of a keyring key.
	Deployment hexBytes `json:"deployment,omitempty"`
	Keyring    hexBytes `json:"keyring,omitempty"`
	Version    uint32   `json:"version,omitempty"`
	Bucket     string   `json:"bucket,omitempty"`
	Prefix     string   `json:"prefix,omitempty"`
	// Purpose and Length, for system keyrings.
	Purpose string `json:"purpose,omitempty"`
	Length  int    `json:"length,omitempty"`
	// Part, for the FLOE AAD of a part.
	Part int `json:"part,omitempty"`
}

func checkDeriveVector(t *testing.T, in deriveInput, want hexBytes) {
	t.Helper()
	if got := derive(in); !bytes.Equal(got, want) {
		t.Errorf("%s: got %x, want %x", in.Use, got, want)
	}
}

func derive(in deriveInput) []byte {
	var deployment, ring, object ID
	var key Key
	copy(deployment[:], in.Deployment)
	copy(ring[:], in.Keyring)
	copy(object[:], in.Object)
	copy(key[:], in.Key)
	k := NewKeyringKey(deployment, ring, in.Version, key)
	ec := Context{deployment, in.Bucket, in.Prefix, ring, in.Version}
	switch in.Use {
	case "context":
		return ec.Bytes()
	case "check value":
		kcv := k.KCV(ec)
		return kcv[:]
	case "system":
		return k.Derive(in.Purpose, in.Length)
	case "wrap key":
		return wrapKey(k, object)
	case "commitment":
		c := commitment(keep(key), object)
		return c[:]
	case "attributes key":
		return attrKey(keep(key))
	case "part AAD":
		return partAAD(object, in.Part)
	case "tail AAD":
		return tailAAD(object)
	}
	panic("unknown use " + in.Use)
}

// recordExpect is a record's content, or that it is refused.
type recordExpect struct {
	Deployment hexBytes `json:"deployment,omitempty"`
	Keyring    hexBytes `json:"keyring,omitempty"`
	Bucket     string   `json:"bucket,omitempty"`
	Prefix     string   `json:"prefix,omitempty"`
	Version    uint32   `json:"version,omitempty"`
	KEK        string   `json:"kek,omitempty"`
	KEKVersion string   `json:"kek_version,omitempty"`
	Blob       hexBytes `json:"blob,omitempty"`
	KCV        hexBytes `json:"kcv,omitempty"`
	Created    string   `json:"created,omitempty"`
	Digest     hexBytes `json:"digest,omitempty"`
	// Rule says what of FORMAT §3 is broken.
	Rule string `json:"rule,omitempty"`
}

func expectRecord(r Record) recordExpect {
	digest := r.Digest()
	return recordExpect{
		Deployment: r.Deployment[:], Keyring: r.Keyring[:], Bucket: r.Bucket, Prefix: r.Prefix, Version: r.Version,
		KEK: r.Wrapped.KEK, KEKVersion: r.Wrapped.Version, Blob: r.Wrapped.Blob, KCV: r.KCV[:],
		Created: r.Created.Format(time.RFC3339), Digest: digest[:],
	}
}

func checkRecordVector(t *testing.T, in hexBytes, want recordExpect) {
	t.Helper()
	r, err := DecodeRecord(in)
	if want.Rule != "" {
		if err == nil {
			t.Errorf("accepted, though: %s", want.Rule)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, expectRecord(r)); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
	if again, err := r.Encode(); err != nil || !bytes.Equal(again, in) {
		t.Errorf("encodes to %x, %v", again, err)
	}
}

// attrExpect is the decoded form, or the broken rule.
type attrExpect struct {
	Attr *Attr  `json:"attr,omitempty"`
	Rule string `json:"rule,omitempty"`
}

func checkAttrVector(t *testing.T, in hexBytes, want attrExpect) {
	t.Helper()
	got, err := decodeAttr(in)
	if want.Attr == nil {
		wantFault(t, err, want.Rule)
		return
	}
	if diff := cmp.Diff(*want.Attr, got); err != nil || diff != "" {
		t.Errorf("error %v, attributes differ (-want +got):\n%s", err, diff)
	}
	if again, err := got.encode(); err != nil || !bytes.Equal(again, in) {
		t.Errorf("encodes to %x, %v", again, err)
	}
}

// manifestExpect is a summary of the decoded form, or the broken rule.
type manifestExpect struct {
	PlainSize int64  `json:"plain_size,omitempty"`
	Parts     string `json:"parts,omitempty"` // number:size, separated by spaces
	Checksum  string `json:"checksum,omitempty"`
	Rule      string `json:"rule,omitempty"`
}

func expectManifest(m *Manifest) manifestExpect {
	e := manifestExpect{PlainSize: m.PlainSize}
	for i, p := range m.Parts {
		if i > 0 {
			e.Parts += " "
		}
		e.Parts += fmt.Sprintf("%d:%d", p.Number, p.Size)
	}
	c := m.Digests.Client
	e.Checksum = fmt.Sprintf("%s/%d %x", c.Algorithm, c.Type, c.Sum)
	return e
}

func checkManifestVector(t *testing.T, in runs, want manifestExpect) {
	t.Helper()
	m, err := decodeManifest(in.bytes())
	if want.Rule != "" {
		wantFault(t, err, want.Rule)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, expectManifest(m)); diff != "" {
		t.Errorf("manifests differ (-want +got):\n%s", diff)
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, in.bytes()) {
		t.Errorf("encodes to %x, %v", again, err)
	}
}

// sizeExpect is the plaintext length, or that no object has the stored one.
type sizeExpect struct {
	Plain int64  `json:"plain"`
	Rule  string `json:"rule,omitempty"`
}

func checkSizeVector(t *testing.T, stored int64, want sizeExpect) {
	t.Helper()
	got, ok := PlainSize(stored)
	if ok != (want.Rule == "") || ok && got != want.Plain {
		t.Errorf("PlainSize(%d) = %d, %v; want %d (rule %q)", stored, got, ok, want.Plain, want.Rule)
	}
	if ok && StoredSize(want.Plain) != stored {
		t.Errorf("StoredSize(%d) = %d, want %d", want.Plain, StoredSize(want.Plain), stored)
	}
}

// layoutInput is a list of part lengths and a plaintext range.
type layoutInput struct {
	Parts []int64  `json:"parts"`
	Range [2]int64 `json:"range"`
}

func checkLayoutVector(t *testing.T, in layoutInput, want [2]int64) {
	t.Helper()
	off, n := CipherRange(NewLayout(in.Parts...), in.Range[0], in.Range[1])
	if got := [2]int64{off, n}; got != want {
		t.Errorf("range %v of %v: got %v, want %v", in.Range, in.Parts, got, want)
	}
}
