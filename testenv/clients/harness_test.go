// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// A way is how a client gets to the gateway.
type way string

const (
	mtls  way = "mTLS"  // it shows the certificate itself
	agent way = "agent" // plain HTTP to sealgate-agent
)

// stepNames are what each client does, as far as it can, in this order.
var stepNames = []string{"upload", "download", "range", "list", "sync", "copy", "delete", "multipart"}

// large is the size of the multipart upload.
func large() int {
	if *full {
		return 200 << 20
	}
	return 40 << 20
}

// client is a client of the table in S3.md. Each of its ways is a row.
type client struct {
	name  string
	ways  []way
	heavy bool     // installed and run by "make clients" alone
	lacks []string // steps of stepNames that it does not have
	// open prepares the client. The steps then run in order; one that fails does
	// not keep the next from being tried.
	open func(t *testing.T, w *world) play
}

// play is a client that is ready.
type play struct {
	version string // as the client itself says
	steps   map[string]func(*testing.T)
}

// world is what one row has for itself.
type world struct {
	way    way
	gate   *gate.Gate
	agent  *gate.Agent // nil on the way mTLS
	bucket string
	prefix string   // of its keys; ends in a slash
	dir    string   // where its commands run
	id     string   // folder of svid.pem, key.pem and bundle.pem
	url    string   // of what it talks to
	clean  []string // an environment that says nothing of the gateway
	env    []string // of its commands: clean, and on the way agent what "sealgate-agent env" gives
	who    string   // its SPIFFE ID
}

// policy gives each row an identity and a prefix of its own.
const policy = `version: 1
trust_domain: test.sealgate
identities:
  client: spiffe://test.sealgate/client/{row}
  writer: spiffe://test.sealgate/writer
roles:
  client:
    who: [client]
    can:
      - {do: [read, list, write, delete], paths: ["models/{row}/**"]}
  writer:
    who: [writer]
    can:
      - {do: [read, list, write, delete], paths: ["models/**"]}
`

// slug is a name for folders, keys and SPIFFE IDs.
func slug(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "-", ",", "").Replace(name))
}

func newWorld(t *testing.T, name string, by way) *world {
	t.Helper()
	row := slug(name + " " + string(by))
	path := "/client/" + row
	w := &world{
		way: by, gate: shared, bucket: "models", prefix: row + "/", dir: t.TempDir(), id: shared.PEM(t, path),
		url: shared.Endpoint, clean: append(servers.Env(t), "PYTHONDONTWRITEBYTECODE=1"), who: "spiffe://" + gate.TrustDomain + path,
	}
	w.env = w.clean
	if by == agent {
		w.agent = shared.Agent(t, gate.AgentOptions{Path: path, Doors: `forward: {listen: "127.0.0.1:0", domain: ` + domain + `}`})
		w.url = w.agent.Endpoint
		w.env = slices.Concat(w.clean, w.agent.Env(t))
	}
	return w
}

// command is a client's command in its folder and environment.
func (w *world) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // the test's own deadline ends it
	cmd.Dir, cmd.Env = w.dir, w.env
	return cmd
}

// run runs a command to its good end and gives what it printed.
func (w *world) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return w.finish(t, w.command(name, args...))
}

func (w *world) finish(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out[max(0, len(out)-4000):], w.agentLog())
	}
	return string(out)
}

func (w *world) agentLog() string {
	if w.agent == nil {
		return ""
	}
	log := w.agent.Log()
	return "\nthe agent: " + log[max(0, len(log)-2000):]
}

// path is a file in the client's folder.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// make writes a file of random bytes and gives its path.
func (w *world) make(t *testing.T, name string, size int) string {
	t.Helper()
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	must(t, os.MkdirAll(filepath.Dir(w.path(name)), 0o700))
	must(t, os.WriteFile(w.path(name), b, 0o600))
	return w.path(name)
}

// same wants two files of the client's folder to hold the same bytes.
func (w *world) same(t *testing.T, got, want string) {
	t.Helper()
	g, err := os.ReadFile(w.path(got))
	must(t, err)
	e, err := os.ReadFile(w.path(want))
	must(t, err)
	if !bytes.Equal(g, e) {
		t.Errorf("%s (%d bytes) is not %s (%d bytes)", got, len(g), want, len(e))
	}
}

// moving are the events of an object that was read, made or removed.
var moving = []string{"artifact.read", "artifact.write", "artifact.copy", "artifact.delete", "upload.part", "upload.complete"}

// moved gives "event key" of all that the audit log has of this client's
// movements under a prefix of its own, those that were refused left out.
func (w *world) moved(t *testing.T, under string) []string {
	t.Helper()
	var out []string
	for _, r := range w.gate.Records(t, audit.SearchQuery{Who: w.who, Path: w.bucket + "/" + w.prefix + "**", Decision: "allow"}) {
		if slices.Contains(moving, r.Event) && strings.HasPrefix(r.Key, w.prefix+under) {
			out = append(out, r.Event+" "+r.Key)
		}
	}
	return out
}

// still wants the audit log to have no movement of this client while f runs:
// that is what a second sync has to be.
func (w *world) still(t *testing.T, f func()) {
	t.Helper()
	before := len(w.moved(t, ""))
	f()
	if after := w.moved(t, ""); len(after) > before {
		t.Errorf("this should have moved nothing, and did: %v", after[before:])
	}
}

// once wants n objects under a prefix, and that each was written once: a sync
// that was run twice moved nothing the second time.
func (w *world) once(t *testing.T, under string, n int) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range w.moved(t, under) {
		event, key, _ := strings.Cut(m, " ")
		if event != "artifact.write" && event != "upload.complete" {
			continue
		}
		if seen[key] {
			t.Errorf("%s was written again", key)
		}
		seen[key] = true
	}
	if len(seen) != n {
		t.Errorf("%d objects were written under %s, want %d", len(seen), under, n)
	}
}

// inParts wants an object to have been written as a multipart upload.
func (w *world) inParts(t *testing.T, key string) {
	t.Helper()
	parts := 0
	for _, m := range w.moved(t, key) {
		switch m {
		case "upload.part " + w.prefix + key:
			parts++
		case "upload.complete " + w.prefix + key:
			if parts < 2 {
				t.Errorf("%s was written in %d parts", key, parts)
			}
			return
		}
	}
	t.Errorf("%s was not written as a multipart upload", key)
}

// tree makes a folder "tree" to synchronize and gives the number of its files.
func (w *world) tree(t *testing.T) int {
	t.Helper()
	files := map[string]int{"0": 0, "1": 1, "65536": 65536, "1000000": 1_000_000, "sub/ä b+": 100}
	for name, size := range files {
		w.make(t, filepath.Join("tree", name), size)
	}
	return len(files)
}

// sameTree wants two folders to hold the same files.
func (w *world) sameTree(t *testing.T, got, want string) {
	t.Helper()
	g, e := os.DirFS(w.path(got)), os.DirFS(w.path(want))
	must(t, fs.WalkDir(e, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		a, err := fs.ReadFile(g, path)
		b, err2 := fs.ReadFile(e, path)
		if !bytes.Equal(a, b) {
			t.Errorf("%s of %s (%d bytes) is not that of %s (%d bytes)", path, got, len(a), want, len(b))
		}
		return errors.Join(err, err2)
	}))
}

// getenv reads the environment of the client's commands.
func (w *world) getenv(name string) string {
	for _, kv := range w.env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
