// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/cmd/internal/cli"
)

const program = "sealgate-agent"

// app is what every command works with.
type app struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
	flags          flags
}

// flags say who and where, as far as no file does.
type flags struct {
	config, data        string
	endpoint, gatewayID string
	cert, key, bundle   string
	logLevel            string
}

// run executes one command line and gives its exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return cli.Report(ctx, stderr, program, a.json, root.ExecuteContext(ctx))
}

// defaultEndpoint is where a gateway on embedded defaults listens.
const defaultEndpoint = "https://localhost:9443"

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Lets every S3 client use Sealgate unchanged",
		Long: `The agent holds an SVID and speaks mTLS to the gateway for programs that cannot
show a client certificate. They speak plain S3 to it on this machine, with keys
that it makes up at each start.

Start with "sealgate-agent run -- CMD". If a client stumbles: "sealgate-agent doctor CLIENT".`,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return cli.Environment(cmd, a.getenv, flagEnv) },
	}
	cli.Prepare(root)
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print results and errors as JSON [$SEALGATE_JSON]")
	f.StringVar(&a.flags.config, "config", "", "config `file`, sealgate-agent.yaml; without one, the forwarder alone [$SEALGATE_CONFIG]")
	f.StringVar(&a.flags.data, "data", "", "data `directory` of a gateway on this machine, for its Workload API [$SEALGATE_DATA; default ~/.local/share/sealgate]")
	f.StringVar(&a.flags.endpoint, "endpoint", defaultEndpoint, "S3 `URL` of the gateway [$SEALGATE_ENDPOINT]")
	f.StringVar(&a.flags.gatewayID, "gateway-id", "", "SPIFFE `ID` the gateway must present; default spiffe://<own trust domain>/gateway [$SEALGATE_GATEWAY_ID]")
	f.StringVar(&a.flags.cert, "cert", "", "client certificate `file` (PEM), read again when it changes [$SEALGATE_CERT]; without one, the\nWorkload API at $SPIFFE_ENDPOINT_SOCKET or in the data directory says who this is")
	f.StringVar(&a.flags.key, "key", "", "private key `file` of --cert (PEM) [$SEALGATE_KEY]")
	f.StringVar(&a.flags.bundle, "bundle", "", "trust bundle `file` that the gateway is checked against (PEM) [$SEALGATE_BUNDLE]")
	f.StringVar(&a.flags.logLevel, "log-level", "", "`level`: debug, info, warn or error; default from the config [$SEALGATE_LOG_LEVEL]")
	root.AddCommand(
		a.serveCmd(), a.runCmd(), a.envCmd(), a.credentialsCmd(), a.statusCmd(), a.doctorCmd(),
		cli.VersionCmd(program, a.stdout, &a.json), cli.CompletionCmd(root, a.stdout),
	)
	root.AddCommand(helpTopics()...)
	return root
}

// flagEnv maps flags to the variables that set them. None holds a secret, and
// none turns a check off.
var flagEnv = map[string]string{
	"json": "SEALGATE_JSON", "config": "SEALGATE_CONFIG", "data": "SEALGATE_DATA", "endpoint": "SEALGATE_ENDPOINT",
	"cert": "SEALGATE_CERT", "key": "SEALGATE_KEY", "bundle": "SEALGATE_BUNDLE", "gateway-id": "SEALGATE_GATEWAY_ID",
	"log-level": "SEALGATE_LOG_LEVEL",
}

func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What each exit code means", Long: `Exit codes of sealgate-agent:

    0  done
    1  failed
    2  usage, or a file that does not parse or check
    3  denied by policy or identity
    5  unavailable, try again: the gateway or the Workload API
    6  "doctor" found something
  125  "run" could not start the command
  130  interrupted

"run" gives the exit code of its command, 128 and the number for a signal.`},
		{Use: "variables", Short: "Environment variables", Long: `A flag beats its variable, a variable its default; a field of the config file
beats a variable. No variable holds a secret, and none turns a check off.

  SEALGATE_CONFIG         sealgate-agent.yaml
  SEALGATE_DATA           data directory of a gateway on this machine
  SEALGATE_ENDPOINT       S3 endpoint of the gateway, such as https://localhost:9443
  SEALGATE_CERT           client certificate (PEM), with SEALGATE_KEY and SEALGATE_BUNDLE
  SEALGATE_KEY            private key of that certificate (PEM)
  SEALGATE_BUNDLE         trust bundle that the gateway is checked against (PEM)
  SEALGATE_GATEWAY_ID     SPIFFE ID that the gateway must present
  SEALGATE_LOG_LEVEL      debug, info, warn or error
  SEALGATE_JSON           true: print JSON
  SPIFFE_ENDPOINT_SOCKET  Workload API that gives this process its SVID
  XDG_RUNTIME_DIR         where the agent keeps its keys and its socket`},
	}
}
