// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/testenv/gate"
)

var write = flag.String("write", "", "make this golden folder, which must not exist")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

// object is one line of objects.json: what opens to what.
type object struct {
	Path   string `json:"path"`
	File   string `json:"file"` // in the folder
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// sealgate runs one command line of the program on a data directory.
func sealgate(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(gate.Binary(t), args...) //nolint:noctx // ends by itself
	cmd.Env = append(os.Environ(), "SEALGATE_DATA="+dir, "SPIFFE_ENDPOINT_SOCKET=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("sealgate %s: %v: %s", strings.Join(args, " "), err, errs.Bytes())
	}
	return out.Bytes()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folders gives every golden folder; one at least must be there.
func folders(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("v*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no golden folder: %v", err)
	}
	return all
}

// objectsOf reads what a golden folder says of its objects.
func objectsOf(t *testing.T, folder string) []object {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, "objects.json"))
	must(t, err)
	var all []object
	must(t, json.Unmarshal(b, &all))
	if len(all) < 6 {
		t.Fatalf("%s: only %d objects", folder, len(all))
	}
	return all
}

// copied gives a copy of a golden folder as the program left it: private, and
// with the folders that git does not keep.
func copied(t *testing.T, folder string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	must(t, os.CopyFS(to, os.DirFS(folder)))
	for _, empty := range []string{"run", "audit/index", "audit/tile", "objects/datasets/.tmp", "objects/features/.tmp", "objects/models/.tmp", "objects/raw/.tmp"} {
		must(t, os.MkdirAll(filepath.Join(to, empty), 0o700))
	}
	must(t, filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	}))
	return to
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TestObjectsOpenOffline: bucket and keystore are enough, whichever of the two
// secrets seals it.
func TestObjectsOpenOffline(t *testing.T) {
	t.Parallel()
	for _, folder := range folders(t) {
		dir := copied(t, folder)
		must(t, os.Remove(filepath.Join(dir, "state.db")))
		for _, secret := range [][]string{
			{"--keystore", filepath.Join(dir, "keys", "keystore"), "--key-file", filepath.Join(dir, "keys", "keyfile")},
			{"--keystore", filepath.Join(dir, "passphrase", "keystore"), "--passphrase-file", filepath.Join(dir, "passphrase", "passphrase")},
		} {
			for _, o := range objectsOf(t, folder) {
				got := sealgate(t, dir, append([]string{
					"object", "open", filepath.Join(dir, o.File), "--as", o.Path, "--keyrings", filepath.Join(dir, "objects"),
				}, secret...)...)
				if len(got) != o.Bytes || sumOf(got) != o.SHA256 {
					t.Errorf("%s: %s opens to %d bytes %s, want %d bytes %s", folder, o.Path, len(got), sumOf(got), o.Bytes, o.SHA256)
				}
			}
		}
	}
}

// TestLogAndPolicy: an old log verifies, an old policy loads.
func TestLogAndPolicy(t *testing.T) {
	t.Parallel()
	for _, folder := range folders(t) {
		dir := copied(t, folder)
		if _, err := audit.Verify(filepath.Join(dir, "audit"), audit.VerifyOptions{}); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		src, err := os.ReadFile(filepath.Join(dir, "policy.yaml"))
		must(t, err)
		if p, faults := policy.Parse("policy.yaml", src); p == nil {
			t.Errorf("%s: the policy does not load: %v", folder, faults)
		}
	}
}

// options run today's gateway on a data directory with the built-in authority.
func options(dir string) gate.Options {
	return gate.Options{Dir: dir, Policy: goldenPolicy, Config: map[string]string{
		"deployment": "sealgate", "trust_domain": "sealgate.local", "identity": "{source: authority}",
	}}
}

const goldenPolicy = `version: 1
trust_domain: sealgate.local
identities:
  golden: spiffe://sealgate.local/golden
roles:
  golden:
    who: [golden]
    can:
      - {do: [read, list, write], paths: ["datasets/**", "models/**"]}
`

// enter registers whoever runs the test.
func enter(t *testing.T, dir string) {
	t.Helper()
	sealgate(t, dir, "certs", "entries", "add", "spiffe://sealgate.local/golden", "--uid", strconv.Itoa(os.Getuid()))
}

// TestServes: today's gateway starts on an old data directory and serves what
// is in it, multipart objects too.
func TestServes(t *testing.T) {
	t.Parallel()
	for _, folder := range folders(t) {
		dir := copied(t, folder)
		must(t, os.Remove(filepath.Join(dir, "authority", "entries.json"))) // of whoever wrote it
		g := gate.Start(t, options(dir))
		enter(t, dir)
		for _, o := range objectsOf(t, folder) {
			got := sealgate(t, dir, "object", "get", o.Path, "-", "--endpoint", g.Endpoint)
			if sumOf(got) != o.SHA256 {
				t.Errorf("%s: %s is served otherwise", folder, o.Path)
			}
		}
	}
}
