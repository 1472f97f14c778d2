// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/testenv/gate"
)

// input is one thing wrong with what a gateway is given.
type input struct {
	name string
	harm func(t *testing.T, g *gate.Gate) // before a start; the gateway does not run
	code int
	say  string // all of stderr; DIR is the data directory, ... is anything within a line
}

// inputs are tried one after the other on one data directory, which is put
// right again each time.
var inputs = []input{
	{"no config", remove("sealgate.yaml"), 2, "sealgate: reading the config: open DIR/sealgate.yaml: no such file or directory; name another with --config, or none for embedded defaults"},
	{"config that is no YAML", write("sealgate.yaml", "version: ["), 2, "DIR/sealgate.yaml:...\n1 error; nothing was started"},
	{"config with an unknown key", addLine("sealgate.yaml", "limitz: {drain: 1s}"), 2, "DIR/sealgate.yaml:...: error E004: unknown key \"limitz\"; did you mean \"limits\"?\n1 error; nothing was started"},
	{"config with two faults", addLine("sealgate.yaml", "limits: {drain: soon}\naudit: {segment_size: 3}"), 2, "DIR/sealgate.yaml:...drain...\nDIR/sealgate.yaml:...segment_size...\n2 errors; nothing was started"},
	{"empty config", write("sealgate.yaml", ""), 2, "DIR/sealgate.yaml:...\n1 error; nothing was started"},
	{"no policy", remove("test-policy.yaml"), 2, "sealgate: reading the policy: open DIR/test-policy.yaml: no such file or directory; write one with `sealgate policy init`"},
	{"policy that is no YAML", write("test-policy.yaml", "version: 1\nroles: ["), 2, "DIR/test-policy.yaml:...\n1 error; nothing was started"},
	{
		"policy with an unknown verb", write("test-policy.yaml", "version: 1\ntrust_domain: test.sealgate\nidentities: {a: spiffe://test.sealgate/a}\nroles: {a: {who: [a], can: [{do: [raed], paths: [\"models/**\"]}]}}\n"), 2,
		"DIR/test-policy.yaml:4:...: error E011: ...\"raed\"...did you mean \"read\"?\n1 error; nothing was started",
	},
	{"policy of another trust domain", write("test-policy.yaml", "version: 1\ntrust_domain: evil.example\n"), 2, "sealgate: DIR/test-policy.yaml: trust_domain is evil.example, the gateway's is test.sealgate; make them equal"},
	{"no certificate", remove("id/svid.pem"), 1, "sealgate: opening the identity: ...svid.pem...no such file or directory"},
	{"certificate that is none", write("id/svid.pem", "hello"), 1, "sealgate: opening the identity: ...svid.pem..."},
	{"half a certificate", halve("id/svid.pem"), 1, "sealgate: opening the identity: ...svid.pem..."},
	{"no key", remove("id/key.pem"), 1, "sealgate: opening the identity: ...key.pem...no such file or directory"},
	{"key that others may read", chmod("id/key.pem", 0o644), 1, "sealgate: opening the identity: ...key.pem...0644..."},
	{"key of another certificate", otherKey, 1, "sealgate: opening the identity: ..."},
	{"expired certificate", expired, 1, "sealgate: opening the identity: ...expired..."},
	{"certificate of another trust domain", foreign, 1, "sealgate: opening the identity: ...evil.example..."},
	{"no bundle", remove("id/bundle.pem"), 1, "sealgate: opening the identity: ...bundle.pem...no such file or directory"},
	{"keystore that is none", write("keys/keystore", "hello"), 1, "sealgate: opening keystore DIR/keys/keystore: ..."},
	{"half a keystore", halve("keys/keystore"), 1, "sealgate: opening keystore DIR/keys/keystore: ..."},
	{"keystore with a bit flipped", flip("keys/keystore"), 1, "sealgate: opening keystore DIR/keys/keystore: ..."},
	{"keystore that others may read", chmod("keys/keystore", 0o644), 1, "sealgate: opening keystore DIR/keys/keystore: ...0644..."},
	{"no keystore", remove("keys/keystore"), 1, "sealgate: opening keystore DIR/keys/keystore: no such file or directory; put the keystore or its backup back"},
	{"no key file", remove("keys/keyfile"), 1, "sealgate: opening keystore DIR/keys/keystore: ...keyfile...no such file or directory..."},
	{"key file with a bit flipped", flip("keys/keyfile"), 1, "sealgate: opening keystore DIR/keys/keystore: ..."},
	{"key file that others may read", chmod("keys/keyfile", 0o640), 1, "sealgate: opening keystore DIR/keys/keystore: ...keyfile...0640..."},
	{"database that is none", write("state.db", strings.Repeat("hello ", 1000)), 1, "sealgate: opening state DIR/state.db: ..."},
	{"record of the log with a bit flipped", flipSegment, 74, "sealgate: opening the audit log DIR/audit: ...; nothing was changed; run sealgate audit verify, restore the directory from a copy, or move it away to begin a new log"},
	{"no log key", remove("audit/key"), 74, "sealgate: opening the audit log DIR/audit: ...key..."},
	{"bucket folder with a foreign format", write("objects/models/.format", "something else\n"), 1, "sealgate: opening bucket models: ...models...made by another version or program"},
}

