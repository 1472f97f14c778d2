// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// What most tests share: one deployment, one keyring key, one location.
var (
	testDeployment = ID([]byte("deployment-00001"))
	testRing       = ID([]byte("keyring-00000001"))
	testLocation   = Location{Bucket: "models", Key: "fraud/v1/weights.safetensors"}
)

func testKey() *KeyringKey {
	return NewKeyringKey(testDeployment, testRing, 3, Key(bytes.Repeat([]byte{7}, 32)))
}

func testKeys(ring ID, version uint32) (*KeyringKey, error) {
	return NewKeyringKey(testDeployment, ring, version, Key(bytes.Repeat([]byte{7}, 32))), nil
}

func noDigests() (Digests, error) { return Digests{}, nil }

// noise returns n bytes that do not repeat with any period of the format.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b) // never fails
	return b
}

func newTestSealer(tb testing.TB, size int64) *Sealer {
	tb.Helper()
	s, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Size: size})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// sealed returns metadata and stored body of a single object.
func sealed(tb testing.TB, plain []byte) (meta string, stored []byte) {
	tb.Helper()
	s := newTestSealer(tb, int64(len(plain)))
	stored, err := io.ReadAll(s.Reader(bytes.NewReader(plain), noDigests))
	if err != nil {
		tb.Fatal(err)
	}
	if got := int64(len(stored)); got != s.StoredSize() {
		tb.Fatalf("stored %d bytes, StoredSize says %d", got, s.StoredSize())
	}
	return s.Metadata(), stored
}

// sealedObject returns an opened header and the stored body.
func sealedObject(tb testing.TB, plain []byte) (*Object, []byte) {
	tb.Helper()
	meta, stored := sealed(tb, plain)
	return mustOpenHeader(tb, meta), stored
}

func mustOpenHeader(tb testing.TB, meta string) *Object {
	tb.Helper()
	o, err := OpenHeader(meta, testLocation, testKeys)
	if err != nil {
		tb.Fatalf("opening header: %v (%s)", err, Fault(err))
	}
	return o
}

// wantFault checks that err is ErrAuth for breaking rule.
func wantFault(tb testing.TB, err error, rule string) {
	tb.Helper()
	if got := Fault(err); got != rule || got == "" {
		tb.Errorf("got error %v with fault %q, want fault %q", err, got, rule)
	}
}
