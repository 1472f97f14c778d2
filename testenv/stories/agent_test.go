// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// agentWorld is a gateway with an agent in front of it, and files to move.
type agentWorld struct {
	gate   *gate.Gate
	agent  *gate.Agent
	env    []string // of clients
	dir    string
	small  string // 300,000 bytes
	large  string // as many as the test wants
	python string
}

func newAgentWorld(t *testing.T, large int) *agentWorld {
	t.Helper()
	g := gate.Start(t, gate.Options{})
	w := &agentWorld{gate: g, agent: g.Agent(t, gate.AgentOptions{}), dir: t.TempDir(), python: servers.Python(t)}
	w.env = append(servers.Env(t), w.agent.Env(t)...)
	w.small, w.large = filepath.Join(w.dir, "small.bin"), filepath.Join(w.dir, "large.bin")
	for name, size := range map[string]int{w.small: 300_000, w.large: large} {
		save(t, name, randomBytes(size))
	}
	return w
}

func save(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// do runs a client to its end and gives what it printed.
func (w *agentWorld) do(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, code := w.try(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: %d\n%s\nthe agent: %s", name, strings.Join(args, " "), code, out, w.agent.Log())
	}
	return out
}

func (w *agentWorld) try(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// same compares a file that came back with one that went out.
func (w *agentWorld) same(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(filepath.Join(w.dir, got))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s has %d bytes and is not %s", got, len(a), want)
	}
}

// recorded wants an action of the agent's identity on the log: a client behind
// an agent is its identity to the gateway.
func (w *agentWorld) recorded(t *testing.T, actions ...string) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range w.gate.Records(t, audit.SearchQuery{Who: "spiffe://" + gate.TrustDomain + "/writer", Decision: "allow"}) {
		seen[r.Action] = true
	}
	for _, a := range actions {
		if !seen[a] {
			t.Errorf("%s of the agent's identity is not on the log", a)
		}
	}
}

func TestAgentBoto3(t *testing.T) {
	t.Parallel()
	w := newAgentWorld(t, 200<<20)
	script, err := filepath.Abs("agent_story.py")
	if err != nil {
		t.Fatal(err)
	}
	if out := w.do(t, w.python, script, w.small, w.large, filepath.Join(w.dir, "back")); out != "all as expected\n" {
		t.Errorf("it printed %s", out)
	}
	w.recorded(t, "PutObject", "GetObject", "CompleteMultipartUpload", "CopyObject", "DeleteObject")
	// The same script with no key in its environment: the files of the agent.
	state := filepath.Join(w.agent.Dir, "sealgate-agent")
	w.env = append(servers.Env(t), "AWS_CONFIG_FILE="+state+"/config", "AWS_SHARED_CREDENTIALS_FILE="+state+"/credentials")
	if out := w.do(t, w.python, script, w.small, w.small, filepath.Join(w.dir, "back")); out != "all as expected\n" {
		t.Errorf("by the agent's files it printed %s", out)
	}
	w.memory(t)
}

func TestAgentAWSCLI(t *testing.T) {
	t.Parallel()
	w := newAgentWorld(t, 32<<20)
	aws := servers.AWS(t)
	w.do(t, aws, "s3", "cp", "--no-progress", w.large, "s3://models/c/large.bin")
	w.do(t, aws, "s3", "cp", "--no-progress", "s3://models/c/large.bin", "back.bin")
	w.same(t, "back.bin", w.large)
	w.do(t, aws, "s3api", "get-object", "--bucket", "models", "--key", "c/large.bin", "--range", "bytes=100000-199999", "range.bin")
	if got, err := os.ReadFile(filepath.Join(w.dir, "range.bin")); err != nil || len(got) != 100_000 {
		t.Errorf("a range: %d bytes, %v", len(got), err)
	}
	if out := w.do(t, aws, "s3", "ls", "s3://models/c/"); !strings.Contains(out, "33554432 large.bin") {
		t.Errorf("ls: %s", out)
	}
	w.tree(t)
	if out := w.do(t, aws, "s3", "sync", "--no-progress", "tree", "s3://models/c/tree"); strings.Count(out, "upload:") != 5 {
		t.Errorf("first sync: %s", out)
	}
	if out := w.do(t, aws, "s3", "sync", "--no-progress", "tree", "s3://models/c/tree"); out != "" {
		t.Errorf("the second sync moved something: %s", out)
	}
	w.do(t, aws, "s3", "cp", "--no-progress", "s3://models/c/tree/1", "s3://models/c/copy")
	w.do(t, aws, "s3", "cp", "--no-progress", "s3://models/c/copy", "copy")
	w.same(t, "copy", filepath.Join(w.dir, "tree", "1"))
	w.do(t, aws, "s3", "rm", "--recursive", "s3://models/c/")
	if out, _ := w.try(t, aws, "s3", "ls", "s3://models/c/"); strings.Contains(out, ".bin") {
		t.Errorf("after rm: %s", out)
	}
	w.recorded(t, "CompleteMultipartUpload", "GetObject", "ListObjectsV2", "CopyObject", "DeleteObject")
}

