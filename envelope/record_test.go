// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	testCreated = time.Date(2026, 11, 21, 10, 0, 0, 999, time.UTC)
	testContext = Context{Deployment: testDeployment, Bucket: "models", Prefix: "fraud/", Keyring: testRing, Version: 3}
)

func newTestRecord(t *testing.T, kek KEK) (Record, *KeyringKey) {
	t.Helper()
	r, k, err := NewRecord(t.Context(), kek, testContext, testCreated)
	if err != nil {
		t.Fatal(err)
	}
	return r, k
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	r, k := newTestRecord(t, newMemoryKEK())
	b, err := r.Encode()
	if err != nil || len(b) > MaxRecord {
		t.Fatalf("encoding of %d bytes, error %v", len(b), err)
	}
	got, err := DecodeRecord(b)
	if diff := cmp.Diff(r, got); err != nil || diff != "" {
		t.Errorf("error %v, records differ (-want +got):\n%s", err, diff)
	}
	if got.Context() != testContext || got.Digest() != r.Digest() || got.Digest() == [32]byte{} {
		t.Error("context or digest differ")
	}
	if bytes.Contains(b, k.key()[:]) {
		t.Error("the record holds the key in clear")
	}
}

func TestOpenRecord(t *testing.T) {
	t.Parallel()
	kek := newMemoryKEK()
	r, want := newTestRecord(t, kek)
	got, err := OpenRecord(t.Context(), kek, r)
	if err != nil {
		t.Fatal(err)
	}
	if *got.key() != *want.key() || got.Ring() != testRing || got.Version() != 3 || got.Deployment() != testDeployment {
		t.Error("another key came back")
	}
	for name, change := range map[string]func(r *Record){
		"deployment":  func(r *Record) { r.Deployment[0] ^= 1 },
		"keyring":     func(r *Record) { r.Keyring[0] ^= 1 },
		"bucket":      func(r *Record) { r.Bucket += "x" },
		"prefix":      func(r *Record) { r.Prefix += "x" },
		"border":      func(r *Record) { r.Bucket, r.Prefix = "model", "sfraud/" },
		"version":     func(r *Record) { r.Version++ },
		"blob":        func(r *Record) { r.Wrapped.Blob = append(bytes.Clone(r.Wrapped.Blob[1:]), 0) },
		"check value": func(r *Record) { r.KCV[0] ^= 1 },
	} {
		bad := r
		change(&bad)
		if _, err := OpenRecord(t.Context(), kek, bad); !errors.Is(err, ErrTampered) {
			t.Errorf("other %s: %v, want ErrTampered", name, err)
		}
	}
}

// TestFaultyKeyService: a wrong key is noticed before anything is wrapped
// under it.
func TestFaultyKeyService(t *testing.T) {
	t.Parallel()
	for name, mangle := range map[string]func([]byte) []byte{
		"other key": func(b []byte) []byte { b[0] ^= 1; return b },
		"short key": func(b []byte) []byte { return b[:31] },
		"long key":  func(b []byte) []byte { return append(b, 0) },
		"no key":    func([]byte) []byte { return nil },
	} {
		kek := newMemoryKEK()
		r, _ := newTestRecord(t, kek)
		kek.mangle = mangle
		if _, err := OpenRecord(t.Context(), kek, r); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: OpenRecord: %v, want ErrTampered", name, err)
		}
		if _, _, err := NewRecord(t.Context(), kek, testContext, testCreated); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: NewRecord: %v, want ErrTampered", name, err)
		}
		kek.rotate()
		if _, _, err := r.Rewrap(t.Context(), kek); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: Rewrap: %v, want ErrTampered", name, err)
		}
	}
}

// TestConfusedRewrap: the old record is kept until the new one has opened.
func TestConfusedRewrap(t *testing.T) {
	t.Parallel()
	kek := newMemoryKEK()
	r, _ := newTestRecord(t, kek)
	kek.rotate()
	kek.confused = true
	if _, _, err := r.Rewrap(t.Context(), kek); !errors.Is(err, ErrTampered) {
		t.Errorf("Rewrap to another key: %v, want ErrTampered", err)
	}
}

