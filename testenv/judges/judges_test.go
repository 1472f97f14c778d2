// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

var only = flag.String("only", "", "prefixes of the versitygw tests to run, with commas between; exceptions are then not looked at")

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

// policy lets the judges' one identity do everything with buckets of its own making.
const policy = `version: 1
trust_domain: test.sealgate
identities:
  judge: spiffe://test.sealgate/judge
roles:
  judge:
    who: [judge]
    can:
      - {do: [read, list, write, delete, tag], paths: ["**"]}
      - {do: [bucket-create, bucket-delete], paths: ["gateway/buckets/*"]}
`

// BenchmarkVersity runs the suite of versitygw against versitygw, and against the
// gateway in front of another one.
func BenchmarkVersity(b *testing.B) {
	judge := servers.VersityJudge(b)
	bare := servers.NewVersitygw(b)
	out := filepath.Join(b.TempDir(), "bare")
	cmd := exec.CommandContext(b.Context(), judge, "-endpoint", bare.Endpoint, "-out", out, "-only", *only)
	cmd.Env = append(servers.Env(b), "AWS_ACCESS_KEY_ID="+bare.AccessKey, "AWS_SECRET_ACCESS_KEY="+bare.SecretKey)
	run(b, cmd)
	want := verdicts(b, Versity, out)

	through := filepath.Join(b.TempDir(), "through")
	run(b, agent(b, servers.NewVersitygw(b), fmt.Sprintf(`exec %s -endpoint "$AWS_ENDPOINT_URL" -out %s -only %q`, judge, through, *only)))
	report(b, "versity", want, verdicts(b, Versity, through))
}

// BenchmarkMinIO runs the functional tests of minio-go against MinIO, and against the
// gateway in front of it.
func BenchmarkMinIO(b *testing.B) {
	judge, s := servers.MinIOJudge(b), servers.MinIO(b)
	settings := []string{"ENABLE_HTTPS=0", "MINT_MODE=full", "RUN_ON_FAIL=1"}
	bare := filepath.Join(b.TempDir(), "bare")
	script := `SERVER_ENDPOINT="${AWS_ENDPOINT_URL#http://}" ACCESS_KEY="$AWS_ACCESS_KEY_ID" SECRET_KEY="$AWS_SECRET_ACCESS_KEY" exec %s > %s`
	cmd := exec.CommandContext(b.Context(), "sh", "-c", fmt.Sprintf(script, judge, bare))
	cmd.Env = append(append(servers.Env(b), settings...),
		"AWS_ENDPOINT_URL="+s.Endpoint, "AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.SecretKey)
	run(b, cmd)
	want := verdicts(b, MinIO, bare)

	through := filepath.Join(b.TempDir(), "through")
	cmd = agent(b, s, fmt.Sprintf(script, judge, through))
	cmd.Env = append(cmd.Env, settings...)
	run(b, cmd)
	report(b, "minio", want, verdicts(b, MinIO, through))
}

// agent is a script run by an agent of a gateway in front of s.
func agent(b *testing.B, s *servers.Server, script string) *exec.Cmd {
	b.Helper()
	credential := filepath.Join(b.TempDir(), "credential")
	text, err := json.Marshal(map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey})
	if err == nil {
		err = os.WriteFile(credential, text, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	g := gate.Start(b, gate.Options{Policy: policy, Config: map[string]string{
		"backends":          fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}}}", s.Endpoint, s.Region, credential),
		"buckets":           fmt.Sprintf("{models: {backend: store, bucket: %s}}", s.NewBucket(b)),
		"buckets_on_demand": "{enabled: true}",
	}})
	pem := g.PEM(b, "/judge")
	cmd := exec.CommandContext(b.Context(), agentBinary(b), "run", "--endpoint", g.Endpoint,
		"--cert", filepath.Join(pem, "svid.pem"), "--key", filepath.Join(pem, "key.pem"), "--bundle", filepath.Join(pem, "bundle.pem"),
		"--", "sh", "-c", script)
	cmd.Env = servers.Env(b)
	return cmd
}

// run runs a judge: what it says on the way is only of interest when it stumbles.
func run(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	var said bytes.Buffer
	cmd.Dir = b.TempDir() // some leave files where they run
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		b.Logf("%v\n%s", err, said.Bytes()[max(0, said.Len()-3000):])
	}
}

func verdicts(b *testing.B, parse func(io.Reader) (Verdicts, error), file string) Verdicts {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	v, err := parse(f)
	if err != nil || len(v) == 0 {
		b.Fatalf("%d verdicts: %v", len(v), err)
	}
	return v
}

func report(b *testing.B, suite string, bare, through Verdicts) {
	b.Helper()
	var excepted []Exception
	if *only == "" {
		excepted = exceptions(b)
	}
	lost, needless := Compare(suite, bare, through, excepted)
	for _, l := range lost {
		b.Errorf("lost: %s", l)
	}
	for _, n := range needless {
		b.Errorf("needs no exception: %s", n)
	}
	fmt.Printf("%s: %d tests; %d pass bare, %d through the gateway; %d lost, %d exceptions\n",
		suite, len(bare), bare.Passed(), through.Passed(), len(lost), len(excepted))
}

func agentBinary(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "sealgate-agent")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", path, "github.com/sealgate/sealgate/cmd/sealgate-agent").CombinedOutput(); err != nil {
		b.Fatalf("building the agent: %v\n%s", err, out)
	}
	return path
}