// tree makes a folder to synchronize.
func (w *agentWorld) tree(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, "tree", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 1, 65_536, 1_000_000} {
		save(t, filepath.Join(w.dir, "tree", fmt.Sprint(i)), randomBytes(size))
	}
	save(t, filepath.Join(w.dir, "tree", "sub", "ä b"), randomBytes(100))
}

func TestAgentRclone(t *testing.T) {
	t.Parallel()
	w := newAgentWorld(t, 32<<20)
	rclone := servers.Rclone(t)
	const at = "sealgate:models/r"
	w.do(t, rclone, "copy", w.large, at)
	w.do(t, rclone, "copyto", at+"/large.bin", "back.bin")
	w.same(t, "back.bin", w.large)
	w.tree(t)
	w.do(t, rclone, "sync", "tree", at+"/tree")
	if out := w.do(t, rclone, "sync", "-v", "tree", at+"/tree"); strings.Contains(out, "Copied") || strings.Contains(out, "Deleted") {
		t.Errorf("the second sync moved something: %s", out)
	}
	w.do(t, rclone, "check", "--download", "tree", at+"/tree")
	w.do(t, rclone, "copyto", at+"/tree/2", at+"/copied")
	if out := w.do(t, rclone, "cat", "--offset", "100", "--count", "50", at+"/copied"); len(out) < 50 {
		t.Errorf("a range: %d bytes", len(out))
	}
	w.do(t, rclone, "purge", at)
	if out := w.do(t, rclone, "ls", "sealgate:models"); strings.Contains(out, "large") {
		t.Errorf("after purge: %s", out)
	}
	w.recorded(t, "PutObject", "GetObject", "CopyObject", "DeleteObject")
}

func TestAgentCurl(t *testing.T) {
	t.Parallel()
	w := newAgentWorld(t, 200<<20)
	socket := filepath.Join(w.agent.Dir, "s3.sock")
	unix := w.gate.Agent(t, gate.AgentOptions{Doors: "forward: {listen: \"unix://" + socket + "\"}"})
	keys, err := os.ReadFile(filepath.Join(unix.Dir, "sealgate-agent", "credentials"))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(keys))
	curl := []string{servers.Curl(t), "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:eu-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"}
	env := map[string]string{}
	for _, kv := range w.env {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	for name, way := range map[string][]string{
		"tcp":  {"--user", env["AWS_ACCESS_KEY_ID"] + ":" + env["AWS_SECRET_ACCESS_KEY"]},
		"unix": {"--unix-socket", socket, "--user", f[3] + ":" + f[6]},
	} {
		base := map[string]string{"tcp": w.agent.Endpoint, "unix": "http://localhost"}[name] + "/models/" + name
		do := func(args ...string) string {
			all := append(append(append([]string{}, curl[1:]...), way...), args...)
			return w.do(t, curl[0], all...)
		}
		do("-T", w.large, base+"/large")
		do("-o", "back.bin", base+"/large")
		w.same(t, "back.bin", w.large)
		if out := do("-r", "0-99", "-o", "range.bin", "-w", "%{http_code} %{size_download}", base+"/large"); out != "206 100" {
			t.Errorf("%s: a range: %s", name, out)
		}
		if out := do("-I", base+"/large"); !strings.Contains(out, "Content-Length: 209715200\r\n") {
			t.Errorf("%s: HEAD: %s", name, out)
		}
		if out := do(strings.Replace(base, "/models/"+name, "/models?list-type=2&prefix="+name, 1)); !strings.Contains(out, "<Size>209715200</Size>") {
			t.Errorf("%s: list: %s", name, out)
		}
		do("-X", "DELETE", base+"/large")
	}
	// Another user of the machine does not even get to the keys.
	if os.Getuid() == 0 {
		out, code := w.try(t, "setpriv", append([]string{"--reuid", "65534", "--clear-groups", "--"}, append(curl, "--unix-socket", socket, "http://localhost/models")...)...)
		if code == 0 || !strings.Contains(out, "Permission denied") && !strings.Contains(out, "Could") && !strings.Contains(out, "connect") {
			t.Errorf("another user: %d %s", code, out)
		}
	}
	w.memory(t)
}

// memory holds the agent to memory that does not grow with what it moves: it
// has moved 200 MiB both ways.
func (w *agentWorld) memory(t *testing.T) {
	t.Helper()
	if gate.Race {
		return // the detector keeps shadows of all memory
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.agent.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(after, &kib); err != nil || kib > 100<<10 {
		t.Errorf("the agent took %d KiB at most, want less than 100 MiB (%v)", kib, err)
	}
	t.Logf("most memory of the agent: %d KiB", kib)
}
