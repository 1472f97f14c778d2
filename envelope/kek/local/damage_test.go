// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
)

// Every bit of a keystore is changed, every length cut: each time one clear
// line, and nothing opens.
func TestEveryBitOfTheKeystore(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	mustRotate(t, mustCreate(t, c))
	good := read(t, c.Path)
	refused := func(what string, b []byte) {
		t.Helper()
		write(t, c.Path, b)
		_, err := Open(t.Context(), c)
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrSecret) && !errors.Is(err, ErrWrongKind) {
			t.Fatalf("%s: got %v", what, err)
		}
		if text := err.Error(); !strings.HasPrefix(text, "opening keystore "+c.Path+": ") || strings.Contains(text, "\n") || len(text) > 400 {
			t.Fatalf("%s: want one clear line, got %q", what, text)
		}
	}
	for bit := range 8 * len(good) {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		refused(fmt.Sprintf("bit %d", bit), b)
	}
	for n := range good {
		refused(fmt.Sprintf("cut to %d bytes", n), good[:n])
	}
	refused("one byte more", append(bytes.Clone(good), 0))
	refused("1 MiB of text", bytes.Repeat([]byte("SEALGATE"), 1<<17))
	write(t, c.Path, good)
	mustOpen(t, c)
}

// The header of a passphrase keystore is authenticated too: costs inside their
// bounds are no cheaper way in.
func TestChangedArgon2Costs(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	c.Argon2 = Argon2{Memory: 64 << 10, Time: 2, Threads: 2}
	c.Secret = Secret{PassphraseFile: passphraseFile(t, "correct horse battery")}
	mustCreate(t, c)
	good := read(t, c.Path)
	for name, edit := range map[string]func(b []byte){
		"generation": func(b []byte) { b[17]++ },
		"memory":     func(b []byte) { b[21]++ },
		"time":       func(b []byte) { b[22] = 1 },
		"threads":    func(b []byte) { b[23] = 1 },
		"salt":       func(b []byte) { b[30] ^= 1 },
		"keys":       func(b []byte) { b[len(b)-1] ^= 1 },
	} {
		b := bytes.Clone(good)
		edit(b)
		write(t, c.Path, b)
		_, err := Open(t.Context(), c)
		if !errors.Is(err, ErrSecret) {
			t.Errorf("%s changed: got %v", name, err)
		}
	}
}

var errCrash = errors.New("crash")

// crashAt returns a hook that stops the process, as far as a test can, at the
// n-th durable step.
func crashAt(n int) func(string) {
	return func(string) {
		if n--; n == 0 {
			panic(errCrash)
		}
	}
}

// crashing runs f and reports whether the hook stopped it.
func crashing(f func()) (crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, errCrash) {
				panic(r)
			}
			crashed = true
		}
	}()
	f()
	return false
}

// TestCrashAtEveryStep stops creation, a rotation and a change of secret before
// each durable step. The keystore must be openable afterwards with the old or
// the new secret, must have lost no version, and a retry must succeed.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for n := 1; ; n++ {
		c, _ := config(t)
		hook := crashAt(n)
		c.Persist = func(p string) { seen[p] = true; hook(p) }
		next := Secret{PassphraseFile: passphraseFile(t, "correct horse battery")}
		old := c.Secret
		var w envelope.Wrapped
		crashed := crashing(func() {
			k := mustCreate(t, c)
			w = mustWrap(t, k)
			mustRotate(t, k)
			if _, err := k.ChangeSecret(t.Context(), next); err != nil {
				t.Error(err)
			}
		})
		c.Persist = nil
		k := recoverKeystore(t, c, old, next)
		if w.Blob != nil {
			wantUnwraps(t, k, w)
		}
		mustRotate(t, k)
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(c.Path), "*.tmp")); err != nil || len(left) > 0 {
			t.Errorf("step %d: leftovers %v, %v", n, left, err)
		}
		if !crashed {
			break
		}
	}
	for _, p := range PersistPoints {
		if !seen[p] {
			t.Errorf("no step passed %s", p)
		}
	}
}

