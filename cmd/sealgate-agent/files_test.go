// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/gateway/config"
)

// A secret is in its file whole or not at all, for this user alone, and what
// somebody laid in the way is replaced, not written through.
func TestWriteSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "state", "token"), filepath.Join(dir, "other")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(other, []byte("kept"), 0o600), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	if err := writeSecret(path, "first"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o400 {
		t.Errorf("%v, mode %v", err, info.Mode())
	}
	if b, _ := os.ReadFile(other); string(b) != "kept" {
		t.Errorf("it was written through a link: %s", b)
	}
	var stop atomic.Bool
	torn := make(chan string, 1)
	go func() {
		defer close(torn)
		for !stop.Load() {
			if b, err := os.ReadFile(path); err != nil || len(b) != 5 && len(b) != 100_000 {
				torn <- string(b[:min(len(b), 20)])
				return
			}
		}
	}()
	for range 100 {
		if err := writeSecret(path, strings.Repeat("x", 100_000)); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	if half, bad := <-torn; bad {
		t.Errorf("half a secret was to be read: %q", half)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeSecret(filepath.Join(dir, "taken"), "x"); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "taken.*")); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// A socket that nobody answers on is replaced; nothing else is.
func TestListenSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenSocket(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, mode %v", err, info.Mode())
	}
	if _, err := listenSocket(path, 0o600); err == nil || !strings.Contains(err.Error(), "somebody answers there") {
		t.Errorf("a socket in use: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	l, err = listenSocket(path, 0o666)
	if err != nil {
		t.Fatalf("what a killed agent left: %v", err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(path, 0o600); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "data" {
		t.Errorf("the file: %q, %v", b, err)
	}
	if _, err := listenLocal("forward", "unix://"+strings.Repeat("/x", 60), 0); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("a long path: %v", err)
	}
	for uid, want := range map[uint32]os.FileMode{uint32(os.Getuid()): 0o600, uint32(os.Getuid()) + 1: 0o666} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := listenLocal("forward", "unix://"+path, uid)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("for uid %d: %v, mode %v, want %v", uid, err, info.Mode(), want)
		}
	}
}

// Files follow the identity: each new one is written and told; a telling that
// fails is shown and tried again, and the files stay.
func TestKeepFiles(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	source := ca.Source(t, "/job", certstest.Options{})
	var told, fail atomic.Int64
	fail.Store(1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fail.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		told.Add(1)
	}))
	t.Cleanup(s.Close)
	dir := filepath.Join(t.TempDir(), "svid")
	g := &agent{
		settings: &settings{Agent: &config.Agent{SVIDFiles: config.SVIDFiles{On: true, Dir: dir, Reload: config.Reload{HTTP: s.URL}}}},
		id:       &identity{Source: source}, log: slog.New(slog.DiscardHandler),
	}
	d, err := g.openFiles()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	eventually(t, "the failure shows", func() bool { _, fault := d.state(); return strings.Contains(fault, "503") })
	first := holds(t, dir)
	eventually(t, "it is told after a failure", func() bool { return told.Load() == 1 })
	eventually(t, "the failure is gone", func() bool { _, fault := d.state(); return fault == "" })

	next := ca.SVID(t, "/job", certstest.Options{})
	if err := source.Publish(next); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next is told", func() bool { return told.Load() == 2 })
	if second := holds(t, dir); second == first || second != certs.SerialHex(next.Chain[0].SerialNumber) {
		t.Errorf("the files hold %s, want the new one", second)
	}
	// Another identity is no new one of this: the files are left alone.
	if err := source.Publish(ca.SVID(t, "/other", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	again := ca.SVID(t, "/job", certstest.Options{})
	if err := source.Publish(again); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the own one is told", func() bool { return told.Load() == 3 })
	if told.Load() != 3 || holds(t, dir) != certs.SerialHex(again.Chain[0].SerialNumber) {
		t.Errorf("told %d times, the files hold %s", told.Load(), holds(t, dir))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// holds gives the serial of the certificate in a directory of SVID files, whose
// key must be its own.
func holds(t *testing.T, dir string) string {
	t.Helper()
	m, err := pemfile.Load(t.Context(), pemfile.Config{
		CertFile: filepath.Join(dir, "svid.pem"), KeyFile: filepath.Join(dir, "key.pem"), BundleFile: filepath.Join(dir, "bundle.pem"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "key.pem")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the key: %v, mode %v", err, info.Mode())
	}
	return certs.SerialHex(m.Chain[0].SerialNumber)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}
