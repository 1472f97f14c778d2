// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/doctor"
)

func (a *app) doctorCmd() *cobra.Command {
	return doctor.Command(a.stdout, &a.json, func(_ *cobra.Command, c *doctor.Config) error {
		c.Gateway, c.CertFile, c.Getenv = strings.TrimSuffix(a.client.endpoint, "/"), a.client.cert, a.getenv
		c.Identity = func(ctx context.Context) (*certs.Material, error) {
			source, err := a.identity(ctx)
			if err != nil {
				return nil, err
			}
			return source.Current()
		}
		if a.client.gatewayID == "" {
			return nil
		}
		id, err := certs.ParseID(a.client.gatewayID)
		if err != nil {
			return usage("", "--gateway-id: %w", err)
		}
		c.GatewayID = id
		return nil
	})
}
