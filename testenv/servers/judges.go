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
	return built(tb, "miniojudge", minioTests(tb))
}

// MinIOJudgeV4 is MinIOJudge with its tests of SigV2 signing by SigV4: what they
// look at besides.
func MinIOJudgeV4(tb testing.TB) string {
	tb.Helper()
	notShort(tb)
	const v2, v4 = "credentials.NewStaticV2(", "credentials.NewStaticV4("
	text, err := os.ReadFile(minioTests(tb))
	if err != nil || strings.Count(string(text), v2) != 1 {
		tb.Fatalf("the tests of minio-go sign in another way than they did: %v", err)
	}
	file := filepath.Join(tb.TempDir(), "functional_v4.go")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), v2, v4)), 0o600); err != nil {
		tb.Fatal(err)
	}
	return builtAs(tb, "miniojudge-v4", "miniojudge", file)
}

// minioTests is the file of the tests, fetched with its module.
func minioTests(tb testing.TB) string {
	tb.Helper()
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
	return filepath.Join(module, "functional_tests.go")
}
