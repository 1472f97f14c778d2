// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"path/filepath"
	"testing"
)

// AWS returns the path of the AWS CLI in the environment of Python.
func AWS(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(filepath.Dir(Python(tb)), "aws")
}

// S5cmd returns the path of s5cmd, built in a module of its own.
func S5cmd(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	return built(tb, "s5cmd", "github.com/peak/s5cmd/v2")
}
