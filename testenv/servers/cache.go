// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// cacheDir returns the folder of what is kept between test runs.
func cacheDir() (string, error) {
	dir := os.Getenv("SEALGATE_TESTENV")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the cache folder (set SEALGATE_TESTENV): %w", err)
		}
		dir = filepath.Join(cache, "sealgate-testenv")
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// cached returns the path of name in the cache, made by create if it is absent.
// create gets a path to write to, which is renamed when it has succeeded: nobody
// sees half of it. Processes that want the same wait for each other.
func cached(tb testing.TB, name string, create func(path string) error) string {
	tb.Helper()
	path, err := tryCached(name, create)
	if err != nil {
		tb.Fatalf("making %s: %v", name, err)
	}
	return path
}

func tryCached(name string, create func(path string) error) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // another process made it meanwhile
	}
	half := path + ".half"
	if err := errors.Join(os.RemoveAll(half), create(half)); err != nil {
		return "", err
	}
	return path, os.Rename(half, path)
}

// lockFile waits for the lock of a file, which ends with the process at last.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return func() { _ = f.Close() }, err
}

// notShort skips the test under -short, the one way to run the tests without
// servers and clients, and without waiting for them to be made.
func notShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a real server or client; run without -short")
	}
}

// digest names the content that a cached thing is made from.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // never fails (hash.Hash)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// sourceDir returns a folder of this package in the checkout.
func sourceDir(tb testing.TB, elem string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if err != nil || root == "." {
		tb.Fatalf("finding the module of the test: %q, %v", out, err)
	}
	return filepath.Join(root, "testenv", "servers", elem)
}

// built returns the binary of a package or file, built in the module of folder
// elem: the tool that it names, or its own main.
func built(tb testing.TB, elem, tool string) string {
	tb.Helper()
	return builtAs(tb, elem, elem, tool)
}

// builtAs is built for one of several that folder elem has.
func builtAs(tb testing.TB, as, elem, tool string) string {
	tb.Helper()
	dir := sourceDir(tb, elem)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		tb.Fatalf("no module in %s: %v", dir, err)
	}
	key := [][]byte{[]byte(runtime.Version() + runtime.GOARCH)}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		key = append(key, text)
	}
	name := fmt.Sprintf("%s-%s", as, digest(key...))
	return cached(tb, name, func(path string) error {
		tb.Logf("building %s, once; this takes some minutes", as)
		// Without the test's context: another test may wait for the same binary.
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, tool)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s in %s: %w\n%s", tool, dir, err, out)
		}
		return nil
	})
}