func at(g *gate.Gate, name string) string { return filepath.Join(g.Dir, name) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func remove(name string) func(*testing.T, *gate.Gate) {
	return func(t *testing.T, g *gate.Gate) { check(t, os.Remove(at(g, name))) }
}

func write(name, text string) func(*testing.T, *gate.Gate) {
	return func(t *testing.T, g *gate.Gate) { check(t, os.WriteFile(at(g, name), []byte(text), 0o600)) }
}

func chmod(name string, mode os.FileMode) func(*testing.T, *gate.Gate) {
	return func(t *testing.T, g *gate.Gate) { check(t, os.Chmod(at(g, name), mode)) }
}

func edit(name string, change func([]byte) []byte) func(*testing.T, *gate.Gate) {
	return func(t *testing.T, g *gate.Gate) {
		b, err := os.ReadFile(at(g, name))
		check(t, err)
		check(t, os.WriteFile(at(g, name), change(b), 0o600))
	}
}

func addLine(name, line string) func(*testing.T, *gate.Gate) {
	return edit(name, func(b []byte) []byte { return append(b, line+"\n"...) })
}

func halve(name string) func(*testing.T, *gate.Gate) {
	return edit(name, func(b []byte) []byte { return b[:len(b)/2] })
}

func flip(name string) func(*testing.T, *gate.Gate) {
	return edit(name, func(b []byte) []byte { b[len(b)*2/3] ^= 4; return b })
}

func otherKey(t *testing.T, g *gate.Gate) {
	dir := t.TempDir()
	check(t, pemfile.Write(dir, g.CA.SVID(t, "/gateway", certstest.Options{})))
	b, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	check(t, err)
	write("id/key.pem", string(b))(t, g)
}

func expired(t *testing.T, g *gate.Gate) {
	identity(t, g, g.CA, certstest.Options{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
}

func foreign(t *testing.T, g *gate.Gate) {
	identity(t, g, certstest.NewCA(t, "evil.example"), certstest.Options{})
}

// identity replaces the gateway's own. pemfile would not write a bad one.
func identity(t *testing.T, g *gate.Gate, ca *certstest.CA, o certstest.Options) {
	t.Helper()
	dir := t.TempDir()
	good := ca.SVID(t, "/gateway", certstest.Options{})
	check(t, pemfile.Write(dir, good))
	o.Key = good.Key
	m := ca.SVID(t, "/gateway", o)
	write("id/svid.pem", string(pemOf(m.Chain[0].Raw)))(t, g)
	for _, name := range []string{"key.pem", "bundle.pem"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		check(t, err)
		write("id/"+name, string(b))(t, g)
	}
}

func flipSegment(t *testing.T, g *gate.Gate) {
	names, err := filepath.Glob(at(g, "audit/segments/*.jsonl"))
	if err != nil || len(names) == 0 {
		names, err = filepath.Glob(at(g, "audit/segments/*"))
	}
	check(t, err)
	rel, err := filepath.Rel(g.Dir, names[0])
	check(t, err)
	edit(rel, func(b []byte) []byte {
		i := bytes.Index(b, []byte("PutObject"))
		b[i] ^= 1
		return b
	})(t, g)
}

// serve runs the program until it ends by itself.
func serve(t *testing.T, g *gate.Gate) gate.Result {
	t.Helper()
	return gate.Run(t, gate.Command{Args: []string{"serve", "--config", g.ConfigFile(), "--data", g.Dir}, Wait: 20 * time.Second})
}

// matches holds what was said against a golden text.
func matches(said, want, dir string) bool {
	var b strings.Builder
	for i, part := range strings.Split(want, "...") {
		if i > 0 {
			b.WriteString(".*")
		}
		b.WriteString(regexp.QuoteMeta(strings.ReplaceAll(part, "DIR", dir)))
	}
	return regexp.MustCompile("^" + b.String() + "\n$").MatchString(said)
}

// Whatever a gateway is given to start with, it says in one line a fault what
// is wrong and where, ends with the documented code, and is whole when that
// was put right.
func TestBadInput(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Dir: shortDir(t), Policy: strings.Replace(gate.Policy, ", \"raw/**\"", "", 1)})
	want := random(100_000)
	put(t, g, g.Client(t, "/writer"), "k", want)
	if code := g.Stop(t); code != 0 {
		t.Fatal(g.Log())
	}
	saved := filepath.Join(t.TempDir(), "saved")
	copyDir(t, g.Dir, saved)
	for _, in := range inputs {
		restore(t, saved, g.Dir)
		in.harm(t, g)
		r := serve(t, g)
		if said := withoutLog(r.Stderr); r.Code != in.code || !matches(said, in.say, g.Dir) {
			t.Errorf("%s: exit code %d, want %d; it said\n%swant\n%s", in.name, r.Code, in.code, said, in.say)
		}
		if r.Stdout != "" {
			t.Errorf("%s: stdout: %s", in.name, r.Stdout)
		}
	}
	restore(t, saved, g.Dir)
	check(t, g.Restart(t, nil))
	if a := get(t, g, g.Client(t, "/writer"), "k"); a.Status != http.StatusOK || !bytes.Equal(a.Body, want) {
		t.Errorf("put right: got %d and %d bytes", a.Status, len(a.Body))
	}
	verify(t, g)
}

// withoutLog leaves the lines of the JSON log out.
func withoutLog(stderr string) string {
	var kept []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "{") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// A first start that fails leaves nothing that a second one would stumble on.
func TestBadFirstStart(t *testing.T) {
	t.Parallel()
	for _, in := range inputs {
		if !strings.HasPrefix(in.say, "DIR/") && !strings.Contains(in.name, "certificate") {
			continue // needs what the first start makes
		}
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			g := gate.Prepare(t, gate.Options{Dir: shortDir(t)})
			in.harm(t, g)
			if r := serve(t, g); r.Code != in.code {
				t.Fatalf("exit code %d: %s", r.Code, r.Stderr)
			}
			if strings.Contains(in.name, "onfig") {
				for _, name := range []string{"state.db", "audit", "keys", "objects"} {
					if _, err := os.Stat(at(g, name)); err == nil {
						t.Errorf("a config that cannot be read made %s", name)
					}
				}
			}
			g = gate.Start(t, gate.Options{Dir: g.Dir, CA: g.CA})
			put(t, g, g.Client(t, "/writer"), "k", random(1000))
			verify(t, g)
		})
	}
}

