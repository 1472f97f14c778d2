// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Version is the release of both programs; the build may set it with -ldflags.
var Version = "0.1.0"

// Prepare gives a root command what every command line of ours has: errors
// that Report prints, hints for misspelt commands, no usage text after a fault.
func Prepare(root *cobra.Command) {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions = cobra.CompletionOptions{HiddenDefaultCmd: true}
	// Not cobra's own flag: its template would link text/template, and with it
	// every exported method of the program.
	version := root.Flags().BoolP("version", "v", false, "version for "+root.Name())
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *version {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), root.Name(), Version)
			return err
		}
		return OnlyOthers(cmd, args)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Misuse("see "+cmd.CommandPath()+" --help", "%s", plainly(err))
	})
}

// Environment fills the flags that the command line did not set from
// variables, flag by flag. A flag beats its variable, a variable its default.
func Environment(cmd *cobra.Command, getenv func(string) string, variables map[string]string) error {
	for name, env := range variables {
		f := cmd.Flags().Lookup(name)
		if v := getenv(env); f != nil && !f.Changed && v != "" {
			if err := f.Value.Set(v); err != nil {
				return Misuse("unset it or give a value that fits", "%s=%q: %s", env, v, plainly(err))
			}
		}
	}
	return nil
}

// plainly says what is wrong with a value, without the function that found it.
func plainly(err error) string {
	return parsing.ReplaceAllString(err.Error(), "")
}

var parsing = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": `)

// Group makes a command that only holds others.
func Group(use, short string, aliases []string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Aliases: aliases, Args: cobra.ArbitraryArgs, RunE: OnlyOthers}
	c.AddCommand(children...)
	return c
}

// OnlyOthers runs a command that only holds others: it helps, or says what was
// probably meant.
func OnlyOthers(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := "see " + cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return Misuse(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// Exactly demands as many arguments as names, which are for the message.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		wants := "no arguments"
		if len(names) > 0 {
			wants = strings.Join(names, " and ")
		}
		return Misuse("see "+cmd.CommandPath()+" --help", "%s wants %s", cmd.CommandPath(), wants)
	}
}

// PrintJSON prints one value as indented JSON.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Terminal says whether w is one; only then are there colours or progress.
func Terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// VersionCmd is the verb `version` of a program.
func VersionCmd(program string, stdout io.Writer, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: Exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v["revision"] = s.Value
					}
				}
			}
			if *asJSON {
				return json.NewEncoder(stdout).Encode(v)
			}
			_, err := fmt.Fprintf(stdout, "%s %s %s %s\n", program, Version, v["go"], v["platform"])
			return err
		},
	}
}

// CompletionCmd is the verb `completion` of a program.
func CompletionCmd(root *cobra.Command, stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "Print a completion script for a shell", Args: Exactly("a shell: bash, zsh or fish"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(_ *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(stdout, true)
			case "zsh":
				return root.GenZshCompletion(stdout)
			case "fish":
				return root.GenFishCompletion(stdout, true)
			}
			return Misuse("name bash, zsh or fish", "no completion for %q", args[0])
		},
	}
}
