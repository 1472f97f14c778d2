// SPDX-License-Identifier: Apache-2.0

package kektest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/envelope"
)

func testInfo(t *testing.T, h Harness) {
	in := info(t, h.Open(t))
	if in.Name == "" || in.Provider == "" {
		t.Errorf("name and provider must be set: %+v", in)
	}
	if len(in.Versions) != 1 || in.Versions[0].Version != in.Version || in.Version == "" {
		t.Errorf("a new KEK has one version, its current one: %+v", in)
	}
	for _, v := range in.Versions {
		if v.Created.IsZero() {
			t.Errorf("version %s has no time of creation", v.Version)
		}
	}
}

func testRoundTrip(t *testing.T, h Harness) {
	kek := h.Open(t)
	w, in := wrap(t, kek), info(t, kek)
	if w.KEK != in.Name || w.Version != in.Version {
		t.Errorf("want a wrap that names %s@%s, got %s@%s", in.Name, in.Version, w.KEK, w.Version)
	}
	if bytes.Contains(w.Blob, secret[:8]) {
		t.Error("the blob holds the key in clear")
	}
	wantOpens(t, kek, w)
	plain, err := kek.Unwrap(t.Context(), w, Context())
	if err != nil {
		t.Fatal(err)
	}
	clear(plain) // the caller zeroes it; nobody else may share the bytes
	wantOpens(t, kek, w)
}

func testSizes(t *testing.T, h Harness) {
	kek := h.Open(t)
	for _, n := range []int{1, 16, 32, 64} {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		w, err := kek.Wrap(t.Context(), plain, Context())
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got, err := kek.Unwrap(t.Context(), w, Context()); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d bytes, %v", n, len(got), err)
		}
	}
	for _, n := range []int{0, 65, 1 << 20} {
		if _, err := kek.Wrap(t.Context(), make([]byte, n), Context()); err == nil {
			t.Errorf("%d bytes were wrapped; the contract says 1 to 64", n)
		}
	}
}

// Equal blobs would tell the store that two scopes share a key, and a fixed
// nonce would give the key away.
func testFreshBlobs(t *testing.T, h Harness) {
	kek := h.Open(t)
	seen := map[string]bool{}
	for range 20 {
		seen[string(wrap(t, kek).Blob)] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 wraps of one key gave %d blobs", len(seen))
	}
}

func testWrongContext(t *testing.T, h Harness) {
	kek := h.Open(t)
	w := wrap(t, kek)
	edits := map[string]func(*envelope.Context){
		"other deployment": func(c *envelope.Context) { c.Deployment[15] ^= 1 },
		"no deployment":    func(c *envelope.Context) { c.Deployment = envelope.ID{} },
		"other bucket":     func(c *envelope.Context) { c.Bucket = "features" },
		"no bucket":        func(c *envelope.Context) { c.Bucket = "" },
		"other prefix":     func(c *envelope.Context) { c.Prefix = "fraud/dev/" },
		"no prefix":        func(c *envelope.Context) { c.Prefix = "" },
		"moved boundary":   func(c *envelope.Context) { c.Bucket, c.Prefix = "modelsf", "raud/prod/" },
		"other keyring":    func(c *envelope.Context) { c.Keyring[0] ^= 0x80 },
		"swapped ids":      func(c *envelope.Context) { c.Deployment, c.Keyring = c.Keyring, c.Deployment },
		"other version":    func(c *envelope.Context) { c.Version++ },
	}
	for name, edit := range edits {
		ec := Context()
		edit(&ec)
		plain, err := kek.Unwrap(t.Context(), w, ec)
		wantRefused(t, name, plain, err, envelope.ErrTampered)
	}
}

// Every byte is changed, every length cut: a KEK that does not notice lets the
// store choose the key.
func testDamagedBlob(t *testing.T, h Harness) {
	kek := h.Open(t)
	w := wrap(t, kek)
	refused := func(what string, blob []byte) {
		plain, err := kek.Unwrap(t.Context(), envelope.Wrapped{KEK: w.KEK, Version: w.Version, Blob: blob}, Context())
		wantRefused(t, what, plain, err, envelope.ErrTampered, envelope.ErrKeyGone)
	}
	for i := range w.Blob {
		blob := bytes.Clone(w.Blob)
		blob[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("bit %d of byte %d changed", i%8, i), blob)
		refused(fmt.Sprintf("cut to %d bytes", i), w.Blob[:i:i])
	}
	refused("one byte more", append(bytes.Clone(w.Blob), 0))
	refused("twice", slices.Concat(w.Blob, w.Blob))
	wantOpens(t, kek, w)
}

