// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

var only = flag.String("only", "", "measure only groups whose name contains this; latest.json is then left alone")

// childEnv makes this program the other side of a measurement.
const childEnv = "SEALGATE_BENCH_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		if err := child(strings.Split(job, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

func child(job []string) error {
	switch job[0] {
	case "files":
		return serveFiles(job[1], job[2])
	case "floor":
		return serveFloor(job[1], job[2], job[3])
	}
	size, err := strconv.ParseInt(job[len(job)-1], 10, 64)
	if err != nil {
		return err
	}
	if job[0] == "far" {
		return serveFar(job[1], job[2], size)
	}
	return streamOnce(size)
}

// childCommand runs this program for a job.
func childCommand(job ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0]) //nolint:noctx // ends by itself, or with its input
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(job, "\n"))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// group is what is measured together.
type group struct {
	name    string
	measure func(testing.TB) []Result
}

var groups = []group{
	{"envelope", measureEnvelope},
	{"stream", measureStream},
	{"policy", measurePolicy},
	{"audit", measureAudit},
	{"large", measureLarge},
	{"small", measureSmall},
	{"list", measureList},
	{"medium", measureMedium},
	{"ranges", measureRanges},
	{"multipart", measureMultipart},
	{"proxied-small", measureProxiedSmall},
	{"far", measureFar},
}

// BenchmarkAll measures all and fails where a bar is missed.
func BenchmarkAll(t *testing.B) {
	var all []Result
	before := conditions()
	for _, g := range groups {
		if strings.Contains(g.name, *only) {
			all = append(all, g.measure(t)...)
		}
	}
	file := filepath.Join("out", "latest.json")
	if *only != "" {
		file = filepath.Join(t.TempDir(), "partial.json")
	}
	if err := write(os.Stdout, file, all); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("before: %s; after: %s (some of it this)\n", before, conditions())
	for _, r := range all {
		if r.Holds != nil && !*r.Holds {
			t.Errorf("%s misses its bar%s", r.Name, r.beside())
		}
	}
}

// startFiles runs the baseline of transfers until the test ends.
func startFiles(t testing.TB, g *gate.Gate) string {
	t.Helper()
	endpoint, _ := startChild(t, "files", t.TempDir(), g.PEM(t, "/gateway"))
	return endpoint
}

// startChild runs this program for a job until the test ends, and gives the
// address that it prints.
func startChild(t testing.TB, job ...string) (endpoint string, pid int) {
	t.Helper()
	cmd := childCommand(job...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()  // this ends it
		_ = cmd.Wait()  // closed while it served
		_ = out.Close() // nothing more is said there
	})
	if _, err := fmt.Fscanln(io.LimitReader(out, 100), &endpoint); err != nil {
		t.Fatalf("starting %s: %v", job[0], err)
	}
	return endpoint, cmd.Process.Pid
}
