// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

var only = flag.String("only", "", "prefixes of the versitygw tests to run, with commas between; exceptions are then not looked at")

var keep = flag.String("keep", "", "folder in which the verdicts are left; those against the bare server are taken from there when they are there")

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
      - {do: [bucket-create, bucket-delete], paths: ["gateway/buckets/**"]}
`

// Tests of the versitygw suite that do not come by the agent: it takes signed requests
// alone and answers for what is signed. Those about signatures come by the listener
// for session keys, and those that sign nothing come with a certificate.
var (
	signatures = "Authentication_,PresignedAuth_,SignedStreamingPayload"
	unsigned   = "Router"
)

// BenchmarkVersity runs the suite of versitygw against versitygw, and against
// gateways in front of others.
func BenchmarkVersity(b *testing.B) {
	judge := servers.VersityJudge(b)
	dir := *keep
	if dir == "" {
		dir = b.TempDir()
	}
	bare := filepath.Join(dir, "bare")
	if _, err := os.Stat(bare); err != nil {
		s := servers.NewVersitygw(b)
		run(b, versity(b, judge, s.Endpoint, s.AccessKey, s.SecretKey, bare, *only))
	}
	want, through := verdicts(b, Versity, bare), Verdicts{}
	by := func(way string, ask func(g *gate.Gate, out string) *exec.Cmd) {
		out := filepath.Join(dir, way)
		run(b, ask(gateway(b, servers.NewVersitygw(b)), out))
		maps.Copy(through, verdicts(b, Versity, out))
	}
	by("certificate", func(g *gate.Gate, out string) *exec.Cmd {
		return versity(b, judge, plain(b, g), "nobody", "secret", out, unsigned)
	})
	by("session", func(g *gate.Gate, out string) *exec.Cmd {
		endpoint, keys := shim(b, g)
		return versity(b, judge, endpoint, keys.AccessKeyID, keys.SecretAccessKey, out, signatures)
	})
	by("agent", func(g *gate.Gate, out string) *exec.Cmd {
		return agent(b, g, fmt.Sprintf(`exec %s -endpoint "$AWS_ENDPOINT_URL" -out %s -only %q -but %s`, judge, out, *only, signatures+","+unsigned))
	})
	report(b, "versity", want, through)
}

// versity is the suite, with keys that sign.
func versity(b *testing.B, judge, endpoint, access, secret, out, only string) *exec.Cmd {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), judge, "-endpoint", endpoint, "-out", out, "-only", only)
	cmd.Env = append(servers.Env(b), "AWS_ACCESS_KEY_ID="+access, "AWS_SECRET_ACCESS_KEY="+secret)
	return cmd
}

// shim is the endpoint of a shim in front of g's listener for session keys, and keys
// to sign with.
func shim(b *testing.B, g *gate.Gate) (string, aws.Credentials) {
	b.Helper()
	form := "Action=AssumeRoleWithCertificate&Version=2011-06-15&DurationSeconds=3600"
	a := g.Do(b, g.Client(b, "/judge"), http.MethodPost, "/", strings.NewReader(form), int64(len(form)),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	var got struct {
		Keys struct{ AccessKeyId, SecretAccessKey, SessionToken string } `xml:"AssumeRoleWithCertificateResult>Credentials"`
	}
	if err := xml.Unmarshal(a.Body, &got); err != nil || got.Keys.SessionToken == "" {
		b.Fatalf("session keys: %d, %v", a.Status, err)
	}
	keys := aws.Credentials{AccessKeyID: got.Keys.AccessKeyId, SecretAccessKey: got.Keys.SecretAccessKey, SessionToken: got.Keys.SessionToken}
	return proxy(b, g.Sessions, &http.Client{Transport: &http.Transport{TLSClientConfig: g.TLS(b, nil), DisableCompression: true}}, keys), keys
}

// plain is an endpoint that adds nothing but the judge's certificate.
func plain(b *testing.B, g *gate.Gate) string {
	b.Helper()
	return proxy(b, g.Endpoint, g.Client(b, "/judge"), aws.Credentials{})
}

func proxy(b *testing.B, endpoint string, via *http.Client, keys aws.Credentials) string {
	b.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		b.Fatal(err)
	}
	s := httptest.NewServer((&Shim{To: to, Via: via.Transport, Creds: keys}).Handler())
	b.Cleanup(func() { s.Close(); via.CloseIdleConnections() })
	return s.URL
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

	asked := func(judge string) Verdicts {
		out := filepath.Join(b.TempDir(), "through")
		cmd := agent(b, gateway(b, s), fmt.Sprintf(script, judge, out))
		cmd.Env = append(cmd.Env, settings...)
		run(b, cmd)
		return verdicts(b, MinIO, out)
	}
	report(b, "minio", want, asked(judge))
	bySigV4(b, want, asked(servers.MinIOJudgeV4(b)))
}

// bySigV4 holds the tests that are excepted for their signature alone to what they
// look at besides: where they sign by SigV4, they pass.
func bySigV4(b *testing.B, bare, through Verdicts) {
	b.Helper()
	passed := 0
	for _, e := range exceptions(b) {
		if e.Suite != "minio" || e.Section != "Signatures" {
			continue
		}
		if failed, ran := through[e.Name]; !ran || failed != "" {
			b.Errorf("fails not for its signature: %s: %s", e.Name, failed)
			continue
		}
		passed++
	}
	fmt.Printf("minio: signed by SigV4, %d of %d tests pass through the gateway, %d of them excepted for their signature\n", through.Passed(), len(bare), passed)
}

// gateway is one in front of s.
func gateway(b *testing.B, s *servers.Server) *gate.Gate {
	b.Helper()
	credential := filepath.Join(b.TempDir(), "credential")
	text, err := json.Marshal(map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey})
	if err == nil {
		err = os.WriteFile(credential, text, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	return gate.Start(b, gate.Options{Policy: policy, Config: map[string]string{
		"listeners":         `{s3_mtls: {address: "127.0.0.1:0"}, s3_session_keys: {enabled: true, address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`,
		"sts":               "{max_presign: 1h}",
		"backends":          fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}}}", s.Endpoint, s.Region, credential),
		"buckets":           fmt.Sprintf("{models: {backend: store, bucket: %s}}", s.NewBucket(b)),
		"buckets_on_demand": "{enabled: true}",
	}})
}

// agent is a script run by an agent of g.
func agent(b *testing.B, g *gate.Gate, script string) *exec.Cmd {
	b.Helper()
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
		excepted = slices.DeleteFunc(exceptions(b), func(e Exception) bool { return e.Suite != suite })
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
