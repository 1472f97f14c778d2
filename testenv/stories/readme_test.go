// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

// step is one command of the README with the output it shows.
type step struct{ command, want string }

// tour reads the commands below "Five minutes".
func tour(t *testing.T) []step {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "## Five minutes")
	_, rest, ok2 := strings.Cut(rest, "```console\n")
	block, _, ok3 := strings.Cut(rest, "```")
	if !ok || !ok2 || !ok3 {
		t.Fatal("the README has no tour")
	}
	var steps []step
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			steps = append(steps, step{command: strings.TrimSpace(command)})
			continue
		}
		steps[len(steps)-1].want += line
	}
	if len(steps) < 10 {
		t.Fatalf("the tour has %d commands: it was not read", len(steps))
	}
	return steps
}

// shell is one bash that commands are typed into.
type shell struct {
	in  io.Writer
	out *bufio.Reader
}

const marker = "-- end of command --"

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	cmd := exec.Command("bash") //nolint:noctx // ended below
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SEALGATE_DATA=", "SPIFFE_ENDPOINT_SOCKET=", "CURL_CA_BUNDLE=", "SSL_CERT_FILE=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about this thread
		begun <- cmd.Start()
		<-t.Context().Done()
	}()
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // bash has it
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // the gateway of the tour too
		_ = in.Close()
		_ = cmd.Wait() // ended by the signal
		_ = r.Close()
	})
	return &shell{in: in, out: bufio.NewReader(r)}
}

// run types a command and reads what it prints. One that goes on in the
// background is read until it says that it is ready.
func (s *shell) run(t *testing.T, command string) string {
	t.Helper()
	fmt.Fprintf(s.in, "%s\necho '%s'\n", command, marker)
	background := strings.Contains(command, " & ") || strings.HasSuffix(command, "&")
	var out strings.Builder
	deadline := time.Now().Add(2 * time.Minute)
	for ready, done := !background, false; !ready || !done; {
		if time.Now().After(deadline) {
			t.Fatalf("%s: no end after %s", command, out.String())
		}
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: the shell ended: %s", command, out.String())
		}
		if strings.HasSuffix(line, marker+"\n") {
			done = true
			line = strings.TrimSuffix(line, marker+"\n")
		}
		ready = ready || strings.HasPrefix(line, "ready in")
		out.WriteString(line)
	}
	return out.String()
}

// masks replace what differs from run to run and from machine to machine.
var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b[0-9a-f]{8}/\d+`), "LOG/N"},
	{regexp.MustCompile(`log [0-9a-f]{8}`), "log LOG"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`), "REQUEST"},
	{regexp.MustCompile(`\d+ ms`), "N ms"},
	{regexp.MustCompile(`\d+ (record|segment|checkpoint)s?`), "N $1"},
	{regexp.MustCompile(`expires in \d+m`), "expires in Nm"},
	{regexp.MustCompile(`uid \d+`), "uid N"},
	{regexp.MustCompile(`/user/[\w.-]+`), "/user/WHO"},
	{regexp.MustCompile(`/home/ana/sealgate`), "CLONE"},
}

func mask(s, dir string) string {
	s = strings.ReplaceAll(s, dir, "CLONE")
	for _, m := range masks {
		s = m.what.ReplaceAllString(s, m.with)
	}
	return s
}

// TestReadmeTour types every command of the README's tour into a shell and
// compares what comes.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	servers.Curl(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(gate.Binary(t), filepath.Join(dir, "bin", "sealgate")); err != nil {
		t.Fatal(err)
	}
	sh := newShell(t, dir)
	for _, s := range tour(t) {
		if strings.HasPrefix(s.command, "sealgate audit verify") {
			time.Sleep(1500 * time.Millisecond) // a person is not faster than the next checkpoint
		}
		got := sh.run(t, s.command)
		if d := cmp.Diff(mask(s.want, dir), mask(got, dir)); d != "" {
			t.Fatalf("$ %s\n(-README +here):\n%s", s.command, d)
		}
	}
}
