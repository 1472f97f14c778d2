// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// fixedPort is a gateway that comes back at the same address.
func fixedPort(t *testing.T) *gate.Gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	return gate.Start(t, gate.Options{Config: map[string]string{
		"listeners": fmt.Sprintf(`{s3_mtls: {address: %q}, metrics: {address: "127.0.0.1:0"}}`, address),
	}})
}

// keys are those that a client of an agent has in its environment.
func keys(t *testing.T, a *gate.Agent) s3api.Credentials {
	t.Helper()
	var c s3api.Credentials
	for _, kv := range a.Env(t) {
		switch name, value, _ := strings.Cut(kv, "="); name {
		case "AWS_ACCESS_KEY_ID":
			c.AccessKey = value
		case "AWS_SECRET_ACCESS_KEY":
			c.Secret = s3api.Secret(value)
		}
	}
	return c
}

// ask sends one signed request to an agent.
func ask(t *testing.T, a *gate.Agent, c s3api.Credentials, method, path string, body io.Reader, size int64) (*http.Response, error) {
	t.Helper()
	u, err := url.Parse(a.Endpoint + path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r := (&http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}, ContentLength: size, Body: http.NoBody}).WithContext(ctx)
	if body != nil {
		r.Body = io.NopCloser(body)
	}
	if err := s3api.SignHeader(r, c, "us-east-1", "UNSIGNED-PAYLOAD", time.Now()); err != nil {
		t.Fatal(err)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// must sends one that has to be answered, and gives status and body.
func must(t *testing.T, a *gate.Agent, c s3api.Credentials, method, path string, body []byte) (int, string) {
	t.Helper()
	resp, err := ask(t, a, c, method, path, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(b)
}

// An agent that is started again has other keys, and says so to whoever shows
// the old ones.
func TestAgentRestart(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	first := g.Agent(t, gate.AgentOptions{})
	old := keys(t, first)
	if code, body := must(t, first, old, "PUT", "/models/k", []byte("v")); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	first.Kill() // what it leaves behind is replaced
	second := g.Agent(t, gate.AgentOptions{Dir: first.Dir})
	if code, body := must(t, second, old, "GET", "/models/k", nil); code != 403 || !strings.Contains(body, "InvalidAccessKeyId") || !strings.Contains(body, "sealgate-agent env") {
		t.Errorf("the old keys: %d %s", code, body)
	}
	if code, body := must(t, second, keys(t, second), "GET", "/models/k", nil); code != 200 || body != "v" {
		t.Errorf("the new keys: %d %s", code, body)
	}
	if code := second.Stop(t); code != 0 {
		t.Errorf("it ended with %d: %s", code, second.Log())
	}
	if left, _ := filepath.Glob(filepath.Join(first.Dir, "sealgate-agent", "*")); len(left) != 1 {
		t.Errorf("it left %v, want the lock alone", left)
	}
}

// slowly gives bytes for as long as it is asked, so that something can happen
// in the middle.
type slowly struct{ each time.Duration }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(s.each)
	return copy(p, make([]byte, 16<<10)), nil
}

// A gateway that is killed in the middle: the client never takes a part for
// the whole, the agent goes on, and uses the gateway when it is back.
func TestGatewayKilledMidTransfer(t *testing.T) {
	t.Parallel()
	g := fixedPort(t)
	a := g.Agent(t, gate.AgentOptions{})
	c := keys(t, a)
	data := randomBytes(64 << 20)
	if code, body := must(t, a, c, "PUT", "/models/big", data); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	down, err := ask(t, a, c, "GET", "/models/big", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer down.Body.Close()
	if _, err := io.CopyN(io.Discard, down.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	up := make(chan error, 1)
	code := make(chan int, 1)
	go func() {
		resp, err := ask(t, a, c, "PUT", "/models/never", slowly{10 * time.Millisecond}, 1<<30)
		if err == nil {
			code <- resp.StatusCode
			resp.Body.Close()
		}
		up <- err
	}()
	time.Sleep(500 * time.Millisecond) // the upload is under way
	g.Kill()
	if n, err := io.Copy(io.Discard, down.Body); err == nil || n >= int64(len(data))-1<<20 {
		t.Errorf("the download: %d more bytes and %v, want an error", n, err)
	}
	select {
	case err := <-up:
		if err == nil {
			if got := <-code; got != 503 {
				t.Errorf("the upload: %d, want 503 or a broken connection", got)
			}
		}
	case <-time.After(time.Minute):
		t.Error("the upload goes on without a gateway")
	}
	if code, body := must(t, a, c, "GET", "/models/big", nil); code != 503 || !strings.Contains(body, "<Code>ServiceUnavailable</Code>") || !strings.Contains(body, "cannot be reached") {
		t.Errorf("without a gateway: %d %s", code, body)
	}
	if err := g.Restart(t, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway is used again", func() error {
		if code, body := must(t, a, c, "GET", "/models/big", nil); code != 200 || body != string(data) {
			return fmt.Errorf("%d with %d bytes", code, len(body))
		}
		return nil
	})
	if code, _ := must(t, a, c, "HEAD", "/models/never", nil); code != 404 {
		t.Errorf("the upload that was cut left something: %d", code)
	}
	if !strings.Contains(a.Log(), "reason=broken_answer") || !strings.Contains(a.Log(), "reason=gateway_unreachable") {
		t.Errorf("the log does not say what happened: %s", a.Log())
	}
}

// New files are a new identity within seconds, for requests that begin then.
func TestAgentRotation(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	a := g.Agent(t, gate.AgentOptions{})
	c := keys(t, a)
	before := a.CLI(t, "status").Stdout
	if err := pemfile.Write(a.ID, g.CA.SVID(t, "/writer", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new SVID is shown", func() error {
		after := a.CLI(t, "status").Stdout
		if serial(after) == serial(before) {
			return errors.New("the old one is")
		}
		return nil
	})
	if code, body := must(t, a, c, "PUT", "/models/k", []byte("v")); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	// Another identity in the files is another agent's.
	if err := pemfile.Write(a.ID, g.CA.SVID(t, "/reader", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other identity is refused", func() error {
		if code, body := must(t, a, c, "GET", "/models/k", nil); code != 503 || !strings.Contains(body, "start it again") {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

func serial(status string) string {
	_, after, _ := strings.Cut(status, "serial ")
	return strings.Fields(after + " ")[0]
}

// An SDK that fetches session keys from the agent and speaks to the gateway's
// other listener itself; and one that runs the agent's program for them.
func TestAgentContainerCredentials(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Config: map[string]string{
		"listeners": `{s3_mtls: {address: "127.0.0.1:0"}, s3_session_keys: {enabled: true, address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`,
	}})
	if g.Sessions == "" {
		t.Fatalf("no session keys in %s", g.Banner)
	}
	a := g.Agent(t, gate.AgentOptions{Doors: `credentials: {listen: "127.0.0.1:0"}`})
	door := ""
	for _, f := range strings.Fields(a.Log()) {
		if strings.HasSuffix(f, "/creds") {
			door = f
		}
	}
	python := servers.Python(t)
	script := `
import boto3
s3 = boto3.client("s3")
s3.put_object(Bucket="models", Key="from/session", Body=b"by session keys")
print(s3.get_object(Bucket="models", Key="from/session")["Body"].read().decode())
`
	common := append(servers.Env(t), "AWS_ENDPOINT_URL_S3="+g.Sessions, "AWS_DEFAULT_REGION=us-east-1", "AWS_CA_BUNDLE="+a.ID+"/bundle.pem", "AWS_EC2_METADATA_DISABLED=true")
	w := &agentWorld{gate: g, agent: a, dir: t.TempDir()}
	w.env = append(common, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+door, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+filepath.Join(a.Dir, "sealgate-agent", "token"))
	if out := w.do(t, python, "-c", script); out != "by session keys\n" {
		t.Errorf("container credentials: %s", out)
	}
	config := filepath.Join(w.dir, "config")
	process := append([]string{gate.AgentBinary(t), "credentials"}, g.IdentityFlags(t, "/writer")...)
	if err := os.WriteFile(config, []byte("[default]\ncredential_process = "+strings.Join(process, " ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = append(common, "AWS_CONFIG_FILE="+config)
	if out := w.do(t, python, "-c", script); out != "by session keys\n" {
		t.Errorf("credential_process: %s", out)
	}
	// Keys of a scope are good for that alone.
	w.env = append(common, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+door+"?scope=models/other/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+filepath.Join(a.Dir, "sealgate-agent", "token"))
	if out, code := w.try(t, python, "-c", script); code == 0 || !strings.Contains(out, "AccessDenied") {
		t.Errorf("keys of another scope: %d %s", code, out)
	}
}
