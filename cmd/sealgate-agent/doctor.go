// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/doctor"
)

func (a *app) doctorCmd() *cobra.Command {
	return doctor.Command(a.stdout, &a.json, func(cmd *cobra.Command, c *doctor.Config) error {
		s, err := a.settings(cmd)
		if err != nil {
			return err
		}
		c.Gateway, c.GatewayID, c.CertFile, c.Getenv = s.gateway, s.gatewayID, s.files.Cert, a.getenv
		c.Identity = func(ctx context.Context) (*certs.Material, error) { return fetchIdentity(ctx, s) }
		return nil
	})
}
