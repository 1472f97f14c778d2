// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// agentModules are the modules of others that the agent's own code and what it
// imports of ours may import: the command line, SPIFFE, YAML, a checksum, the
// system. What is not here does not get into the front door unseen.
var agentModules = []string{
	"github.com/spf13/cobra", "github.com/spiffe/go-spiffe/v2", "google.golang.org/grpc", "go.yaml.in/yaml/v4", "github.com/minio/crc64nvme",
	"golang.org/x/crypto", "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term",
}

// notForAgent are parts of ours that the agent must not carry: what they hold
// or reach - keys, records, stores - is no business of it.
var notForAgent = []string{
	"envelope", "rotation", "gateway/store", "gateway/state", "gateway/audit", "gateway/policy", "gateway/session", "gateway/control", "certs/authority", "cmd/sealgate",
}

// never are words of modules for a KMS, a database or a store; they are looked
// for besides, so that nobody adds one to agentModules by mistake.
var never = []string{"sqlite", "pgx", "postgres", "minio-go", "aws-sdk", "vault", "goose", "azure", "cloud.google.com", "prometheus", "etcd", "redis"}

// TestAgentImports walks what the agent imports, in our module file by file.
func TestAgentImports(t *testing.T) {
	t.Parallel()
	byPackage := map[string][]*ast.File{}
	for path, file := range sources(t) {
		if !strings.HasSuffix(path, "_test.go") {
			byPackage[packageOf(path)] = append(byPackage[packageOf(path)], file)
		}
	}
	seen := map[string]string{"cmd/sealgate-agent": "itself"} // package to who imports it
	for next := []string{"cmd/sealgate-agent"}; len(next) > 0; next = next[1:] {
		from := next[0]
		if len(byPackage[from]) == 0 {
			t.Errorf("%s, imported by %s, has no file", from, seen[from])
		}
		for _, file := range byPackage[from] {
			for _, imp := range file.Imports {
				path := strings.Trim(imp.Path.Value, `"`)
				ours, is := strings.CutPrefix(path, module+"/")
				switch {
				case is && seen[ours] == "":
					seen[ours] = from
					next = append(next, ours)
				case !is && strings.Contains(strings.Split(path, "/")[0], "."):
					checkAgentModule(t, from, path)
				}
			}
		}
	}
	for pkg, by := range seen {
		if slices.ContainsFunc(notForAgent, func(p string) bool { return under(pkg, p) }) {
			t.Errorf("the agent carries %s, imported by %s", pkg, by)
		}
	}
	for _, must := range []string{"gateway/s3api", "gateway/config", "certs", "certs/workload", "cmd/internal/cli"} {
		if seen[must] == "" {
			t.Errorf("%s was not met: the walk is broken", must)
		}
	}
}

func checkAgentModule(t *testing.T, from, path string) {
	t.Helper()
	for _, word := range never {
		if strings.Contains(path, word) {
			t.Errorf("%s imports %s, and the agent with it: it must carry no client of a KMS, a database or a store", from, path)
		}
	}
	if !slices.ContainsFunc(agentModules, func(m string) bool { return under(path, m) }) {
		t.Errorf("%s imports %s, and the agent with it: add it to agentModules if the front door should carry it", from, path)
	}
}