func TestWrongPassphrase(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	file := filepath.Join(dir, "passphrase")
	check(t, os.WriteFile(file, []byte("correct horse battery staple\n"), 0o600))
	g := gate.Start(t, gate.Options{Dir: dir, Config: map[string]string{"keks": "{local: {kind: local, passphrase: {file: " + file + "}}}"}})
	want := random(1000)
	put(t, g, g.Client(t, "/writer"), "k", want)
	g.Stop(t)
	before, err := os.ReadFile(at(g, "keys/keystore"))
	check(t, err)
	for name, say := range map[string]string{
		"wrong horse battery staple": "sealgate: opening keystore DIR/keys/keystore: ...",
		"":                           "sealgate: opening keystore DIR/keys/keystore: ...",
	} {
		check(t, os.WriteFile(file, []byte(name), 0o600))
		r := serve(t, g)
		if r.Code != 1 || !matches(withoutLog(r.Stderr), say, g.Dir) || strings.Contains(r.Stderr, "horse") {
			t.Errorf("passphrase %q: exit code %d, %s", name, r.Code, r.Stderr)
		}
	}
	check(t, os.WriteFile(file, []byte("correct horse battery staple\n"), 0o600))
	check(t, os.Chmod(file, 0o644))
	if r := serve(t, g); r.Code != 1 || !matches(withoutLog(r.Stderr), "sealgate: opening keystore DIR/keys/keystore: ...passphrase...0644...", g.Dir) {
		t.Errorf("a passphrase that others may read: exit code %d, %s", r.Code, r.Stderr)
	}
	if after, err := os.ReadFile(at(g, "keys/keystore")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the keystore was changed: %v", err)
	}
	check(t, os.WriteFile(file, []byte("correct horse battery staple\n"), 0o600))
	check(t, os.Chmod(file, 0o600))
	check(t, g.Restart(t, nil))
	if a := get(t, g, g.Client(t, "/writer"), "k"); !bytes.Equal(a.Body, want) {
		t.Errorf("with the right passphrase: got %d", a.Status)
	}
}

