// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// run runs a client with the environment that servers and clients are given.
func run(t *testing.T, env []string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...) //nolint:noctx // the test's own deadline ends it
	cmd.Env = append(servers.Env(t), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}

// sealed checks that the log of what a client did verifies.
func sealed(t *testing.T, g *gate.Gate) {
	t.Helper()
	if code := g.Stop(t); code != 0 {
		t.Errorf("the gateway ended with %d: %s", code, g.Log())
	}
	if _, err := audit.Verify(g.AuditDir(), audit.VerifyOptions{}); err != nil {
		t.Errorf("verifying the log: %v", err)
	}
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	id := g.PEM(t, "/writer")
	script, err := filepath.Abs("boto3_story.py")
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, nil, servers.Python(t), script, g.Endpoint, id)
	if !strings.HasSuffix(strings.TrimSpace(string(out)), "story told") {
		t.Errorf("the script did not come to its end: %s", out)
	}
	sealed(t, g)
}
