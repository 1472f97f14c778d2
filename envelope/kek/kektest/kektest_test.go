// SPDX-License-Identifier: Apache-2.0

package kektest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	kektest.Run(t, kektest.Harness{Open: func(*testing.T) envelope.KEK { return kektest.NewMemory("memory") }})
}

func TestFailingWithoutFaults(t *testing.T) {
	t.Parallel()
	kektest.Run(t, kektest.Harness{Open: func(*testing.T) envelope.KEK { return kektest.NewFailing(kektest.NewMemory("memory")) }})
}

// broken is a KEK with one fault of the kind that the suite exists to find.
type broken struct {
	*kektest.Memory
	unwrap func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error)
	wrap   func(m *kektest.Memory, plain []byte, ec envelope.Context) (envelope.Wrapped, error)
	rewrap func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) (envelope.Wrapped, bool, error)
	rotate func(m *kektest.Memory) (string, error)
}

func (b broken) Wrap(ctx context.Context, plain []byte, ec envelope.Context) (envelope.Wrapped, error) {
	if b.wrap != nil {
		return b.wrap(b.Memory, plain, ec)
	}
	return b.Memory.Wrap(ctx, plain, ec)
}

func (b broken) Unwrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
	if b.unwrap != nil {
		return b.unwrap(b.Memory, w, ec)
	}
	return b.Memory.Unwrap(ctx, w, ec)
}

func (b broken) Rewrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) (envelope.Wrapped, bool, error) {
	if b.rewrap != nil {
		return b.rewrap(b.Memory, w, ec)
	}
	return b.Memory.Rewrap(ctx, w, ec)
}

func (b broken) RotateKEK(ctx context.Context) (string, error) {
	if b.rotate != nil {
		return b.rotate(b.Memory)
	}
	return b.Memory.RotateKEK(ctx)
}

var bg = context.Background()

// brokenKEKs maps a name to the subtest that must fail and a KEK that fails it.
var brokenKEKs = map[string]struct {
	subtest string
	kek     broken
}{
	"ignores the version of the context": {"wrong_context", broken{
		wrap: func(m *kektest.Memory, p []byte, ec envelope.Context) (envelope.Wrapped, error) {
			ec.Version = 0
			return m.Wrap(bg, p, ec)
		},
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			ec.Version = 0
			return m.Unwrap(bg, w, ec)
		},
	}},
	"joins bucket and prefix": {"wrong_context", broken{
		wrap: func(m *kektest.Memory, p []byte, ec envelope.Context) (envelope.Wrapped, error) {
			ec.Bucket, ec.Prefix = ec.Bucket+ec.Prefix, ""
			return m.Wrap(bg, p, ec)
		},
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			ec.Bucket, ec.Prefix = ec.Bucket+ec.Prefix, ""
			return m.Unwrap(bg, w, ec)
		},
	}},
	"accepts trailing bytes": {"damaged_blob", broken{
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			w.Blob = w.Blob[:min(len(w.Blob), 92)]
			return m.Unwrap(bg, w, ec)
		},
	}},
	"says unavailable for damage": {"damaged_blob", broken{
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			p, err := m.Unwrap(bg, w, ec)
			if errors.Is(err, envelope.ErrTampered) {
				err = envelope.ErrUnavailable
			}
			return p, err
		},
	}},
	"says two kinds at once": {"damaged_blob", broken{
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			p, err := m.Unwrap(bg, w, ec)
			if err != nil {
				err = errors.Join(err, envelope.ErrThrottled)
			}
			return p, err
		},
	}},
	"opens any version with the current one": {"wrong_names", broken{
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			in, err := m.Info(bg)
			w.Version = in.Version
			p, uerr := m.Unwrap(bg, w, ec)
			return p, errors.Join(err, uerr)
		},
	}},
	"does not look at the KEK's name": {"wrong_names", broken{
		unwrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
			w.KEK = "memory"
			return m.Unwrap(bg, w, ec)
		},
	}},
	"rewraps what is current": {"rewrap", broken{
		rewrap: func(m *kektest.Memory, w envelope.Wrapped, ec envelope.Context) (envelope.Wrapped, bool, error) {
			p, err := m.Unwrap(bg, w, ec)
			if err != nil {
				return envelope.Wrapped{}, false, err
			}
			w, err = m.Wrap(bg, p, ec)
			return w, true, err
		},
	}},
	"rewraps nothing": {"rewrap", broken{
		rewrap: func(_ *kektest.Memory, w envelope.Wrapped, _ envelope.Context) (envelope.Wrapped, bool, error) {
			return w, false, nil
		},
	}},
	"forgets old versions": {"rotation", broken{
		rotate: func(m *kektest.Memory) (string, error) {
			in, err := m.Info(bg)
			m.Drop(in.Version)
			v, rerr := m.RotateKEK(bg)
			return v, errors.Join(err, rerr)
		},
	}},
	"wraps the same way twice": {"fresh_blobs", broken{
		wrap: func(_ *kektest.Memory, p []byte, _ envelope.Context) (envelope.Wrapped, error) {
			return envelope.Wrapped{KEK: "memory", Version: "1", Blob: bytes.Clone(p)}, nil
		},
	}},
	"wraps anything": {"sizes", broken{
		wrap: func(m *kektest.Memory, p []byte, ec envelope.Context) (envelope.Wrapped, error) {
			return m.Wrap(bg, append(p, 0)[:min(max(len(p), 1), 64)], ec)
		},
	}},
}

