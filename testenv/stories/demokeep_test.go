// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// TestDemoKeep types what `demo --keep` prints, as it stands, for curl, boto3
// and rclone.
func TestDemoKeep(t *testing.T) {
	t.Parallel()
	gate.AgentBinary(t) // lies beside the program from here on
	dir := filepath.Join(t.TempDir(), "kept")
	cmd := exec.Command(gate.Binary(t), "demo", "--keep", "--dir", dir) //nolint:noctx // interrupted below
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(servers.Python(t))+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun, said, ended := make(chan error), make(chan string, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about this thread
		err := cmd.Start()
		if begun <- err; err != nil {
			return
		}
		said <- readUntil(bufio.NewScanner(out), "Ctrl-C ends it")
		ended <- cmd.Wait()
	}()
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	text := <-said
	if !strings.Contains(text, "10 steps, all as expected") || !strings.Contains(text, "sealgate-agent run -- python3 train.py: an unmodified boto3 ") {
		t.Fatalf("the demo: %s", text)
	}
	connect(t, text)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v, want 0", err)
		}
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill() // it is over either way
		t.Error("it does not end")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("what was to be kept: %v", err)
	}
}

func readUntil(lines *bufio.Scanner, last string) string {
	var b strings.Builder
	for lines.Scan() {
		b.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), last) {
			break
		}
	}
	return b.String()
}

// connect runs the printed commands in one shell.
func connect(t *testing.T, text string) {
	t.Helper()
	servers.Curl(t)
	servers.Rclone(t)
	_, after, ok := strings.Cut(text, "or with its certificate:\n")
	after, _, ok2 := strings.Cut(after, "Ctrl-C ends it")
	client := regexp.MustCompile(`(?s)boto3\.client\(.*?\)\)\n`).FindString(after)
	if !ok || !ok2 || client == "" {
		t.Fatalf("how to connect is not printed: %s", text)
	}
	dir := t.TempDir()
	script := "set -eu\n" + strings.Replace(after, client, "", 1) + "\nwc -c < train.csv\n"
	python := "import boto3, botocore.config\ns3 = " + strings.TrimSpace(client) +
		"\nprint(s3.head_object(Bucket='datasets', Key='fraud/train.csv')['ContentLength'])\n"
	for _, program := range []string{gate.Binary(t), gate.AgentBinary(t)} {
		if err := os.Symlink(program, filepath.Join(dir, filepath.Base(program))); err != nil {
			t.Fatal(err)
		}
	}
	got := output(t, dir, "bash", "-c", script)
	got += output(t, dir, servers.Python(t), "-c", python)
	if strings.Count(got, "8388608\n") != 2 || !strings.Contains(got, "fraud/train.csv") {
		t.Errorf("the commands printed %s", got)
	}
}

func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...) //nolint:noctx // ends by itself
	cmd.Dir, cmd.Env = dir, append(servers.Env(t), "PATH="+dir+":"+os.Getenv("PATH"))
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, b)
	}
	return string(b)
}
