// SPDX-License-Identifier: Apache-2.0

// Package kektest holds every adapter of envelope.KEK to one contract, and
// offers two KEKs for tests: Memory, which is right, and Failing, which is
// wrong in the way that it is told to be.
//
// It is for tests: nothing that ships imports it.
package kektest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/sealgate/sealgate/envelope"
)

// Harness is what an adapter's test brings.
type Harness struct {
	// Open returns a KEK whose keys no other call's KEK has. It is called once
	// per test.
	Open func(t *testing.T) envelope.KEK
	// Rotate makes a new current version of kek. Nil: kek is an
	// envelope.Rotator and RotateKEK does it.
	Rotate func(t *testing.T, kek envelope.KEK)
}

// Run runs the suite; every adapter must pass it whole.
func Run(t *testing.T, h Harness) {
	t.Helper()
	tests := map[string]func(*testing.T, Harness){
		"info":             testInfo,
		"round trip":       testRoundTrip,
		"sizes":            testSizes,
		"fresh blobs":      testFreshBlobs,
		"wrong context":    testWrongContext,
		"damaged blob":     testDamagedBlob,
		"wrong names":      testWrongNames,
		"other KEK":        testOtherKEK,
		"rotation":         testRotation,
		"rewrap":           testRewrap,
		"rewrap of damage": testRewrapOfDamage,
		"ended context":    testEndedContext,
		"concurrent use":   testConcurrentUse,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

// Context returns a context with every field set.
func Context() envelope.Context {
	return envelope.Context{
		Deployment: envelope.ID{1, 2, 3}, Bucket: "models", Prefix: "fraud/prod/", Keyring: envelope.ID{4, 5, 6}, Version: 7,
	}
}

// secret is a keyring key for tests: 32 bytes that stand out in a dump.
var secret = bytes.Repeat([]byte("sealgate"), 4)

func (h Harness) rotate(t *testing.T, kek envelope.KEK) {
	t.Helper()
	if h.Rotate != nil {
		h.Rotate(t, kek)
		return
	}
	r, ok := kek.(envelope.Rotator)
	if !ok {
		t.Fatal("the harness has no Rotate and the KEK is no Rotator")
	}
	version, err := r.RotateKEK(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := info(t, kek).Version; got != version {
		t.Fatalf("RotateKEK said version %q, Info says %q", version, got)
	}
}

func info(t *testing.T, kek envelope.KEK) envelope.Info {
	t.Helper()
	in, err := kek.Info(t.Context())
	if err != nil {
		t.Fatalf("Info: %v", err)
	}
	return in
}

func wrap(t *testing.T, kek envelope.KEK) envelope.Wrapped {
	t.Helper()
	w, err := kek.Wrap(t.Context(), secret, Context())
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	return w
}

func wantOpens(t *testing.T, kek envelope.KEK, w envelope.Wrapped) {
	t.Helper()
	plain, err := kek.Unwrap(t.Context(), w, Context())
	if err != nil {
		t.Errorf("Unwrap under version %s: %v", w.Version, err)
	} else if !bytes.Equal(plain, secret) {
		t.Errorf("Unwrap under version %s gave other bytes than were wrapped", w.Version)
	}
}

// wantRefused demands one of the kinds and that nothing of the key came out.
func wantRefused(t *testing.T, what string, plain []byte, err error, kinds ...error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: it was accepted", what)
		return
	}
	if len(plain) > 0 {
		t.Errorf("%s: bytes came with the error", what)
	}
	got := kindOf(t, err)
	for _, k := range kinds {
		if errors.Is(got, k) {
			return
		}
	}
	t.Errorf("%s: want one of %v, got %v", what, kinds, err)
}

// kindOf returns the one sentinel that err wraps; the contract wants exactly
// one, since caches decide by it whether a key lives on.
func kindOf(t *testing.T, err error) error {
	t.Helper()
	var found []error
	for _, k := range []error{
		envelope.ErrUnavailable, envelope.ErrThrottled, envelope.ErrDenied, envelope.ErrKeyGone, envelope.ErrTampered,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, k) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		t.Errorf("an error must be of exactly one kind, this one is of %d: %v", len(found), err)
		return err
	}
	return found[0]
}