// recoverKeystore does what a next start does: open, or create if there is
// nothing; with whichever secret the crash left in force.
func recoverKeystore(t *testing.T, c Config, old, next Secret) *KEK {
	t.Helper()
	if _, err := os.Stat(c.Path); err != nil {
		return mustCreate(t, c)
	}
	seal, err := Inspect(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	c.Secret = old
	if seal == SealPassphrase {
		c.Secret = next
	}
	return mustOpen(t, c)
}

// The wrap of a version must not depend on anything but KEYSTORE.md: a blob
// made now opens in every later release.
func TestGoldenKeystore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"keystore", "keyfile", "keystore-passphrase", "passphrase"} {
		write(t, filepath.Join(dir, name), read(t, filepath.Join("testdata", "v1", name)))
	}
	blob := read(t, filepath.Join("testdata", "v1", "wrap"))
	for name, secret := range map[string]Secret{
		"keystore":            {KeyFile: filepath.Join(dir, "keyfile")},
		"keystore-passphrase": {PassphraseFile: filepath.Join(dir, "passphrase")},
	} {
		k := mustOpen(t, Config{Path: filepath.Join(dir, name), Secret: secret, Name: "local"})
		wantUnwraps(t, k, envelope.Wrapped{KEK: "local", Version: "1", Blob: blob})
		if in, err := k.Info(t.Context()); err != nil || len(in.Versions) != 2 || in.Versions[0].Created.Year() != 2026 {
			t.Errorf("%s: got %+v, %v", name, in, err)
		}
	}
}

// TestFIPSOnly runs this binary again in the strictest mode: a key file works,
// a passphrase is refused with the reason.
func TestFIPSOnly(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInFIPSMode$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "LOCAL_TEST_FIPS=1")
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestInFIPSMode is the child of TestFIPSOnly.
func TestInFIPSMode(t *testing.T) {
	if os.Getenv("LOCAL_TEST_FIPS") == "" {
		return // not the child
	}
	if !fips140.Enabled() {
		t.Fatal("the mode is off")
	}
	c, _ := config(t)
	k := mustCreate(t, c)
	w := mustWrap(t, k)
	mustRotate(t, k)
	wantUnwraps(t, mustOpen(t, c), w)
	if _, changed, err := k.Rewrap(t.Context(), w, kektest.Context()); !changed || err != nil {
		t.Error(changed, err)
	}
	_, err := k.ChangeSecret(t.Context(), Secret{PassphraseFile: passphraseFile(t, "correct horse battery")})
	if err == nil || !strings.Contains(err.Error(), "use a key file") {
		t.Errorf("got %v", err)
	}
}

func TestVersionsAreStrictlyOrdered(t *testing.T) {
	t.Parallel()
	key := envelope.NewKey()
	for _, numbers := range [][]uint32{{}, {0}, {1, 1}, {2, 1}, {0, 1}} {
		var vs []version
		for _, n := range numbers {
			vs = append(vs, version{number: n, created: time.Unix(1, 0), key: &key})
		}
		if _, err := decodeVersions(encodeVersions(vs)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%v: got %v", numbers, err)
		}
	}
	late := version{number: 1, created: time.Unix(1<<40, 0), key: &key}
	if _, err := decodeVersions(encodeVersions([]version{late})); !errors.Is(err, ErrDamaged) {
		t.Errorf("created after its bound: got %v", err)
	}
}

func FuzzKeystore(f *testing.F) {
	for _, name := range []string{"keystore", "keystore-passphrase"} {
		b, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := decodeKeystore(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(k.encode(), b) {
			t.Error("decoding and encoding changed the file")
		}
	})
}

func FuzzVersions(f *testing.F) {
	key := envelope.Key(slices.Repeat([]byte{7}, 32))
	f.Add(encodeVersions([]version{{number: 1, key: &key}, {number: 9, key: &key}}))
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		vs, err := decodeVersions(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(encodeVersions(vs), b) {
			t.Error("decoding and encoding changed the keys")
		}
		again, err := decodeVersions(encodeVersions(vs))
		if diff := cmp.Diff(vs, again, cmp.AllowUnexported(version{}), cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
