// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/gate"
)

// trap is a command that tells of each signal, and ends with 42 at the last.
const trap = `#!/bin/sh
for s in INT QUIT HUP USR1 USR2 WINCH; do trap "echo $s >> said" $s; done
trap 'echo TERM >> said; exit 42' TERM
echo ready >> said
while :; do sleep 0.05; done
`

// The signals that a job scheduler or a person sends to run reach the command,
// each once, and its exit code is that of run.
func TestAgentRunPassesSignals(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	dir := t.TempDir()
	gate.WriteProgram(t, filepath.Join(dir, "trap"), []byte(trap))
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(gate.AgentBinary(t), append(append([]string{"run"}, g.IdentityFlags(t, "/writer")...), "--", "./trap")...) //nolint:noctx // ended below
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state is asked for
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its command too; gone already is as good
		<-ended
	})
	heard := func(word string) error {
		b, _ := os.ReadFile(filepath.Join(dir, "said")) // not there yet: nothing is heard
		if n := strings.Count(string(b), word+"\n"); n != 1 {
			errs, _ := os.ReadFile(out.Name()) // for the message
			return fmt.Errorf("%q has %s %d times: %s", b, word, n, errs)
		}
		return nil
	}
	eventually(t, "the command runs", func() error { return heard("ready") })
	for name, sig := range map[string]syscall.Signal{
		"INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "WINCH": syscall.SIGWINCH, "TERM": syscall.SIGTERM,
	} {
		if name == "TERM" {
			continue // the last
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" is passed on", func() error { return heard(name) })
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if err := heard("TERM"); err != nil || cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("exit code %d, %v", cmd.ProcessState.ExitCode(), err)
	}
}

// The command may write core files where it could without run; run itself
// never does.
func TestAgentRunCoreFiles(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	const limited = `ulimit -S -c "$(ulimit -H -c)" && exec "$0" "$@"`
	const child = `grep core /proc/$PPID/limits; i=0
while [ "$(ulimit -S -c)" != "$(ulimit -H -c)" ] && [ $i -lt 1000 ]; do sleep 0.05; i=$((i+1)); done
echo "$(ulimit -S -c)" "$(ulimit -H -c)"`
	line := append([]string{"-c", limited, gate.AgentBinary(t), "run"}, g.IdentityFlags(t, "/writer")...)
	out, err := exec.CommandContext(t.Context(), "sh", append(line, "--", "sh", "-c", child)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f := strings.Fields(string(out)) // Max core file size SOFT HARD bytes, SOFT HARD
	if len(f) != 9 || f[4] != "0" || f[7] != f[8] {
		t.Errorf("run and its command may write cores of: %s", out)
	}
}
