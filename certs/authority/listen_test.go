// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSocketRules: AUTHORITY.md §3.1, with the words a person gets.
func TestSocketRules(t *testing.T) {
	t.Parallel()
	dir := sharedDir(t)
	file, busy, loose := filepath.Join(dir, "file"), filepath.Join(dir, "busy"), filepath.Join(dir, "loose")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Mkdir(loose, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, path, want string }{
		{"too long", filepath.Join(dir, strings.Repeat("x", 107-len(dir))), "has 108 bytes, at most 107 fit; set --data or XDG_RUNTIME_DIR"},
		{"relative", "workload.sock", "not absolute"},
		{"abstract", "@workload", "not absolute"},
		{"none", "", "not absolute"},
		{"a file is there", file, "not a socket is there"},
		{"somebody listens", busy, "another process is listening"},
		{"others may write the folder", filepath.Join(loose, "s"), "may be written by other users"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := (&Authority{cfg: Config{Socket: tc.path}}).Listen()
			if !wantText(err, tc.want) {
				t.Errorf("want %q, got %v", tc.want, err)
			}
			if l != nil {
				l.Close()
			}
		})
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "keep" {
		t.Errorf("the file was touched: %v", err)
	}
}

// TestSocketIsMade: the longest path works, everybody may connect, the folder is
// made, the file goes with the listener.
func TestSocketIsMade(t *testing.T) {
	t.Parallel()
	dir := sharedDir(t)
	path := filepath.Join(dir, "run", strings.Repeat("x", maxSocketPath-len(dir)-len("/run/")))
	l, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("want mode %o, got %v, %v", socketMode, info.Mode(), err)
	}
	l.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestStaleSocket: what a killed process left behind is replaced.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(sharedDir(t), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestOnlyUnixSockets: anywhere else nobody knows who is calling.
func TestOnlyUnixSockets(t *testing.T) {
	t.Parallel()
	a := mustOpen(t, testConfig(t))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Serve(context.Background(), l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	select {
	case err := <-done:
		if !wantText(err, "unix sockets only") {
			t.Errorf("got %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a TCP listener is served")
	}
}
