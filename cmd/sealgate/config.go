// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/control"
)

func (a *app) configCmd() *cobra.Command {
	return group("config", "Check, print and reload the configuration", nil, a.configCheckCmd(), a.configPrintCmd(), a.configReloadCmd())
}

func (a *app) configCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Report every fault of a config file at once", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			source, err := a.configSource()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				source.file = args[0]
			}
			cfg, faults, err := source.read()
			if err != nil {
				return err
			}
			if err := a.printFaults(faults); err != nil {
				return err
			}
			if cfg == nil {
				return reported{Code: exitUsage}
			}
			if !a.json {
				_, err = fmt.Fprintf(a.stdout, "good: %s\n", source.describe(cfg))
			}
			return err
		},
	}
}

func (a *app) configPrintCmd() *cobra.Command {
	var defaults bool
	c := &cobra.Command{
		Use: "print", Short: "Print the configuration in effect, as a file", Args: exactly(),
		Long: `Prints what --config says with every default filled in; secrets stay references.
With --defaults it prints the embedded defaults with a comment on every field: a
file to grow from.`,
		Example: "  sealgate config print --defaults > sealgate.yaml",
		RunE: func(*cobra.Command, []string) error {
			source, err := a.configSource()
			if err != nil {
				return err
			}
			if defaults {
				source.file = ""
			}
			cfg, err := source.load(a)
			if err != nil {
				return err
			}
			if a.json {
				return a.printConfigJSON(cfg)
			}
			style := config.Plain
			if defaults {
				style = config.Commented
			}
			_, err = a.stdout.Write(config.Print(cfg, style))
			return err
		},
	}
	c.Flags().BoolVar(&defaults, "defaults", false, "the embedded defaults, with comments")
	return c
}

// printConfigJSON prints the file's own names and spellings as JSON.
func (a *app) printConfigJSON(cfg *config.Config) error {
	var v map[string]any
	if err := yaml.Unmarshal(config.Print(cfg, config.Plain), &v); err != nil {
		return fmt.Errorf("printing the config: %w", err)
	}
	return a.printJSON(v)
}

func (a *app) configReloadCmd() *cobra.Command {
	return &cobra.Command{
		Use: "reload", Short: "Let the running gateway read config and policy again", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.controlClient(cmd.Context())
			if err != nil {
				return err
			}
			var r control.ReloadResult
			if err := c.do(cmd.Context(), http.MethodPost, "/v1/config:reload", nil, &r); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			changed := "nothing else changed"
			if len(r.Changed) > 0 {
				changed = "changed: " + strings.Join(r.Changed, ", ")
			}
			_, err = fmt.Fprintf(a.stdout, "reloaded; policy %.16s; %s\n", r.PolicyDigest, changed)
			return err
		},
	}
}
