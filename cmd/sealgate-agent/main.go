// SPDX-License-Identifier: Apache-2.0

// Sealgate-agent lets programs that cannot show a client certificate use
// Sealgate unchanged. AGENT.md beside this file is its specification.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
