// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/sealgate/sealgate/cmd/internal/cli"

// Exit codes (`sealgate help exit-codes`).
const (
	exitFailed      = cli.Failed
	exitUsage       = cli.Usage
	exitDenied      = cli.Denied
	exitIntegrity   = cli.Integrity
	exitUnavailable = cli.Unavailable
	exitFound       = cli.Found
	exitAudit       = cli.Audit
	exitInterrupted = cli.Interrupted
)

type (
	exitError = cli.Error
	reported  = cli.ReportedError
)

// fail gives err an exit code and a hint.
func fail(code int, err error, hint string) error { return cli.Fail(code, err, hint) }

// usage is an error of how a command was called.
func usage(hint, format string, args ...any) error { return cli.Misuse(hint, format, args...) }

// rootCause gives the innermost error.
func rootCause(err error) error { return cli.RootCause(err) }
