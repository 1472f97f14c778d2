// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// agents holds the build of the agent; it lies beside that of the gateway.
var agents struct {
	once sync.Once
	path string
	out  []byte
	err  error
}

// AgentBinary gives the path of sealgate-agent, in the folder of Binary, so
// that sealgate finds it beside itself.
func AgentBinary(t testing.TB) string {
	t.Helper()
	dir := filepath.Dir(Binary(t))
	agents.once.Do(func() {
		agents.path = filepath.Join(dir, "sealgate-agent")
		race, env := raceArgs()
		args := append([]string{"build", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace", "-o", agents.path}, race...)
		cmd := exec.Command("go", append(args, "github.com/sealgate/sealgate/cmd/sealgate-agent")...) //nolint:noctx // ends by itself
		cmd.Env = append(os.Environ(), env...)
		agents.out, agents.err = cmd.CombinedOutput()
	})
	if agents.err != nil {
		t.Fatalf("building sealgate-agent: %v\n%s", agents.err, agents.out)
	}
	return agents.path
}

// AgentOptions shape an agent. The zero value is the forwarder alone, as
// /writer.
type AgentOptions struct {
	// Path is who it is in the trust domain; default /writer.
	Path string
	// Doors are the doors of its config file; default a forwarder on a free port.
	Doors string
	// Gateway replaces the gateway's endpoint, for a way with faults in it.
	Gateway string
	// Dir is its XDG_RUNTIME_DIR; default a temporary one.
	Dir string
}

// Agent is a running agent.
type Agent struct {
	Dir      string // XDG_RUNTIME_DIR
	Endpoint string // of the forwarder
	ID       string // folder of svid.pem, key.pem and bundle.pem

	gate   *Gate
	cmd    *exec.Cmd
	out    *output
	exited chan struct{}
}

// output keeps what a program says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Agent starts an agent in front of g until the test ends.
func (g *Gate) Agent(t testing.TB, o AgentOptions) *Agent {
	t.Helper()
	if o.Path == "" {
		o.Path = "/writer"
	}
	if o.Doors == "" {
		o.Doors = `forward: {listen: "127.0.0.1:0"}`
	}
	if o.Gateway == "" {
		o.Gateway = g.Endpoint
	}
	if o.Dir == "" {
		o.Dir = shortDir(t)
	}
	a := &Agent{Dir: o.Dir, ID: g.PEM(t, o.Path), gate: g, out: &output{}, exited: make(chan struct{})}
	config := filepath.Join(a.Dir, "sealgate-agent.yaml")
	text := "version: 1\ngateway: {s3: \"" + o.Gateway + "\"}\n" +
		"identity: {source: files, files: {cert: " + a.ID + "/svid.pem, key: " + a.ID + "/key.pem, bundle: " + a.ID + "/bundle.pem}}\n" + o.Doors + "\n"
	must(t, os.WriteFile(config, []byte(text), 0o600))
	a.start(t, config)
	return a
}

// shortDir has room for the name of a socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sga-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // temporary in any case
	return dir
}

func (a *Agent) start(t testing.TB, config string) {
	t.Helper()
	a.cmd = exec.Command(AgentBinary(t), "serve", "--config", config) //nolint:noctx // killed at the end of the test
	a.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+a.Dir)
	a.cmd.Stdout, a.cmd.Stderr = a.out, a.out
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about this thread
		err := a.cmd.Start()
		if begun <- err; err != nil {
			return
		}
		_ = a.cmd.Wait() // the state is asked for where it matters
		close(a.exited)
	}()
	must(t, <-begun)
	t.Cleanup(a.Kill)
	for until := time.Now().Add(startTimeout); !strings.Contains(a.out.String(), "ready in"); time.Sleep(10 * time.Millisecond) {
		select {
		case <-a.exited:
			t.Fatalf("the agent ended with %d: %s", a.cmd.ProcessState.ExitCode(), a.Log())
		default:
		}
		if time.Now().After(until) {
			t.Fatalf("the agent is not ready: %s", a.Log())
		}
	}
	for line := range strings.Lines(a.out.String()) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "forward" {
			a.Endpoint = f[1]
		}
	}
}

// Log is what the agent said so far.
func (a *Agent) Log() string { return a.out.String() }

// PID of the running process.
func (a *Agent) PID() int { return a.cmd.Process.Pid }

// Kill ends the agent as the kernel would.
func (a *Agent) Kill() {
	_ = a.cmd.Process.Kill() // gone already is as good
	<-a.exited
}

// Stop ends the agent in its own time and gives its exit code.
func (a *Agent) Stop(t testing.TB) int {
	t.Helper()
	must(t, a.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-a.exited:
	case <-time.After(startTimeout):
		t.Fatalf("the agent did not end: %s", a.Log())
	}
	return a.cmd.ProcessState.ExitCode()
}

// Env is what `sealgate-agent env` gives, as an environment for a client.
func (a *Agent) Env(t testing.TB, args ...string) []string {
	t.Helper()
	r := a.CLI(t, append([]string{"env", "--json"}, args...)...)
	if r.Code != 0 {
		t.Fatalf("env: %d %s", r.Code, r.Stderr)
	}
	var all map[string]*string
	must(t, json.Unmarshal([]byte(r.Stdout), &all))
	var env []string
	for name, value := range all {
		if value != nil {
			env = append(env, name+"="+*value)
		}
	}
	return env
}

// CLI runs a verb of the agent's program beside a.
func (a *Agent) CLI(t testing.TB, args ...string) Result {
	t.Helper()
	return RunAgent(t, []string{"XDG_RUNTIME_DIR=" + a.Dir}, nil, args...)
}

// RunAgent runs the agent's program to its end.
func RunAgent(t testing.TB, env []string, stdin io.Reader, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, AgentBinary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running sealgate-agent %v: %v", args, err)
	}
	return Result{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
}

// IdentityFlags are the flags that make the agent's program this identity of g,
// in front of g.
func (g *Gate) IdentityFlags(t testing.TB, path string) []string {
	t.Helper()
	id := g.PEM(t, path)
	return []string{"--endpoint", g.Endpoint, "--cert", id + "/svid.pem", "--key", id + "/key.pem", "--bundle", id + "/bundle.pem"}
}
