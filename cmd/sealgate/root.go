// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/cmd/internal/cli"
)

// app is what every command works with.
type app struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
	data           string
	config         string
	client         clientFlags
	consequence    string // of a file with errors, after their count
}

// run executes one command line and gives its exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return cli.Report(ctx, stderr, "sealgate", a.json, root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sealgate",
		Short: "Encryption gateway in front of S3-compatible storage",
		Long: `Sealgate is a gateway in front of S3-compatible storage. Datasets and model
weights are encrypted with AES-256-GCM before the store sees them; every request
comes from a SPIFFE identity over mTLS, is allowed or refused by a role on an
artifact prefix, and is on a tamper-evident audit log before a byte moves.

Start with "sealgate demo", then "sealgate serve".`,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.environment(cmd) },
	}
	cli.Prepare(root)
	pf := root.PersistentFlags()
	pf.BoolVar(&a.json, "json", false, "print results and errors as JSON [$SEALGATE_JSON]")
	pf.StringVar(&a.data, "data", "", "data `directory` [$SEALGATE_DATA, $STATE_DIRECTORY; default ~/.local/share/sealgate]")
	pf.StringVar(&a.config, "config", "", "config `file`; without one, embedded defaults [$SEALGATE_CONFIG]")
	a.client.register(pf)
	root.AddCommand(
		a.serveCmd(), a.demoCmd(), a.doctorCmd(), a.configCmd(), a.policyCmd(), a.objectCmd(), a.keysCmd(),
		a.certsCmd(), a.auditCmd(), cli.VersionCmd("sealgate", a.stdout, &a.json), cli.CompletionCmd(root, a.stdout),
	)
	root.AddCommand(helpTopics()...)
	return root
}

// environment fills what no flag set from the variables.
func (a *app) environment(cmd *cobra.Command) error {
	return cli.Environment(cmd, a.getenv, flagEnv)
}

// flagEnv maps flags to the variables that set them. None holds a secret, and
// none turns a check off.
var flagEnv = map[string]string{
	"json": "SEALGATE_JSON", "config": "SEALGATE_CONFIG", "data": "SEALGATE_DATA", "endpoint": "SEALGATE_ENDPOINT",
	"control": "SEALGATE_CONTROL", "cert": "SEALGATE_CERT", "key": "SEALGATE_KEY", "bundle": "SEALGATE_BUNDLE",
	"gateway-id": "SEALGATE_GATEWAY_ID", "log-level": "SEALGATE_LOG_LEVEL", "passphrase-file": "SEALGATE_PASSPHRASE_FILE",
}

// dataDir gives the data directory that every verb works with: what the
// config says where one is named, else what the flags say. Two that differ are
// a mistake: the lock of one would not protect the other.
func (a *app) dataDir() (string, error) {
	base, err := a.baseDir()
	if err != nil || a.config == "" {
		return base, err
	}
	cfg, err := (configSource{file: a.config, dataDir: base}).load(a)
	if err != nil {
		return "", err
	}
	if a.data != "" && cfg.DataDir != base {
		return "", usage("give one of them", "--data is %s, data_dir of %s is %s", base, a.config, cfg.DataDir)
	}
	return cfg.DataDir, nil
}

// baseDir gives the data directory as the flags and variables have it, as an
// absolute path.
func (a *app) baseDir() (string, error) {
	dir := a.data
	if dir == "" {
		dir = a.getenv("STATE_DIRECTORY")
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usage("name a directory with --data", "finding the data directory: %w", err)
		}
		dir = filepath.Join(home, ".local", "share", "sealgate")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the data directory: %w", err)
	}
	return abs, nil
}

// group makes a command that only holds others.
func group(use, short string, aliases []string, children ...*cobra.Command) *cobra.Command {
	return cli.Group(use, short, aliases, children...)
}

// exactly demands n arguments, named for the message.
func exactly(names ...string) cobra.PositionalArgs { return cli.Exactly(names...) }
