// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPassphrase(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	c.Secret = Secret{PassphraseFile: passphraseFile(t, "correct horse battery\n")}
	k := mustCreate(t, c)
	w := mustWrap(t, k)
	c.Secret = Secret{Passphrase: func(context.Context) ([]byte, error) { return []byte("correct horse battery"), nil }}
	wantUnwraps(t, mustOpen(t, c), w)

	wrong := passphraseFile(t, "incorrect horse battery")
	c.Secret = Secret{PassphraseFile: wrong}
	_, err := Open(t.Context(), c)
	wantErr(t, err, ErrSecret)
	if want := fmt.Sprintf("opening keystore %s: the passphrase from %s does not open it, or the file is damaged; put back a backup of it", c.Path, wrong); err.Error() != want {
		t.Errorf("want %q, got %q", want, err)
	}
	mustRotate(t, k) // leaves keystore.1
	day := time.Date(2027, 2, 11, 9, 0, 0, 0, time.UTC)
	if err := os.Chtimes(c.Path+".1", day, day); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), c)
	if want := fmt.Sprintf("opening keystore %s: the passphrase from %s does not open it, or the file is damaged; the last good backup is keystore.1 of 2027-02-11", c.Path, wrong); err == nil || err.Error() != want {
		t.Errorf("want %q, got %q", want, err)
	}
}

func TestSecretSources(t *testing.T) {
	t.Parallel()
	file := passphraseFile(t, "correct horse battery")
	ask := func(b string, err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return []byte(b), err }
	}
	tests := map[string]struct {
		secret Secret
		part   string
	}{
		"none":             {Secret{}, "exactly one"},
		"two":              {Secret{KeyFile: filepath.Join(t.TempDir(), "x"), PassphraseFile: file}, "exactly one"},
		"short":            {Secret{PassphraseFile: passphraseFile(t, "eleven char")}, "at least 12"},
		"short, asked":     {Secret{Passphrase: ask("eleven char", nil)}, "at least 12"},
		"empty":            {Secret{PassphraseFile: passphraseFile(t, "\n")}, "holds 0 bytes"},
		"empty, asked":     {Secret{Passphrase: ask("", nil)}, "has 0 bytes"},
		"endless":          {Secret{PassphraseFile: passphraseFile(t, strings.Repeat("a", 5000))}, "1 to 1024"},
		"absent":           {Secret{PassphraseFile: file + "x"}, "no such file"},
		"a folder":         {Secret{PassphraseFile: filepath.Dir(file)}, "no regular file"},
		"short key file":   {Secret{KeyFile: file}, "has 21 bytes, a key file has 32"},
		"nobody to answer": {Secret{Passphrase: ask("", errors.New("no terminal"))}, "no terminal"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := config(t)
			c.Secret = tt.secret
			_, _, err := Create(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.part) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want %q in one line, got %v", tt.part, err)
			}
			if _, err := os.Stat(c.Path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a keystore was left behind: %v", err)
			}
		})
	}
}

func TestArgon2Bounds(t *testing.T) {
	t.Parallel()
	for _, a := range []Argon2{{65535, 1, 1}, {1<<20 + 1, 1, 1}, {65536, 0, 1}, {65536, 11, 1}, {65536, 1, 0}, {65536, 1, 9}} {
		c, _ := config(t)
		c.Argon2 = a
		if _, _, err := Create(t.Context(), c); err == nil || !strings.Contains(err.Error(), "out of bounds") {
			t.Errorf("%+v: want it refused, got %v", a, err)
		}
		k := keystore{seal: SealPassphrase, generation: 1, argon2: a, sealed: make([]byte, 74)}
		if _, err := decodeKeystore(k.encode()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v in a file: want it refused before argon2id runs, got %v", a, err)
		}
	}
	for _, a := range []Argon2{{65536, 1, 1}, {1 << 20, 10, 8}} {
		k := keystore{seal: SealPassphrase, generation: 1, argon2: a, sealed: make([]byte, 74)}
		if _, err := decodeKeystore(k.encode()); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// A key file needs no costs: fields that mean nothing must be zero.
func TestCostsOfAKeyFile(t *testing.T) {
	t.Parallel()
	for _, a := range []Argon2{{Memory: 1 << 16}, {Time: 1}, {Threads: 1}, {1 << 16, 1, 1}} {
		k := keystore{seal: SealKeyFile, generation: 1, argon2: a, sealed: make([]byte, 74)}
		if _, err := decodeKeystore(k.encode()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v: got %v", a, err)
		}
	}
}

// Each wrap has a key of its own, so that no number of wraps wears a version's
// key out.
func TestEveryWrapHasItsOwnSalt(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	k := mustCreate(t, c)
	seen := map[string]bool{string(make([]byte, saltSize)): true}
	for range 10 {
		seen[string(mustWrap(t, k).Blob[1:wrapHead])] = true
	}
	if len(seen) != 11 {
		t.Errorf("10 wraps had %d salts", len(seen)-1)
	}
}

func TestExposedFilesAreRefused(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	pass := passphraseFile(t, "correct horse battery")
	mustCreate(t, c)
	for _, path := range []string{c.Path, c.Secret.KeyFile, pass} {
		for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o601, 0o777} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			o := c
			if path == pass {
				o.Secret = Secret{PassphraseFile: pass}
			}
			_, err := Open(t.Context(), o)
			wantErr(t, err, ErrExposed, fmt.Sprintf("mode %04o", mode), "run chmod 600 "+path)
		}
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, c)
}

func TestChangeSecret(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	k := mustCreate(t, c)
	w := mustWrap(t, k)
	pass := Secret{PassphraseFile: passphraseFile(t, "correct horse battery")}
	steps := []struct {
		name string
		to   Secret
		seal Seal
	}{
		{"key file to passphrase", pass, SealPassphrase},
		{"passphrase to another", Secret{PassphraseFile: passphraseFile(t, "another passphrase")}, SealPassphrase},
		{"passphrase to new key file", Secret{KeyFile: c.Secret.KeyFile + "2"}, SealKeyFile},
	}
	old := c.Secret
	for _, s := range steps {
		made, err := k.ChangeSecret(t.Context(), s.to)
		if err != nil || made.KeyFile != s.to.KeyFile {
			t.Fatalf("%s: %+v, %v", s.name, made, err)
		}
		if seal, err := Inspect(c.Path); seal != s.seal || err != nil {
			t.Errorf("%s: want a %v, got %v, %v", s.name, s.seal, seal, err)
		}
		c.Secret = old
		if _, err := Open(t.Context(), c); !errors.Is(err, ErrSecret) && !errors.Is(err, ErrWrongKind) {
			t.Errorf("%s: the old secret still opens: %v", s.name, err)
		}
		c.Secret = s.to
		wantUnwraps(t, mustOpen(t, c), w)
		mustRotate(t, k) // with the new secret, from here on
		old = s.to
	}
	short := Secret{PassphraseFile: passphraseFile(t, "short")}
	if _, err := k.ChangeSecret(t.Context(), short); err == nil {
		t.Error("a short passphrase was taken")
	}
	wantUnwraps(t, mustOpen(t, c), w)
}

func TestWrongKindOfSecret(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	mustCreate(t, c)
	c.Secret = Secret{PassphraseFile: passphraseFile(t, "correct horse battery")}
	_, err := Open(t.Context(), c)
	wantErr(t, err, ErrWrongKind, "it is sealed by a key file, but the passphrase from")
}
