// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) demoCmd() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use: "demo", Short: "Show the whole story on a throw-away gateway, and end", Args: exactly(),
		Long: `Starts a gateway on embedded defaults in a throw-away directory, gives three
identities through its Workload API to three copies of this program, and shows
what each may and may not do: a deployer pushes a model, a training job streams
a data set, an unmodified boto3 script does the same through sealgate-agent, an
intruder gets nothing; the store holds ciphertext; the key rotates; a flipped bit
is refused; the audit log names it all and verifies.

Exits with 0 if every step came out as expected.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.artifact, "artifact", "", "push this `file` as the model, instead of a made-up one")
	f.StringVar(&o.dir, "dir", "", "work in this `directory`, which must not exist, and keep it")
	f.BoolVar(&o.keep, "keep", false, "stay up at the end and print how to connect curl, boto3 and rclone")
	return c
}

type demoOptions struct {
	artifact, dir string
	keep          bool
}

// demo is one run of the story.
type demo struct {
	app     *app
	opts    demoOptions
	dir     string // of everything
	data    string // the gateway's data directory
	out     io.Writer
	sys     *system
	start   time.Time
	dataset string // files that are pushed
	model   string
	people  map[string]string // name -> executable
	notes   []string
}

// demoStep is one numbered step; its error says what was not as expected.
type demoStep struct {
	name string
	run  func(*demo, context.Context) error
}

var demoSteps = []demoStep{
	{"gateway", (*demo).stepGateway},
	{"identities", (*demo).stepIdentities},
	{"deployer", (*demo).stepDeployer},
	{"the store", (*demo).stepStore},
	{"training job", (*demo).stepJob},
	{"agent", (*demo).stepAgent},
	{"intruder", (*demo).stepIntruder},
	{"rotation", (*demo).stepRotation},
	{"tampering", (*demo).stepTampering},
	{"audit", (*demo).stepAudit},
}

func (a *app) demo(ctx context.Context, o demoOptions) error {
	d := &demo{app: a, opts: o, out: a.stdout, start: time.Now(), people: map[string]string{}}
	if err := d.prepare(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "sealgate demo: a gateway on embedded defaults in %s (%s)\n\n", d.dir, d.afterwards())
	err := d.steps(ctx)
	if err == nil && o.keep {
		err = d.stay(ctx)
	}
	if d.sys != nil {
		err = errors.Join(err, d.sys.stop())
	}
	if err != nil {
		return fail(exitFailed, fmt.Errorf("demo: %w", err), "logs and data are kept in "+d.dir)
	}
	if o.keep || o.dir != "" {
		return nil
	}
	return os.RemoveAll(d.dir)
}

func (d *demo) afterwards() string {
	switch {
	case d.opts.keep:
		return "stays up at the end"
	case d.opts.dir != "":
		return "kept at the end"
	}
	return "removed at the end; --keep stays up"
}

func (d *demo) prepare() (err error) {
	if d.opts.dir == "" {
		d.dir, err = os.MkdirTemp("", "sealgate-demo-")
	} else {
		if d.dir, err = filepath.Abs(d.opts.dir); err == nil {
			err = os.Mkdir(d.dir, 0o700)
		}
	}
	if err != nil {
		return fail(exitUsage, fmt.Errorf("demo: making the directory: %w", err), "name one that does not exist with --dir")
	}
	d.data = filepath.Join(d.dir, "data")
	return d.makeArtifacts()
}

func (d *demo) steps(ctx context.Context) error {
	for i, s := range demoSteps {
		d.notes = nil
		began := len(fmt.Sprintf("%2d %-13s", i+1, s.name))
		err := s.run(d, ctx)
		for j, n := range d.notes {
			head := fmt.Sprintf("%*s", began, "")
			if j == 0 {
				head = fmt.Sprintf("%2d %-13s", i+1, s.name)
			}
			fmt.Fprintln(d.out, head+" "+n)
		}
		if err != nil {
			fmt.Fprintf(d.out, "%2d %-13s FAILED: %v\n", i+1, s.name, err)
			return fmt.Errorf("step %d, %s: %w", i+1, s.name, err)
		}
	}
	fmt.Fprintf(d.out, "%d steps, all as expected, %.1f s. `sealgate demo --keep` prints how to connect curl, boto3 and rclone; the README goes on with `sealgate serve`\n",
		len(demoSteps), time.Since(d.start).Seconds())
	return nil
}

// ok notes something that came out as expected.
func (d *demo) ok(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf("%-88s ok", fmt.Sprintf(format, args...)))
}

// note adds a line that only informs.
func (d *demo) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}
