// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Main runs the tests of a package beside one gateway that all of them share,
// and gives the exit code for TestMain. use is handed the gateway first. Under
// -short no test of the package runs.
func Main(m *testing.M, o Options, use func(*Gate)) (code int) {
	if flag.Parse(); testing.Short() {
		fmt.Fprintln(os.Stderr, "all skipped; -short: these tests start sealgate")
		return 0
	}
	p := &whole{}
	defer func() {
		p.end()
		Cleanup()
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, errStop) {
				panic(r)
			}
			code = 1
		}
	}()
	g := Start(p, o)
	use(g)
	code = m.Run()
	if code != 0 || g.Exited() {
		p.Logf("the gateway of these tests said: %s", remarks(g.Log()))
		if g.Exited() {
			p.Logf("and ended: %s", g.cmd.ProcessState)
		}
		code = max(code, 1)
	}
	return code
}

// remarks are the last lines of a log that are about no single request.
func remarks(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"msg":"request"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-20):], "")
}

// whole stands for a package's tests as a whole where a test is asked for:
// what it makes lasts until the last test has ended.
type whole struct {
	testing.TB // never called: what is used of it is below
	undo       []func()
}

type stopped struct{}

func (stopped) Error() string { return "stopped" }

var errStop = stopped{}

func (p *whole) Helper()          {}
func (p *whole) Cleanup(f func()) { p.undo = append(p.undo, f) }

func (p *whole) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (p *whole) Fatalf(format string, args ...any) {
	p.Logf(format, args...)
	panic(errStop)
}

func (p *whole) Fatal(args ...any) { p.Fatalf("%s", fmt.Sprintln(args...)) }

func (p *whole) TempDir() string {
	dir, err := os.MkdirTemp("", "sealgate-tests-")
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left in the temporary folder harms nobody
	return dir
}

func (p *whole) end() {
	for i := len(p.undo) - 1; i >= 0; i-- {
		p.undo[i]()
	}
}
