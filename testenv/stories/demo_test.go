// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// TestDemo runs the demo as `make demo` does, and with the caller's own file.
func TestDemo(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "own.bin")
	if err := os.WriteFile(own, []byte(strings.Repeat("a model of the caller's own ", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	gate.AgentBinary(t) // lies beside the program from here on
	alone := filepath.Join(t.TempDir(), "sealgate")
	if err := os.Link(gate.Binary(t), alone); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		program string
		args    []string
		agent   string // what the step says; see TestDemoKeep for the third way
	}{
		"made up": {gate.Binary(t), []string{"demo"}, "no python3 with boto3 here: a plain S3 client in Go instead"},
		"artifact": {
			alone,
			[]string{"demo", "--artifact", own, "--dir", filepath.Join(t.TempDir(), "kept")},
			"sealgate-agent does not lie beside this program, so it is not shown; `make build` makes both",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(tt.program, tt.args...)                                  //nolint:noctx // the test's own deadline ends it
			cmd.Env = append(servers.Env(t), "TMPDIR="+t.TempDir(), "PATH="+t.TempDir()) // no Python
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{
				"1 gateway", "2 identities", "3 deployer", "4 the store", "5 training job", "6 agent", "7 intruder", "8 rotation", "9 tampering", "10 audit",
				"no run of 16 is in the original", "403 AccessDenied, no_grant", "handshake refused", "0 objects touched", "10 steps, all as expected", tt.agent,
			} {
				if !strings.Contains(string(out), want) {
					t.Errorf("the demo does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// TestDemoFails: a step that is not as expected ends the demo with 1.
func TestDemoFails(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(gate.Binary(t), "demo", "--dir", "/dev/null/nowhere") //nolint:noctx // ends at once
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "making the directory") {
		t.Errorf("exit %d: %s", cmd.ProcessState.ExitCode(), out)
	}
}
