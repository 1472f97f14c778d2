// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// TestScripts runs the scripts of testdata against the real program. With
// SEALGATE_UPDATE set, the texts that they compare with are written anew; what
// changed is then read, not believed.
func TestScripts(t *testing.T) {
	t.Parallel()
	servers.Curl(t)
	root := scriptRoot(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata", WorkdirRoot: root, RequireUniqueNames: true, UpdateScripts: os.Getenv("SEALGATE_UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("UID", strconv.Itoa(os.Getuid()))
			e.Setenv("DATA", filepath.Join(e.WorkDir, "data"))
			return os.Chmod(e.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"up": up, "down": down, "hup": hup, "code": code, "as": as, "await": await, "random": random, "flip": flip,
			"mask": maskFile, "shape": shapeFile, "deaf": deaf, "cutter": cutter, "freeport": freeport, "interrupt": interrupt, "tty": tty,
			"let": let, "svid": svid, "slow": slow, "watch": watch,
		},
	})
}

// scriptRoot is where scripts have their folders: with a short name, since
// sockets lie in them, and open to other users, since some commands run as one.
func scriptRoot(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("", "sg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) }) // temporary in any case
	bin := filepath.Join(root, "bin")
	if err := errors.Join(os.Chmod(root, 0o755), os.Mkdir(bin, 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, built := range map[string]string{"sealgate": gate.Binary(t), "sealgate-agent": gate.AgentBinary(t)} {
		program, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		gate.WriteProgram(t, filepath.Join(bin, name), program)
	}
	return root
}

// passed on to what a script starts in the background.
var passed = []string{
	"PATH", "HOME", "TMPDIR", "WORK", "SEALGATE_DATA", "SEALGATE_CONFIG", "SEALGATE_LOG_LEVEL", "SEALGATE_PASSPHRASE_FILE", "SEALGATE_JSON",
	"STATE_DIRECTORY", "SEALGATE_ENDPOINT", "SEALGATE_CERT", "SEALGATE_KEY", "SEALGATE_BUNDLE", "SPIFFE_ENDPOINT_SOCKET", "XDG_RUNTIME_DIR",
}

func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range passed {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// running is a program that a script started in the background.
type running struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// started are the programs of all scripts, by script and name.
func started(ts *testscript.TestScript, name string) *running {
	r, ok := running_.load(ts, name)
	if !ok {
		ts.Fatalf("nothing named %s was started", name)
	}
	return r
}

// begin runs a program in the background with its output in NAME.out and
// NAME.err, until the script ends.
func begin(ts *testscript.TestScript, name string, argv ...string) *running {
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	path, err := exec.LookPath(argv[0])
	if strings.HasPrefix(argv[0], "sealgate") {
		path, err = filepath.Join(filepath.Dir(ts.Getenv("WORK")), "bin", argv[0]), nil
	}
	ts.Check(err)
	cmd := exec.Command(path, argv[1:]...) //nolint:noctx // ended with the script
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), environ(ts), out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r, begun := &running{cmd: cmd, exited: make(chan struct{})}, make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about this thread
		err := cmd.Start()
		if begun <- err; err != nil {
			return
		}
		_ = cmd.Wait() // its state is asked for where it matters
		_, _ = out.Close(), errs.Close()
		close(r.exited)
	}()
	ts.Check(<-begun)
	ts.Defer(func() {
		_ = cmd.Process.Kill() // ended already is as good
		<-r.exited
	})
	running_.store(ts, name, r)
	return r
}

// up [NAME] [ARG...]: starts `sealgate serve ARG...`, waits until it is ready
// and lets clients find it. NAME is "gate" unless given.
func up(ts *testscript.TestScript, neg bool, args []string) {
	name := "gate"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if neg {
		ts.Fatalf("unsupported: ! up; write `code N sealgate serve`")
	}
	r := begin(ts, name, append([]string{"sealgate", "serve"}, args...)...)
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		banner := ts.ReadFile(name + ".out")
		if strings.Contains(banner, "ready in") {
			ts.Setenv("SEALGATE_ENDPOINT", s3Address.FindStringSubmatch(banner)[1])
			ts.Setenv("METRICS", metricsAddress.FindStringSubmatch(banner)[1])
			return
		}
		select {
		case <-r.exited:
			ts.Fatalf("the gateway ended with %d: %s", r.cmd.ProcessState.ExitCode(), ts.ReadFile(name+".err"))
		default:
		}
		if time.Now().After(until) {
			ts.Fatalf("the gateway is not ready: %s", ts.ReadFile(name+".err"))
		}
	}
}

// watch CMD...: starts CMD in the background, named watch.
func watch(ts *testscript.TestScript, _ bool, args []string) { begin(ts, "watch", args...) }

// down [NAME [CODE]]: asks it to end and wants the exit code, 0 unless given.
// With CODE killed it is killed.
func down(ts *testscript.TestScript, _ bool, args []string) {
	name, want := "gate", "0"
	if len(args) > 0 {
		name = args[0]
	}
	if len(args) > 1 {
		want = args[1]
	}
	r := started(ts, name)
	sig := syscall.SIGTERM
	if want == "killed" {
		sig, want = syscall.SIGKILL, "-1"
	}
	_ = r.cmd.Process.Signal(sig) // it may have ended by itself
	awaitExit(ts, r, name)
	if got := strconv.Itoa(r.cmd.ProcessState.ExitCode()); got != want {
		ts.Fatalf("%s ended with %s, want %s: %s", name, got, want, ts.ReadFile(name+".err"))
	}
}

func awaitExit(ts *testscript.TestScript, r *running, name string) {
	select {
	case <-r.exited:
	case <-time.After(time.Minute):
		ts.Fatalf("%s does not end: %s", name, ts.ReadFile(name+".err"))
	}
}

// hup [NAME]: tells a gateway to read its files again.
func hup(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(started(ts, strings.Join(append(args, "gate")[:1], "")).cmd.Process.Signal(syscall.SIGHUP))
}

// code N CMD...: CMD must end with exactly this exit code.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	// What should fail and does not may well run for ever.
	if got := exitCode(ts, ts.Exec("timeout", append([]string{"--foreground", "--signal", "KILL", "60"}, args[1:]...)...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// as UID CMD...: runs CMD as another user, which only root can; everybody else
// runs it as themselves, and the script takes their rights away otherwise.
func as(ts *testscript.TestScript, neg bool, args []string) {
	argv := args[1:]
	if os.Getuid() == 0 {
		argv = append([]string{"setpriv", "--reuid", args[0], "--regid", args[0], "--clear-groups", "--"}, argv...)
	}
	if err := ts.Exec(argv[0], argv[1:]...); (err != nil) != neg {
		ts.Fatalf("%v: %v", argv, err)
	}
}

// [!] await SECONDS CMD...: CMD must succeed (or fail) within the time.
func await(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for {
		err := ts.Exec(args[1], args[2:]...)
		if (err != nil) == neg {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("not within %s s: %v", args[0], err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// interrupt SECONDS CODE CMD...: sends CMD a SIGINT after that time; it must
// end with the code.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	seconds, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	r := begin(ts, "interrupted", args[2:]...)
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	ts.Check(r.cmd.Process.Signal(os.Interrupt))
	awaitExit(ts, r, "interrupted")
	if got := strconv.Itoa(r.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("ended with %s, want %s: %s", got, args[1], ts.ReadFile("interrupted.err"))
	}
}

// random FILE SIZE: makes a file of random bytes.
func random(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = io.CopyN(f, rand.Reader, size)
	ts.Check(errors.Join(err, f.Close()))
}

// flip FILE OFFSET: flips one bit; an offset below 0 counts from the end.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	if at < 0 || at >= len(b) {
		ts.Fatalf("%s has %d bytes", args[0], len(b))
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// freeport NAME: puts an address nobody listens on into a variable.
func freeport(ts *testscript.TestScript, _ bool, args []string) {
	l := listen(ts)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// let NAME PATTERN FILE: puts what the pattern's group matches into a variable.
func let(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[2]))
	if len(m) != 2 {
		ts.Fatalf("%s has no %s", args[2], args[1])
	}
	ts.Setenv(args[0], m[1])
}

// svid FILE: prints the names that the certificate of a PEM file holds.
func svid(ts *testscript.TestScript, _ bool, args []string) {
	block, _ := pem.Decode([]byte(ts.ReadFile(args[0])))
	if block == nil {
		ts.Fatalf("%s holds no certificate", args[0])
	}
	c, err := x509.ParseCertificate(block.Bytes)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), c.URIs, c.DNSNames)
}

// tty CMD...: runs CMD with stdout and stderr on a terminal, and what came
// there as its output.
func tty(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("script", "--quiet", "--return", "--command", strings.Join(args, " "), os.DevNull))
}
