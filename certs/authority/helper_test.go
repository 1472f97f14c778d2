// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/status"

	"github.com/sealgate/sealgate/certs"
)

// The test binary is also the workload: copies of it at several paths, run with
// helperEnv set, are the processes that are attested.
const (
	helperEnv    = "SEALGATE_AUTHORITY_HELPER"
	helperSocket = "SEALGATE_AUTHORITY_SOCKET"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperEnv); mode != "" {
		if err := helper(mode, os.Getenv(helperSocket)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helper is the workload's side.
func helper(mode, socket string) error {
	switch mode {
	case "fetch": // prints the SPIFFE IDs it gets, or the code of the refusal
		fmt.Println(fetchIDs(socket))
		return nil
	case "fetch-later": // says that it runs, waits for standard input to end, then as fetch
		fmt.Println("runs")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
		fmt.Println(fetchIDs(socket))
		return nil
	case "open": // opens the authority in the folder of the first argument, prints the error
		_, err := Open(context.Background(), Config{Dir: os.Args[1], TrustDomain: testDomain, Sealer: newSealer(1)})
		fmt.Println(err)
		return nil
	case "pass": // connects, gives the connection away, ends
		return passConnection(socket)
	case "pass-exec": // the same, then becomes the program of the first argument
		if err := passConnection(socket); err != nil {
			return err
		}
		if err := os.Setenv(helperEnv, "wait"); err != nil {
			return err
		}
		return syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	case "wait": // until standard input ends
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	return fmt.Errorf("no helper %q", mode)
}

func fetchIDs(socket string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := workloadapi.New(ctx, workloadapi.WithAddr("unix://"+socket))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	x, err := c.FetchX509Context(ctx)
	if err != nil {
		return status.Code(err).String()
	}
	var ids []string
	for _, s := range x.SVIDs {
		ids = append(ids, s.ID.String())
	}
	return strings.Join(ids, " ")
}

// passConnection sends an open connection to whoever holds the other end of
// descriptor 3.
func passConnection(socket string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return err
	}
	// The server greets once it has attested: only then is this process done. The
	// greeting stays in the socket for whoever gets it.
	if _, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK); err != nil {
		return err
	}
	return unix.Sendmsg(3, []byte{1}, unix.UnixRights(fd), nil, 0)
}

// aesSealer is a real sealer with a fixed key.
type aesSealer struct{ aead cipher.AEAD }

func newSealer(key byte) aesSealer {
	block, err := aes.NewCipher(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aesSealer{aead}
}

func (s aesSealer) Seal(_ context.Context, purpose string, plain []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, plain, []byte(purpose)), nil
}

func (s aesSealer) Open(_ context.Context, purpose string, sealed []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, sealed, []byte(purpose))
}

var testDomain = certs.MustParseTrustDomain("test.local")

func testID(tb testing.TB, path string) certs.ID {
	tb.Helper()
	id, err := testDomain.Join(path)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// sharedDir is a folder that every user may enter: t.TempDir lies in one that only
// its owner may, and its path may not fit a socket address.
func sharedDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "sga")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// issues is a Record hook that remembers.
type issues struct {
	mu   sync.Mutex
	all  []Issue
	fail error
}

func (r *issues) record(_ context.Context, i Issue) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.all = append(r.all, i)
	return nil
}

func (r *issues) failWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

func (r *issues) list() []Issue {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Issue(nil), r.all...)
}

func testConfig(tb testing.TB) Config {
	tb.Helper()
	dir := sharedDir(tb)
	return Config{
		Dir: filepath.Join(dir, "authority"), Socket: filepath.Join(dir, "workload.sock"),
		TrustDomain: testDomain, Sealer: newSealer(1),
		Limits: Limits{RatePerUID: 1e6, Burst: 1e6},
	}
}

func mustOpen(tb testing.TB, c Config) *Authority {
	tb.Helper()
	a, err := Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// serve runs a until the test ends and returns the socket's path.
func serve(tb testing.TB, a *Authority) string {
	tb.Helper()
	ln, err := a.Listen()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, ln) }()
	tb.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("serving: %v", err)
			}
		case <-time.After(10 * time.Second):
			tb.Error("Serve does not end")
		}
	})
	return a.cfg.Socket
}

// started opens and serves an authority with the given entries.
func started(tb testing.TB, entries ...Entry) (*Authority, string) {
	tb.Helper()
	a := mustOpen(tb, testConfig(tb))
	for _, e := range entries {
		mustAdd(tb, a, e)
	}
	return a, serve(tb, a)
}

func mustAdd(tb testing.TB, a *Authority, e Entry) Entry {
	tb.Helper()
	e, err := a.AddEntry(e)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// mine is an entry for this test's own user.
func mine(tb testing.TB, path string) Entry {
	tb.Helper()
	return Entry{SPIFFE: testID(tb, path), UID: new(uint32(os.Getuid()))}
}

func client(tb testing.TB, socket string) *workloadapi.Client {
	tb.Helper()
	c, err := workloadapi.New(tb.Context(), workloadapi.WithAddr("unix://"+socket))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// copySelf copies this test's binary to path.
func copySelf(tb testing.TB, path string) {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	// A fork in between would keep the file open for writing: "text file busy".
	syscall.ForkLock.RLock()
	err = os.WriteFile(path, data, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		tb.Fatal(err)
	}
}

// workload makes the command that runs path in a helper mode.
func workloadCmd(path, mode, socket string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+mode, helperSocket+"="+socket)
	return cmd
}

// fetchAs runs path as a workload and returns what it got.
func fetchAs(tb testing.TB, path, socket string, cred *syscall.Credential) string {
	tb.Helper()
	cmd := workloadCmd(path, "fetch", socket)
	if cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			tb.Fatalf("running %s: %v: %s", path, err, exit.Stderr)
		}
		tb.Fatalf("running %s: %v", path, err)
	}
	return strings.TrimSpace(string(out))
}

func hashOf(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// receiveConn takes the connection that a helper passes.
func receiveConn(tb testing.TB, from *os.File) net.Conn {
	tb.Helper()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(from.Fd()), make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		tb.Fatalf("no connection was passed: %v", err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		tb.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "passed")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

func needRoot(tb testing.TB) {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("needs root: it runs processes of other users; run the test as root")
	}
}
