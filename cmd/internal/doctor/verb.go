// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/cmd/internal/cli"
)

// Command is the verb `doctor` of both programs. fill puts in who and where
// this process is; asJSON says how to print.
func Command(stdout io.Writer, asJSON *bool, fill func(*cobra.Command, *Config) error) *cobra.Command {
	var probe string
	c := &cobra.Command{
		Use: "doctor [CLIENT]", Short: "Find why a client would fail here, and print the snippet that works",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: Clients(),
		Long: `Looks at what the client would read - variables, files, certificates - asks the
gateway and the agent what the client would ask, and says in one line each what is
wrong and what to do. Then it prints what works.

Clients: ` + strings.Join(Clients(), " ") + `.
Without one it looks at this machine's identity, the gateway and the clock alone.

It changes nothing and shows no secret. Exit code 6: something is wrong.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			conf := Config{Getenv: os.Getenv, Probe: probe}
			if len(args) == 1 {
				conf.Client = args[0]
			}
			if err := check(conf); err != nil {
				return err
			}
			if err := fill(cmd, &conf); err != nil {
				return err
			}
			return run(cmd.Context(), conf, stdout, *asJSON)
		},
	}
	c.Flags().StringVar(&probe, "probe", "", "ask for `BUCKET/KEY` as this identity, and say what came of it")
	return c
}

func check(c Config) error {
	if c.Client != "" && !Known(c.Client) {
		return cli.Misuse("known are "+strings.Join(Clients(), " "), "no client %q is known", c.Client)
	}
	if !CheckProbe(c.Probe) {
		return cli.Misuse("write BUCKET/KEY", "--probe %q is not a path", c.Probe)
	}
	return nil
}

func run(ctx context.Context, c Config, stdout io.Writer, asJSON bool) error {
	home, err := os.UserHomeDir()
	if err == nil {
		c.Home = home
	}
	if c.Dir, err = os.Getwd(); err != nil {
		return fmt.Errorf("finding the working directory: %w", err)
	}
	r := Run(ctx, c)
	if asJSON {
		err = cli.PrintJSON(stdout, r)
	} else {
		err = r.Text(stdout)
	}
	if err == nil && len(r.Findings) > 0 {
		return cli.ReportedError{Code: cli.Found}
	}
	return err
}
