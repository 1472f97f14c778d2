// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/forward"
)

type runOptions struct {
	wait    time.Duration
	restart bool
}

func (a *app) runCmd() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use: "run [flags] -- CMD [ARG...]", Short: "Run a command whose S3 clients use Sealgate, unchanged",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Misuse("write: sealgate-agent run -- python train.py", "%s wants a command", cmd.CommandPath())
			}
			return nil
		},
		Long: `Runs CMD with a private S3 forwarder on a free port of the loopback. CMD finds it
in its environment, under the names that its S3 clients read:

  AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
  AWS_REGION AWS_DEFAULT_REGION (kept if set) AWS_EC2_METADATA_DISABLED AWS_ALLOW_HTTP
  MLFLOW_S3_ENDPOINT_URL S3_ENDPOINT_URL FEAST_S3_ENDPOINT_URL S3_ENDPOINT S3_USE_HTTPS
  RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING RCLONE_CONFIG_SEALGATE_* MC_HOST_sealgate NO_PROXY

The keys are random, of this run, and nowhere else. Session tokens and profiles of
AWS are taken out; everything else, checksum settings and CA bundles too, stays.

Signals go on to CMD, its exit code is that of run; 125 means that it could not be
started. As the first process of a container it reaps orphans.`,
		Example: `  sealgate-agent run -- python train.py
  sealgate-agent run -- rclone sync ./data sealgate:datasets/fraud`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd, o, args) },
	}
	f := c.Flags()
	f.SetInterspersed(false)
	f.DurationVar(&o.wait, "wait", 10*time.Second, "how long to wait for an identity before giving up")
	f.BoolVar(&o.restart, "restart-on-change", false, "end CMD and start it again when this process is given another SPIFFE ID")
	return c
}

// notStarted is an error of everything before the command runs.
func notStarted(err error, hint string) error { return cli.Fail(cli.NotStarted, err, hint) }

func (a *app) run(cmd *cobra.Command, o runOptions, args []string) error {
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	if a.flags.config == "" && a.flags.logLevel == "" {
		s.Log.Level = "warn" // stderr is the command's
	}
	log, err := a.logger(s)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return notStarted(fmt.Errorf("running %s: %w", args[0], cli.RootCause(err)), "")
	}
	// Signals are the command's; it decides when this ends.
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer cancel()
	var started atomic.Bool
	report := reporter(log)
	id, err := openIdentity(s, func(err error) {
		if started.Load() { // before, there is an error to return
			report(err)
		}
	})
	if err != nil {
		return err
	}
	go func() { _ = id.run(ctx) }() // it only ends with ctx, and then without an error
	if _, err := id.await(ctx, o.wait); err != nil {
		return notStarted(fmt.Errorf("running %s: finding out who this is, from %s: %w", args[0], id.from, plainly(err)), "sealgate-agent doctor looks closer")
	}
	started.Store(true)
	core := noCore()
	r := &runner{app: a, settings: s, id: id, log: log, options: o, path: path, args: args, core: core, signals: catchSignals(a.stdin)}
	defer r.signals.stop()
	for {
		code, again, err := r.once(ctx)
		if err != nil {
			return notStarted(err, "")
		}
		if !again {
			return exitWith(code)
		}
		id.adopt()
		if _, err := id.await(ctx, o.wait); err != nil {
			return notStarted(fmt.Errorf("running %s again: finding out who this is: %w", args[0], plainly(err)), "")
		}
		log.Warn("identity changed; starting the command again", "command", args[0])
	}
}

// exitWith gives the command's code as the program's.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return cli.ReportedError{Code: code}
}

// runner runs one command, perhaps several times.
type runner struct {
	app      *app
	settings *settings
	id       *identity
	log      *slog.Logger
	options  runOptions
	path     string
	args     []string
	core     *unix.Rlimit // of the command
	signals  *signals
}

// once runs the command to its end beside a forwarder of its own. again: it was
// ended because the identity has changed.
func (r *runner) once(ctx context.Context) (code int, again bool, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not wait
	if err != nil {
		return 0, false, fmt.Errorf("opening a port: %w", err)
	}
	keys := forward.NewKeys()
	f, err := forward.New(forward.Config{
		Source: r.id, Gateway: r.settings.gateway, GatewayID: r.settings.gatewayID, Keys: keys, Domain: r.settings.Forward.Domain, Connections: r.settings.Forward.Connections, Log: r.log,
	}, l)
	if err != nil {
		return 0, false, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, l, 0) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-served)
	}()
	set := clientEnvironment("http://"+l.Addr().String(), keys, r.app.getenv)
	cmd := &exec.Cmd{
		Path: r.path, Args: r.args, Env: childEnvironment(os.Environ(), set),
		Stdin: r.app.stdin, Stdout: r.app.stdout, Stderr: r.app.stderr,
	}
	if err := cmd.Start(); err != nil {
		return 0, false, fmt.Errorf("running %s: %w", r.args[0], cli.RootCause(err))
	}
	restoreCore(cmd.Process.Pid, r.core)
	return r.wait(ctx, cmd)
}

// killAfter is how long a command may take to end when it is told to.
const killAfter = 10 * time.Second

// wait passes signals on until the command has ended.
func (r *runner) wait(ctx context.Context, cmd *exec.Cmd) (code int, again bool, err error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var kill <-chan time.Time
	reap := reaper(cmd.Process.Pid)
	for {
		updated := r.id.Updated()
		if _, err := r.id.Current(); r.options.restart && kill == nil && errors.Is(err, errChanged) {
			again = true
			_ = cmd.Process.Signal(unix.SIGTERM) // gone already is as good
			kill = time.After(killAfter)
		}
		select {
		case err := <-ended:
			return exitCode(cmd, err), again, waitFailed(err)
		case sig := <-r.signals.all:
			again = again && !ends(sig) // who asks for the end does not get a new start
			if r.signals.passes(sig) {
				_ = cmd.Process.Signal(sig) // gone already is as good
			}
		case <-r.signals.child:
			reap()
		case <-updated:
		case <-kill:
			_ = cmd.Process.Kill() // gone already is as good
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
}

// waitFailed is nil for a command that ended, however it did.
func waitFailed(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// exitCode is the command's: 128 and the number for a signal, as shells have it.
func exitCode(cmd *exec.Cmd, err error) int {
	if err == nil || cmd.ProcessState == nil {
		return 0
	}
	if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
