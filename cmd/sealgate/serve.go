// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway/config"
)

func (a *app) serveCmd() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use: "serve", Short: "Run the gateway", Args: exactly(),
		Long: `Runs the gateway until it is told to end. Without --config it runs on embedded
defaults: everything in one data directory, and this user may use datasets/ and
models/*/dev/.

SIGHUP reads config and policy again; a faulty one changes nothing. SIGTERM and
Ctrl-C let running requests finish first. Logs go to stderr as JSON lines.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), o) },
	}
	c.Flags().StringVar(&o.level, "log-level", "", "`level`: debug, info, warn or error; default from the config, warn without one [$SEALGATE_LOG_LEVEL]")
	c.Flags().Uint64Var(&o.acceptGeneration, "accept-generation", 0,
		"open a keystore of this `generation` though a newer one was seen: for a backup that is the best there is")
	return c
}

type serveOptions struct {
	level            string
	acceptGeneration uint64
}

func (a *app) serve(ctx context.Context, o serveOptions) error {
	widen(a.getenv)
	defer runtime.KeepAlive(ballast(a.getenv))
	a.consequence = "; nothing was started"
	if err := harden(); err != nil {
		return err
	}
	source, err := a.configSource()
	if err != nil {
		return err
	}
	cfg, err := source.load(a)
	if err != nil {
		return err
	}
	s, err := a.newSystem(cfg, source, o.level, a.stderr)
	if err != nil {
		return err
	}
	s.acceptGeneration = o.acceptGeneration
	// The tasks of the system end in their own order: the signal only starts it.
	if err := s.start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.banner(a.stdout)
	return s.wait(ctx)
}

// newSystem gives a system that was not started.
func (a *app) newSystem(cfg *config.Config, source configSource, level string, logTo io.Writer) (*system, error) {
	s := &system{app: a, cfg: cfg, source: source, level: new(slog.LevelVar), metrics: newMetrics(), persist: killPoints(a.getenv)}
	if level == "" {
		level = cfg.Log.Level
	}
	if err := s.level.UnmarshalText([]byte(level)); err != nil {
		return nil, usage("write debug, info, warn or error", "--log-level %q", level)
	}
	o := &slog.HandlerOptions{Level: s.level}
	s.log = slog.New(slog.NewJSONHandler(logTo, o))
	if cfg.Log.Format == "text" {
		s.log = slog.New(slog.NewTextHandler(logTo, o))
	}
	return s, nil
}

// wait serves until ctx ends or something fails, and reloads on SIGHUP.
func (s *system) wait(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	failed := make(chan error, 1)
	go func() { failed <- s.group.Wait() }()
	for {
		select {
		case <-hup:
			if _, err := s.reload(context.WithoutCancel(ctx), "signal"); err != nil {
				fmt.Fprintf(s.app.stderr, "sealgate: reload: %v; the running config stays in force\n", err)
			}
		case err := <-failed:
			return errors.Join(err, s.stop())
		case <-ctx.Done():
			s.log.Info("stopping", "why", context.Cause(ctx).Error(), "drain", s.cfg.Limits.Drain.String())
			return s.stop()
		}
	}
}

// watchPolicy reads the policy file again when it changes, within two
// seconds. A faulty one changes nothing and is reported once.
func (s *system) watchPolicy(ctx context.Context) error {
	last := s.policyStamp()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := s.policyStamp()
		if now == last {
			continue
		}
		last = now
		if _, err := s.reload(context.WithoutCancel(ctx), "policy file changed"); err != nil {
			s.log.Error("reload", "error", err.Error())
		}
	}
}

func (s *system) policyStamp() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.policyStamp(s.cfg)
}
