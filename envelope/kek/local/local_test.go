// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
)

// cheap is the least that argon2id may cost.
var cheap = Argon2{Memory: 64 << 10, Time: 1, Threads: 1}

// mirror stands for the state database.
type mirror struct {
	mu   sync.Mutex
	seen uint64
	err  error
}

func (m *mirror) get(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen, nil
}

func (m *mirror) set(_ context.Context, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.seen = n
	}
	return m.err
}

// config is a keystore in a new folder, sealed by a key file.
func config(t *testing.T) (Config, *mirror) {
	t.Helper()
	dir, m := t.TempDir(), &mirror{}
	return Config{
		Path: filepath.Join(dir, "keys", "keystore"), Secret: Secret{KeyFile: filepath.Join(dir, "keys", "keyfile")},
		Name: "local", Argon2: cheap, Generation: m.get, SetGeneration: m.set,
	}, m
}

func passphraseFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pass")
	write(t, path, []byte(text))
	return path
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustCreate(t *testing.T, c Config) *KEK {
	t.Helper()
	k, _, err := Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustOpen(t *testing.T, c Config) *KEK {
	t.Helper()
	k, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustRotate(t *testing.T, k *KEK) {
	t.Helper()
	if _, err := k.RotateKEK(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func mustWrap(t *testing.T, k *KEK) envelope.Wrapped {
	t.Helper()
	w, err := k.Wrap(t.Context(), []byte("a keyring key"), kektest.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wantUnwraps(t *testing.T, k *KEK, w envelope.Wrapped) {
	t.Helper()
	if p, err := k.Unwrap(t.Context(), w, kektest.Context()); err != nil || string(p) != "a keyring key" {
		t.Errorf("unwrap of version %s: got %d bytes, %v", w.Version, len(p), err)
	}
}

// wantErr demands the kind, one line, and the file's name in it.
func wantErr(t *testing.T, err, want error, parts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("want %v, got %v", want, err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("an error must be one line: %q", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("want %q in %q", p, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	kektest.Run(t, kektest.Harness{Open: func(t *testing.T) envelope.KEK {
		t.Helper()
		c, _ := config(t)
		return mustCreate(t, c)
	}})
}

func TestCreateMakesAKeyFileOnce(t *testing.T) {
	t.Parallel()
	c, m := config(t)
	k, made, err := Create(t.Context(), c)
	if err != nil || made.KeyFile != c.Secret.KeyFile {
		t.Fatalf("want the key file reported, got %+v, %v", made, err)
	}
	for _, path := range []string{c.Path, c.Secret.KeyFile} {
		if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s: want mode 0600, got %v, %v", path, fi.Mode(), err)
		}
	}
	if n := len(read(t, c.Secret.KeyFile)); n != 32 || m.seen != 1 {
		t.Errorf("want 32 bytes and generation 1, got %d and %d", n, m.seen)
	}
	wantUnwraps(t, mustOpen(t, c), mustWrap(t, k))

	other, _ := config(t)
	other.Secret = c.Secret // a second keystore under the same key file
	key := read(t, c.Secret.KeyFile)
	if _, made, err := Create(t.Context(), other); err != nil || made.KeyFile != "" {
		t.Errorf("want no new key file, got %+v, %v", made, err)
	}
	if !bytes.Equal(key, read(t, c.Secret.KeyFile)) {
		t.Error("the key file was overwritten")
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	mustCreate(t, c)
	before := read(t, c.Path)
	_, _, err := Create(t.Context(), c)
	wantErr(t, err, ErrExists, c.Path)
	if !bytes.Equal(before, read(t, c.Path)) {
		t.Error("the keystore was changed")
	}
	if err := os.Remove(c.Path); err != nil {
		t.Fatal(err)
	}
	_, _, err = Create(t.Context(), c)
	wantErr(t, err, ErrMissing, "generation 1", "put back a backup")
	_, err = Open(t.Context(), c)
	wantErr(t, err, fs.ErrNotExist, "opening keystore "+c.Path+": ")
}

func TestVersionsSurviveAReopen(t *testing.T) {
	t.Parallel()
	c, m := config(t)
	k := mustCreate(t, c)
	var wraps []envelope.Wrapped
	for range 3 {
		wraps = append(wraps, mustWrap(t, k))
		mustRotate(t, k)
	}
	want, err := k.Info(t.Context())
	if err != nil || want.Version != "4" || m.seen != 4 {
		t.Fatalf("want version 4 in generation 4, got %+v, %d, %v", want, m.seen, err)
	}
	again := mustOpen(t, c)
	for _, w := range wraps {
		wantUnwraps(t, again, w)
	}
	got, err := again.Info(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestAnOlderKeystoreIsRefused(t *testing.T) {
	t.Parallel()
	c, m := config(t)
	k := mustCreate(t, c)
	old, w := read(t, c.Path), mustWrap(t, k)
	mustRotate(t, k)
	mustRotate(t, k)
	write(t, c.Path, old)
	_, err := Open(t.Context(), c)
	wantErr(t, err, ErrOlder, "it is generation 1, the state database has seen 3")
	if _, err := k.RotateKEK(t.Context()); !errors.Is(err, ErrOlder) {
		t.Errorf("a running KEK took the older file: %v", err)
	}
	if !bytes.Equal(old, read(t, c.Path)) {
		t.Error("a refused keystore was rewritten")
	}

	c.AcceptGeneration = 2
	_, err = Open(t.Context(), c)
	wantErr(t, err, ErrOlder)
	c.AcceptGeneration = 1
	wantUnwraps(t, mustOpen(t, c), w)
	if m.seen != 4 {
		t.Errorf("want it written again as generation 4, got %d", m.seen)
	}
	c.AcceptGeneration = 0
	wantUnwraps(t, mustOpen(t, c), w)
}

// The mirror fell behind because of a crash: it follows the file.
func TestTheMirrorCatchesUp(t *testing.T) {
	t.Parallel()
	c, m := config(t)
	k := mustCreate(t, c)
	m.err = errors.New("no database")
	_, err := k.RotateKEK(t.Context())
	wantErr(t, err, envelope.ErrUnavailable, "no database")
	if in, err := k.Info(t.Context()); err != nil || in.Version != "2" {
		t.Errorf("the version in the file must be the one in use, got %+v, %v", in, err)
	}
	m.err = nil
	mustOpen(t, c)
	if m.seen != 2 {
		t.Errorf("want 2, got %d", m.seen)
	}
}

// A command changed the keystore under a running gateway, whose next rotation
// must keep that change.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	gateway := mustCreate(t, c)
	command := mustOpen(t, c)
	mustRotate(t, command)
	w := mustWrap(t, command)
	mustRotate(t, gateway)
	wantUnwraps(t, gateway, w)
	if in, err := gateway.Info(t.Context()); err != nil || len(in.Versions) != 3 {
		t.Errorf("want 3 versions, got %+v, %v", in, err)
	}
	var wg sync.WaitGroup
	for _, k := range []*KEK{gateway, command, gateway} {
		wg.Go(func() { mustRotate(t, k) })
	}
	wg.Wait()
	if in, err := mustOpen(t, c).Info(t.Context()); err != nil || len(in.Versions) != 6 {
		t.Errorf("a concurrent rotation was lost: %+v, %v", in, err)
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	key := envelope.Key(bytes.Repeat([]byte{0xa5}, 32))
	c := contents{generation: 1, versions: []version{{number: 1, key: &key}}}
	k := &KEK{}
	k.now.Store(&c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{c, &c, c.versions, c.versions[0], k} {
			text := fmt.Sprintf(verb, v)
			for _, shown := range []string{"a5a5", "165 165", "0xa5, 0xa5"} {
				if strings.Contains(text, shown) {
					t.Errorf("%s of a %T printed key bytes: %s", verb, v, text)
				}
			}
		}
	}
}

// Replicas share a keystore: what one adds, the others use at once. Else one that
// rotates after another would take the version before for the current one.
func TestAnotherProcessRotates(t *testing.T) {
	t.Parallel()
	c, _ := config(t)
	a := mustCreate(t, c)
	b := mustOpen(t, c)
	for want := 2; want < 5; want++ {
		mustRotate(t, a)
		wantUnwraps(t, b, mustWrap(t, a))
		if in, err := b.Info(t.Context()); err != nil || in.Version != fmt.Sprint(want) || mustWrap(t, b).Version != in.Version {
			t.Errorf("want version %d, got %+v, %v", want, in, err)
		}
		a, b = b, a
	}
	older := read(t, c.Path+backupSuffix)
	for name, bytes := range map[string][]byte{"older": older, "damaged": []byte("x"), "empty": nil} {
		write(t, c.Path, bytes)
		if in, err := b.Info(t.Context()); err != nil || in.Version != "4" {
			t.Errorf("%s: got %+v, %v", name, in, err)
		}
	}
}
