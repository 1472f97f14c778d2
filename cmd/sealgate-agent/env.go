// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/internal/rundir"
	"github.com/sealgate/sealgate/gateway/s3api"
)

func (a *app) envCmd() *cobra.Command {
	var credentials bool
	c := &cobra.Command{
		Use: "env", Short: "Print export lines for the clients of a running agent", Args: cli.Exactly(),
		Long: `Prints what a shell needs so that its S3 clients use the running agent. The lines
hold the agent's key: they are for eval, not for a log. It is of one start of the
agent; after another start eval them again.

With --credentials the lines are for SDKs that speak to the gateway's session-key
listener themselves and get their keys from the agent. That wants the door
credentials and gateway.session_keys in sealgate-agent.yaml.`,
		Example: `  eval "$(sealgate-agent env)"
  aws s3 ls s3://datasets/fraud/`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.askStatus(cmd.Context())
			if err != nil {
				return err
			}
			var set []variable
			drop := notForClients
			if credentials {
				set, err = a.credentialsEnvironment(s)
				drop = append([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"}, drop...)
			} else {
				set, err = a.forwardEnvironment(s)
			}
			if err != nil {
				return err
			}
			return a.printEnvironment(set, drop)
		},
	}
	c.Flags().BoolVar(&credentials, "credentials", false, "for SDKs that fetch session keys from the agent and speak to the gateway themselves")
	return c
}

// door finds an open door of a running agent.
func (s *statusJSON) door(name string) (doorJSON, error) {
	for _, d := range s.Doors {
		if d.Door == name {
			return d, nil
		}
	}
	return doorJSON{}, cli.Fail(cli.Failed, fmt.Errorf("the running agent has no door %s", name), "name it in sealgate-agent.yaml and start the agent again")
}

func (a *app) forwardEnvironment(s *statusJSON) ([]variable, error) {
	d, err := s.door(doorForward)
	if err != nil {
		return nil, err
	}
	if path, unix := strings.CutPrefix(d.Listen, "unix://"); unix {
		return nil, cli.Fail(cli.Failed, errors.New("the forwarder listens on the socket "+path+", which no variable can name"),
			"give the socket to the client itself, as in curl --unix-socket, or set forward.listen to 127.0.0.1:9440")
	}
	keys, err := a.readKeys()
	if err != nil {
		return nil, err
	}
	return clientEnvironment(d.Listen, keys, a.getenv), nil
}

// readKeys reads the key pair of the running agent.
func (a *app) readKeys() (s3api.Credentials, error) {
	file := filepath.Join(a.stateDir(), rundir.Credentials)
	text, err := os.ReadFile(file)
	if err != nil {
		return s3api.Credentials{}, fmt.Errorf("reading the keys of the agent: %w", err)
	}
	var c s3api.Credentials
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		switch name {
		case "aws_access_key_id":
			c.AccessKey = value
		case "aws_secret_access_key":
			c.Secret = s3api.Secret(value)
		}
	}
	if c.AccessKey == "" || c.Secret == "" {
		return c, fmt.Errorf("reading the keys of the agent: %s holds none", file)
	}
	return c, nil
}

func (a *app) credentialsEnvironment(s *statusJSON) ([]variable, error) {
	d, err := s.door(doorCredentials)
	if err != nil {
		return nil, err
	}
	if s.Gateway.SessionKeys == "" {
		return nil, cli.Fail(cli.Failed, errors.New("where the gateway takes session keys is not known"), "set gateway.session_keys in sealgate-agent.yaml")
	}
	region := a.getenv("AWS_REGION")
	if region == "" {
		region = defaultRegion
	}
	return []variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", d.Listen},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", d.TokenFile},
		{"AWS_ENDPOINT_URL_S3", s.Gateway.SessionKeys},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
	}, nil
}

// printEnvironment prints lines for a shell, or an object; null takes a
// variable away.
func (a *app) printEnvironment(set []variable, drop []string) error {
	if a.json {
		all := map[string]any{}
		for _, name := range drop {
			all[name] = nil
		}
		for _, v := range set {
			all[v.name] = v.value
		}
		return cli.PrintJSON(a.stdout, all)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "unset %s\n", strings.Join(drop, " "))
	for _, v := range set {
		fmt.Fprintf(&b, "export %s=%s\n", v.name, quoted(v.value))
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// quoted writes a value as one word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