func testWrongNames(t *testing.T, h Harness) {
	kek := h.Open(t)
	w := wrap(t, kek)
	for name, bad := range map[string]envelope.Wrapped{
		"unknown version": {KEK: w.KEK, Version: w.Version + "9", Blob: w.Blob},
		"no version":      {KEK: w.KEK, Version: "", Blob: w.Blob},
		"odd version":     {KEK: w.KEK, Version: " " + w.Version, Blob: w.Blob},
		"other KEK":       {KEK: w.KEK + "x", Version: w.Version, Blob: w.Blob},
		"no KEK":          {KEK: "", Version: w.Version, Blob: w.Blob},
	} {
		plain, err := kek.Unwrap(t.Context(), bad, Context())
		wantRefused(t, name, plain, err, envelope.ErrKeyGone)
	}
	h.rotate(t, kek)
	plain, err := kek.Unwrap(t.Context(), envelope.Wrapped{KEK: w.KEK, Version: info(t, kek).Version, Blob: w.Blob}, Context())
	wantRefused(t, "relabelled as the new version", plain, err, envelope.ErrTampered, envelope.ErrKeyGone)
}

func testOtherKEK(t *testing.T, h Harness) {
	a, b := h.Open(t), h.Open(t)
	w := wrap(t, a)
	w.KEK, w.Version = info(t, b).Name, info(t, b).Version
	plain, err := b.Unwrap(t.Context(), w, Context())
	wantRefused(t, "a blob of another KEK", plain, err, envelope.ErrTampered, envelope.ErrKeyGone)
}

func testRotation(t *testing.T, h Harness) {
	kek := h.Open(t)
	var wraps []envelope.Wrapped
	for range 3 {
		wraps = append(wraps, wrap(t, kek))
		h.rotate(t, kek)
	}
	wraps = append(wraps, wrap(t, kek))
	in := info(t, kek)
	if in.Version != wraps[3].Version || in.Versions[len(in.Versions)-1].Version != in.Version {
		t.Errorf("the newest version is not the current one: %+v", in)
	}
	for i, w := range wraps {
		wantOpens(t, kek, w)
		if in.Versions[i].Version != w.Version {
			t.Errorf("want versions oldest first, got %+v", in.Versions)
		}
		if i > 0 && w.Version == wraps[i-1].Version {
			t.Errorf("rotation kept version %s", w.Version)
		}
	}
}

func testRewrap(t *testing.T, h Harness) {
	kek := h.Open(t)
	old := wrap(t, kek)
	if same, changed, err := kek.Rewrap(t.Context(), old, Context()); changed || err != nil || !cmp.Equal(same, old) {
		t.Errorf("rewrap on the current version: want it unchanged, got changed %v, %v", changed, err)
	}
	h.rotate(t, kek)
	before := bytes.Clone(old.Blob)
	moved, changed, err := kek.Rewrap(t.Context(), old, Context())
	if err != nil || !changed {
		t.Fatalf("rewrap of an old version: want changed, got %v, %v", changed, err)
	}
	if moved.Version != info(t, kek).Version || moved.KEK != old.KEK || !bytes.Equal(old.Blob, before) {
		t.Errorf("rewrap gave %s@%s or changed its argument", moved.KEK, moved.Version)
	}
	wantOpens(t, kek, moved)
	wantOpens(t, kek, old)
	if again, changed, err := kek.Rewrap(t.Context(), moved, Context()); changed || err != nil || !cmp.Equal(again, moved) {
		t.Errorf("second rewrap: want it unchanged, got changed %v, %v", changed, err)
	}
}

func testRewrapOfDamage(t *testing.T, h Harness) {
	kek := h.Open(t)
	w := wrap(t, kek)
	other := Context()
	other.Version++
	bad := envelope.Wrapped{KEK: w.KEK, Version: w.Version, Blob: bytes.Clone(w.Blob)}
	bad.Blob[len(bad.Blob)/2] ^= 1
	h.rotate(t, kek)
	got, _, err := kek.Rewrap(t.Context(), w, other)
	wantRefused(t, "rewrap under another context", got.Blob, err, envelope.ErrTampered)
	got, _, err = kek.Rewrap(t.Context(), bad, Context())
	wantRefused(t, "rewrap of a damaged blob", got.Blob, err, envelope.ErrTampered)
	got, _, err = kek.Rewrap(t.Context(), envelope.Wrapped{KEK: w.KEK, Version: w.Version + "9", Blob: w.Blob}, Context())
	wantRefused(t, "rewrap of an unknown version", got.Blob, err, envelope.ErrKeyGone)
}

// An adapter may answer without looking at its context, but an error it gives
// for one that ended must say so and not evict a key.
func testEndedContext(t *testing.T, h Harness) {
	kek := h.Open(t)
	w := wrap(t, kek)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kek.Unwrap(ctx, w, Context()); err != nil {
		wantRefused(t, "Unwrap", nil, err, context.Canceled, envelope.ErrUnavailable)
	}
	if _, err := kek.Wrap(ctx, secret, Context()); err != nil {
		wantRefused(t, "Wrap", nil, err, context.Canceled, envelope.ErrUnavailable)
	}
}

func testConcurrentUse(t *testing.T, h Harness) {
	kek := h.Open(t)
	old := wrap(t, kek)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				w, err := kek.Wrap(t.Context(), secret, Context())
				if err != nil {
					t.Error(err)
					return
				}
				wantOpens(t, kek, w)
				wantOpens(t, kek, old)
				if _, _, err := kek.Rewrap(t.Context(), old, Context()); err != nil {
					t.Error(err)
				}
				if _, err := kek.Info(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	h.rotate(t, kek)
	wg.Wait()
	wantOpens(t, kek, old)
}