// TestBroken is what the child processes of the next test run.
func TestBroken(t *testing.T) {
	b, ok := brokenKEKs[os.Getenv("KEKTEST_BROKEN")]
	if !ok {
		return // not a child
	}
	kektest.Run(t, kektest.Harness{Open: func(*testing.T) envelope.KEK {
		kek := b.kek
		kek.Memory = kektest.NewMemory("memory")
		return kek
	}})
}

// A suite that a broken KEK passes is worth nothing.
func TestTheSuiteFindsBrokenKEKs(t *testing.T) {
	t.Parallel()
	for name, b := range brokenKEKs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$")
			cmd.Env = append(os.Environ(), "KEKTEST_BROKEN="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestBroken/"+b.subtest) {
				t.Errorf("want the suite to fail in %q, got %v:\n%s", b.subtest, err, out)
			}
		})
	}
}

func TestFailing(t *testing.T) {
	t.Parallel()
	f := kektest.NewFailing(kektest.NewMemory("memory"))
	ec := kektest.Context()
	w, err := f.Wrap(t.Context(), []byte("key"), ec)
	if err != nil {
		t.Fatal(err)
	}
	f.Set(kektest.Fault{Op: kektest.OpUnwrap, Mode: kektest.Refuse, Err: envelope.ErrThrottled, After: 1, Times: 1})
	for i, want := range []error{nil, envelope.ErrThrottled, nil} {
		if _, err := f.Unwrap(t.Context(), w, ec); !errors.Is(err, want) {
			t.Errorf("call %d: want %v, got %v", i, want, err)
		}
	}
	f.Set(kektest.Fault{Op: kektest.OpUnwrap, Mode: kektest.WrongKey})
	if p, err := f.Unwrap(t.Context(), w, ec); err != nil || len(p) != 3 || string(p) == "key" {
		t.Errorf("want another key of 3 bytes, got %d bytes, %v", len(p), err)
	}
	f.Heal()
	f.Set(kektest.Fault{Op: kektest.OpRotate, Mode: kektest.Lose, Err: envelope.ErrUnavailable})
	if _, err := f.RotateKEK(t.Context()); !errors.Is(err, envelope.ErrUnavailable) {
		t.Errorf("want the answer lost, got %v", err)
	}
	if in, err := f.Info(t.Context()); err != nil || in.Version != "2" {
		t.Errorf("want the rotation done all the same, got %+v, %v", in, err)
	}
	f.Set(kektest.Fault{Op: kektest.OpWrap, Mode: kektest.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Wrap(ctx, []byte("key"), ec); !errors.Is(err, context.Canceled) {
		t.Errorf("want the context's error, got %v", err)
	}
}
