// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/certs/workload"
	"github.com/sealgate/sealgate/cmd/internal/cli"
)

// This file is the only one that knows where identities come from.

// openIdentity gives a source that holds nothing until it is run, or what the
// files hold.
func openIdentity(s *settings, report func(error)) (*identity, error) {
	if s.socket == "" {
		f, err := pemfile.New(pemfile.Config{CertFile: s.files.Cert, KeyFile: s.files.Key, BundleFile: s.files.Bundle, Report: report})
		if err != nil {
			return nil, cli.Misuse("", "%w", err)
		}
		return &identity{Source: f, run: f.Run, from: s.files.Cert}, nil
	}
	w, err := workload.New(workload.Config{Socket: s.socket, ID: s.id, Report: report})
	if err != nil {
		return nil, cli.Misuse("", "%w", err)
	}
	return &identity{Source: w, run: w.Run, from: s.socket}, nil
}

// fetchIdentity gets the identity once.
func fetchIdentity(ctx context.Context, s *settings) (*certs.Material, error) {
	if s.socket == "" {
		m, err := pemfile.Load(ctx, pemfile.Config{CertFile: s.files.Cert, KeyFile: s.files.Key, BundleFile: s.files.Bundle})
		if err != nil {
			return nil, cli.Misuse("", "%w", err)
		}
		return m, nil
	}
	m, err := workload.Fetch(ctx, workload.Config{Socket: s.socket, ID: s.id})
	doing := "asking " + s.socket + " who this is: %w"
	switch {
	case errors.Is(err, workload.ErrUnavailable):
		return nil, cli.Fail(cli.Unavailable, fmt.Errorf(doing, workload.ErrUnavailable), "set SPIFFE_ENDPOINT_SOCKET to the Workload API, or give --cert, --key and --bundle")
	case errors.Is(err, workload.ErrDenied):
		return nil, cli.Fail(cli.Denied, fmt.Errorf(doing, workload.ErrDenied), "register this user or unit with the issuer")
	case err != nil:
		return nil, cli.Fail(cli.Failed, fmt.Errorf(doing, err), "")
	}
	return m, nil
}

// plainly leaves of the reason for having no identity what a person needs.
func plainly(err error) error {
	for _, known := range []error{workload.ErrUnavailable, workload.ErrDenied} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// writeIdentity puts an identity into PEM files, all three at once.
func writeIdentity(dir string, m *certs.Material) error { return pemfile.Write(dir, m) }
