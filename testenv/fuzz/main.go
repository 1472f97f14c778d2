// SPDX-License-Identifier: Apache-2.0

// Command fuzz runs every fuzz target of the module for a bounded time each,
// from the root of the module: go run ./testenv/fuzz [TIME]. It fails if one
// of them does, and if there are none.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	each := 20 * time.Second
	if len(args) > 0 {
		var err error
		if each, err = time.ParseDuration(args[0]); err != nil || each <= 0 || len(args) > 1 {
			return fmt.Errorf("usage: fuzz [TIME], such as 20s, not %q", args)
		}
	}
	targets, err := find(ctx, ".")
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("no fuzz targets found: run it at the root of the module")
	}
	failed := 0
	for i, t := range targets {
		if _, err := fmt.Fprintf(out, "%d/%d %s %s\n", i+1, len(targets), t.pkg, t.name); err != nil {
			return err
		}
		if err := t.run(ctx, each, out); err != nil {
			failed++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed", failed, len(targets))
	}
	return nil
}

// run fuzzes one target. What it finds lies in testdata/fuzz of its package,
// as found: minimizing would take its time from the targets that follow.
func (t target) run(ctx context.Context, each time.Duration, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$",
		"-fuzztime", each.String(), "-fuzzminimizetime", "1x", t.pkg)
	var said bytes.Buffer
	cmd.Stdout = io.MultiWriter(out, &said)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if err != nil && onlyOutOfTime(said.String(), t.name) {
		_, err = fmt.Fprintln(out, "taken for a pass: the time was up, and nothing was found")
	}
	return err
}

// onlyOutOfTime recognizes the end of the time that Go before 1.27 now and
// then reports as a failure (golang/go#75804): no input failed, nothing is
// said but this.
func onlyOutOfTime(said, name string) bool {
	_, after, failed := strings.Cut(said, "--- FAIL: "+name+" (")
	_, after, _ = strings.Cut(after, "\n")
	return failed && strings.HasPrefix(after, "    context deadline exceeded\nFAIL\n")
}