func TestKeyServiceErrors(t *testing.T) {
	t.Parallel()
	kek := newMemoryKEK()
	r, _ := newTestRecord(t, kek)
	for _, want := range []error{ErrUnavailable, ErrThrottled, ErrDenied, ErrKeyGone} {
		kek.err = want
		if _, err := OpenRecord(t.Context(), kek, r); !errors.Is(err, want) {
			t.Errorf("OpenRecord: %v, want %v", err, want)
		}
		if _, _, err := NewRecord(t.Context(), kek, testContext, testCreated); !errors.Is(err, want) {
			t.Errorf("NewRecord: %v, want %v", err, want)
		}
		if _, _, err := r.Rewrap(t.Context(), kek); !errors.Is(err, want) {
			t.Errorf("Rewrap: %v, want %v", err, want)
		}
	}
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	kek := newMemoryKEK()
	r, k := newTestRecord(t, kek)
	if same, changed, err := r.Rewrap(t.Context(), kek); err != nil || changed || same.Digest() != r.Digest() {
		t.Errorf("rewrapping under the same version: changed %v, error %v", changed, err)
	}
	kek.rotate()
	next, changed, err := r.Rewrap(t.Context(), kek)
	if err != nil || !changed || next.Wrapped.Version != "2" || next.Digest() == r.Digest() {
		t.Fatalf("rewrapping: version %s, changed %v, error %v", next.Wrapped.Version, changed, err)
	}
	got, err := OpenRecord(t.Context(), kek, next)
	if err != nil || *got.key() != *k.key() || next.KCV != r.KCV || !next.Created.Equal(r.Created) {
		t.Errorf("the rewrapped record differs in more than its wrap: %v", err)
	}
	// A damaged record is not given a new life under the new version.
	r.KCV[5] ^= 1
	if _, _, err := r.Rewrap(t.Context(), kek); !errors.Is(err, ErrTampered) {
		t.Errorf("rewrapping a damaged record: %v, want ErrTampered", err)
	}
}

func TestRecordBounds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *Record){
		"no bucket":        func(r *Record) { r.Bucket = "" },
		"long bucket":      func(r *Record) { r.Bucket = strings.Repeat("b", 256) },
		"long prefix":      func(r *Record) { r.Prefix = strings.Repeat("p", 1025) },
		"no KEK":           func(r *Record) { r.Wrapped.KEK = "" },
		"long KEK":         func(r *Record) { r.Wrapped.KEK = strings.Repeat("k", 256) },
		"no KEK version":   func(r *Record) { r.Wrapped.Version = "" },
		"long KEK version": func(r *Record) { r.Wrapped.Version = strings.Repeat("v", 2049) },
		"no blob":          func(r *Record) { r.Wrapped.Blob = nil },
		"long blob":        func(r *Record) { r.Wrapped.Blob = make([]byte, 16385) },
		"version 0":        func(r *Record) { r.Version = 0 },
		"before 1970":      func(r *Record) { r.Created = time.Unix(-1, 0) },
	} {
		r := testRecord()
		change(&r)
		if _, err := r.Encode(); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: encoded (%v)", name, err)
		}
		if r.Digest() != [32]byte{} {
			t.Errorf("%s: has a digest", name)
		}
	}
}

// testRecord is one that never saw a KEK.
func testRecord() Record {
	return Record{
		Deployment: testDeployment, Keyring: testRing, Bucket: "models", Prefix: "fraud/", Version: 3,
		Wrapped: Wrapped{"main", "1", []byte("wrapped")}, KCV: [32]byte{1, 2, 3}, Created: time.Unix(1_795_000_000, 0).UTC(),
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	t.Parallel()
	good, err := testRecord().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := DecodeRecord(good[:n]); !errors.Is(err, ErrTampered) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	change := func(i int, b byte) []byte { bad := bytes.Clone(good); bad[i] = b; return bad }
	for name, b := range map[string][]byte{
		"trailing byte":    append(bytes.Clone(good), 0),
		"magic":            change(4, 'X'),
		"format":           change(14, 2),
		"huge length":      change(47, 0xFF),
		"created too late": change(len(good)-8, 0x10),
	} {
		if _, err := DecodeRecord(b); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v, want ErrTampered", name, err)
		}
	}
}
