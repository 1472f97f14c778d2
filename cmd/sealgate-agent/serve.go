// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/cmd/internal/cli"
)

func (a *app) serveCmd() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Open the doors of sealgate-agent.yaml", Args: cli.Exactly(),
		Long: `Opens the doors that sealgate-agent.yaml names, until it is told to end: the S3
forwarder, container credentials, SVID files. Without --config the forwarder alone,
at 127.0.0.1:9440. Its keys are made anew at each start; "sealgate-agent env" prints
them, and AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE may point at the files of
its directory.`,
		Example: `  sealgate-agent serve --config sealgate-agent.yaml &
  eval "$(sealgate-agent env)"`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd) },
	}
}

// drain is how long requests that are under way have to end.
const drain = 10 * time.Second

// patience is how long a start waits for an identity before it says that it is
// still waiting.
const patience = 3 * time.Second

// agent is what serve runs.
type agent struct {
	settings *settings
	state    *state
	id       *identity
	log      *slog.Logger
	started  time.Time
	doors    []*door

	mu   sync.Mutex // guards below
	last *refused
}

// door is one way in.
type door struct {
	name      string
	about     string // what lies there
	listen    string // for people: a URL, or a directory
	tokenFile string // of container credentials
	run       func(context.Context) error
	served    func() (served, refused int64)

	mu    sync.Mutex // guards below
	note  string     // how to use it
	fault string     // what is wrong with it at present; "" is nothing
}

func (d *door) say(note, fault string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if note != "" {
		d.note = note
	}
	d.fault = fault
}

func (d *door) state() (note, fault string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note, d.fault
}

func (a *app) serve(cmd *cobra.Command) (err error) {
	began := time.Now()
	noCore()
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	log, err := a.logger(s)
	if err != nil {
		return err
	}
	id, err := openIdentity(s, reporter(log))
	if err != nil {
		return err
	}
	st, err := a.openState()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	g := &agent{settings: s, state: st, id: id, log: log, started: began}
	if err := g.open(); err != nil {
		return err
	}
	return g.serve(cmd.Context(), a.stdout)
}

// serve runs the doors until ctx ends or one of them fails.
func (g *agent) serve(ctx context.Context, stdout io.Writer) error {
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error { return g.id.run(ctx) })
	for _, d := range g.doors {
		tasks.Go(func() error { return d.run(ctx) })
	}
	tasks.Go(func() error { return g.serveStatus(ctx) })
	tasks.Go(func() error { return g.welcome(ctx, stdout) })
	return tasks.Wait()
}

// welcome says what is open once it is known who this is, and what is wrong
// with the doors as far as that can be seen now.
func (g *agent) welcome(ctx context.Context, stdout io.Writer) error {
	_, none := g.id.await(ctx, patience)
	if none == nil {
		g.tryCredentials(ctx)
	}
	select {
	case <-ctx.Done():
		return nil // told to end before there was anything to say
	default:
	}
	if err := g.banner(stdout); err != nil {
		return fmt.Errorf("saying what is open: %w", err)
	}
	if none != nil { // the log tells then what could not be told here
		if _, err := g.id.awaitEver(ctx); err == nil {
			g.tryCredentials(ctx)
		}
	}
	return nil
}

func (g *agent) banner(w io.Writer) error {
	where := "the S3 forwarder alone"
	if g.settings.fromFile {
		where = "the doors of its config"
	}
	text := fmt.Sprintf("%s %s: %s; state in %s\n", program, cli.Version, where, g.state.dir)
	m, err := g.id.Current()
	if err == nil {
		text += fmt.Sprintf("  %-12s %s  expires in %s\n", "identity", m.ID, remaining(m.NotAfter))
	} else {
		text += fmt.Sprintf("  %-12s none yet, from %s: %v\n", "identity", g.id.from, plainly(err))
	}
	text += fmt.Sprintf("  %-12s %s\n", "gateway", g.settings.gateway)
	for _, d := range g.doors {
		_, fault := d.state()
		text += fmt.Sprintf("  %-12s %s  %s\n", d.name, d.listen, d.about)
		if fault != "" {
			text += fmt.Sprintf("  %-12s %s\n", "", fault)
		}
	}
	_, err = fmt.Fprintf(w, "%sready in %d ms\n", text, time.Since(g.started).Milliseconds())
	return err
}

// remaining prints how long until t.
func remaining(t time.Time) string {
	d := time.Until(t)
	switch {
	case d <= 0:
		return "0s (expired)"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%dh", int(d.Hours()))
}