// A second gateway on the same data directory is refused and harms nothing.
func TestSecondGateway(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Dir: shortDir(t)})
	put(t, g, g.Client(t, "/writer"), "k", random(1000))
	for range 2 {
		r := serve(t, g)
		want := fmt.Sprintf("sealgate: locking data directory DIR: in use by pid %d, started ...", g.PID())
		if r.Code != 1 || !matches(r.Stderr, want, g.Dir) {
			t.Errorf("exit code %d: %swant 1: %s", r.Code, r.Stderr, want)
		}
	}
	put(t, g, g.Client(t, "/writer"), "k2", random(1000))
	verify(t, g)
}

// A port that is taken is named with who has it, and nothing is served.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	for _, name := range []string{"s3_mtls", "metrics"} {
		listeners := map[string]string{"s3_mtls": "127.0.0.1:0", "metrics": "127.0.0.1:0"}
		listeners[name] = l.Addr().String()
		g := gate.Prepare(t, gate.Options{Dir: shortDir(t), Config: map[string]string{
			"listeners": fmt.Sprintf("{s3_mtls: {address: %q}, metrics: {address: %q}}", listeners["s3_mtls"], listeners["metrics"]),
		}})
		r := serve(t, g)
		want := fmt.Sprintf("sealgate: listening for %s on %s: address in use by pid %d (...); stop it or set listeners.%s.address", name, l.Addr(), os.Getpid(), name)
		if r.Code != 1 || !matches(withoutLog(r.Stderr), want, g.Dir) || strings.Contains(r.Stdout, "ready") {
			t.Errorf("exit code %d: %s%swant 1: %s", r.Code, r.Stdout, r.Stderr, want)
		}
	}
}
