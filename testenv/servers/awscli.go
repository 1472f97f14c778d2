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
