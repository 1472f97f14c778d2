// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Result is what a command said and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int // -1 after a signal
}

// CLI runs a command of the program with the gateway's data directory.
func (g *Gate) CLI(t testing.TB, args ...string) Result {
	t.Helper()
	return Run(t, Command{Tags: g.opts.Tags, Args: append(args, "--data", g.Dir)})
}

// Command is one run of the program to its end.
type Command struct {
	Tags []string // of the build
	Env  []string // added to the environment
	Args []string
	Wait time.Duration // at most; default a minute
}

// Run runs the program to its end, or ends it with a signal.
func Run(t testing.TB, c Command) Result {
	t.Helper()
	if c.Wait == 0 {
		c.Wait = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Wait)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t, c.Tags...), c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running sealgate %v: %v", c.Args, err)
	}
	return Result{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
}
