// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// VersityJudge returns a program that runs the black-box tests of versitygw
// against an endpoint; its source says how.
func VersityJudge(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	return built(tb, "versityjudge", ".")
}

// MinIOJudge returns the functional tests of minio-go as a program. They are a
// file of its module, steered by variables of the environment.
func MinIOJudge(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	in := func(args ...string) (string, error) {
		cmd := exec.CommandContext(tb.Context(), "go", args...)
		cmd.Dir = sourceDir(tb, "miniojudge")
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	const path = "github.com/minio/minio-go/v7"
	_, err := in("mod", "download", path)
	module, err2 := in("list", "-m", "-f", "{{.Dir}}", path)
	err = errors.Join(err, err2)
	if err != nil || module == "" {
		tb.Fatalf("finding minio-go: %q, %v", module, err)
	}
	return built(tb, "miniojudge", filepath.Join(module, "functional_tests.go"))
}
