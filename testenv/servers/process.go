// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Limits of waiting. A machine that compiles meanwhile is slow.
const (
	startTimeout = 90 * time.Second
	stopTimeout  = 10 * time.Second
)

// process is one running server.
type process struct {
	cmd    *exec.Cmd
	log    string // file of its output
	exited chan struct{}
}

// start runs a command with its output in a file. It dies with this process,
// also when that is killed.
func start(dir, binary string, env []string, args ...string) (*process, error) {
	return startAs(nil, dir, binary, env, args...)
}

// startAs is start as another user; nil is this process's own.
func startAs(as *syscall.Credential, dir, binary string, env []string, args ...string) (*process, error) {
	p := &process{
		cmd:    exec.Command(binary, args...),
		log:    filepath.Join(dir, "log"),
		exited: make(chan struct{}),
	}
	out, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.Env = append(cleanEnv(), append(env, "HOME="+dir)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: as}
	started := make(chan error)
	go p.run(started)
	err = <-started
	return p, errors.Join(err, out.Close())
}

// run starts the process and waits for it, all on one thread: Pdeathsig is
// about the thread that started it, and an idle one could end.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // that it exited is all that matters
	close(p.exited)
}

// kill ends the process at once, as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have exited by itself
	<-p.exited
}

// terminate asks the process to end, and insists.
func (p *process) terminate() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // as above
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		p.kill()
	}
}

// await returns when url answers at all, or the process has exited.
func (p *process) await(client *http.Client, url string) error {
	return p.awaitThat(func(ctx context.Context) bool { return answers(ctx, client, url) })
}

// awaitThat returns when ready says so, or the process has exited.
func (p *process) awaitThat(ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		select {
		case <-p.exited:
			return fmt.Errorf("%s exited: %s\n%s", p.cmd.Path, p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer\n%s", p.cmd.Path, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
		if ready(ctx) {
			return nil
		}
	}
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode < 500
}

// tail is the end of what the process said.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// steering are the starts of variables that change what servers and clients do.
// A CA bundle of the machine among them would replace the test's own.
var steering = []string{
	"AWS_", "SSL_CERT_", "CURL_CA_", "REQUESTS_CA_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
	"MINIO_", "VGW_", "ROOT_", "RCLONE_", "PG", "HOME=",
}

// cleanEnv is the environment without what would steer a server or client.
func cleanEnv() []string {
	var env []string
next:
	for _, v := range os.Environ() {
		for _, s := range steering {
			if strings.HasPrefix(strings.ToUpper(v), s) {
				continue next
			}
		}
		env = append(env, v)
	}
	return env
}

// Env is the environment to run a client in: that of the test, without what
// would steer a client past its arguments.
func Env(tb testing.TB) []string {
	tb.Helper()
	return append(cleanEnv(), "HOME="+tb.TempDir())
}

// freePort returns an address of the loopback interface that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
