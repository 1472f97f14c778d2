// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

// TestDemo runs the demo as `make demo` does, and with the caller's own file.
func TestDemo(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "own.bin")
	if err := os.WriteFile(own, []byte(strings.Repeat("a model of the caller's own ", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"made up":  {"demo"},
		"artifact": {"demo", "--artifact", own, "--dir", filepath.Join(t.TempDir(), "kept")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(gate.Binary(t), args...) //nolint:noctx // the test's own deadline ends it
			cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{
				"1 gateway", "2 identities", "3 deployer", "4 the store", "5 training job", "6 intruder", "7 rotation", "8 tampering", "9 audit",
				"no run of 16 is in the original", "403 AccessDenied, no_grant", "handshake refused", "0 objects touched", "9 steps, all as expected",
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
