// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/lend"
)

func (a *app) credentialsCmd() *cobra.Command {
	var n lend.Narrowing
	c := &cobra.Command{
		Use: "credentials", Short: "Print session keys, as credential_process of AWS clients wants them", Args: cli.Exactly(),
		Long: `Asks the gateway for session keys in the name of this process and prints them as
JSON for credential_process. It needs no running agent. The keys last an hour at most
and no longer than the SVID; they are for the gateway's session-key listener.`,
		Example: `  # ~/.aws/config
  [profile sealgate]
  credential_process = sealgate-agent credentials --role trainer
  endpoint_url = https://s3.acme.ai:9444`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := n.Check(); err != nil {
				return cli.Misuse("", "%w", err)
			}
			return a.credentials(cmd, n)
		},
	}
	c.Flags().StringVar(&n.Role, "role", "", "act in this `role` of the policy alone")
	c.Flags().StringVar(&n.Scope, "scope", "", "for this `scope` alone: BUCKET/, BUCKET/PREFIX/ or BUCKET/KEY")
	return c
}

func (a *app) credentials(cmd *cobra.Command, n lend.Narrowing) error {
	s, err := a.settings(cmd)
	if err != nil {
		return err
	}
	m, err := fetchIdentity(cmd.Context(), s)
	if err != nil {
		return err
	}
	source, err := certs.Static(m)
	if err != nil {
		return err
	}
	session, err := lend.New(source, s.gateway, s.gatewayID).Session(cmd.Context(), n)
	if err != nil {
		return noSession(s.gateway, err)
	}
	return cli.PrintJSON(a.stdout, map[string]any{
		"Version": 1, "AccessKeyId": session.AccessKey, "SecretAccessKey": string(session.Secret), "SessionToken": string(session.Token),
		"Expiration": session.Expires.UTC().Format(time.RFC3339),
	})
}

// noSession says why the gateway gave none.
func noSession(gateway string, err error) error {
	doing := "asking " + gateway + " for session keys: %w"
	if e, ok := errors.AsType[*lend.Error](err); ok {
		code := cli.Failed
		switch {
		case e.Status == http.StatusForbidden:
			code = cli.Denied
		case e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented:
			code = cli.Unavailable
		}
		return cli.Fail(code, fmt.Errorf(doing, e), "")
	}
	if r, ok := errors.AsType[*certs.RejectError](err); ok {
		return cli.Fail(cli.Denied, fmt.Errorf(doing, r), "check --endpoint, --bundle and --gateway-id")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert
		return cli.Fail(cli.Denied, fmt.Errorf(doing, op.Err), "the gateway does not take this certificate: has it expired, or is it of another trust domain?")
	}
	return cli.Fail(cli.Unavailable, fmt.Errorf(doing, cli.RootCause(err)), "is the gateway up?")
}
