// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sealgate/sealgate/cmd/internal/rundir"
	"github.com/sealgate/sealgate/gateway/s3api"
)

const agentProgram = "sealgate-agent"

// demoScript is a training job as anybody would write it: no line of it knows
// of Sealgate, of a certificate or of an agent.
const demoScript = `import hashlib
import boto3
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
data = s3.get_object(Bucket="datasets", Key="fraud/train.csv")["Body"].read()
s3.put_object(Bucket="models", Key="fraud/dev/epoch-1.bin", Body=data[:100000])
try:
    s3.put_object(Bucket="models", Key="fraud/prod/v1.safetensors", Body=data)
    refused = "stored"
except ClientError as e:
    refused = e.response["Error"]["Code"]
print(boto3.__version__, hashlib.sha256(data).hexdigest(), refused)
`

// stepAgent runs a client that cannot show a certificate: an unmodified boto3
// script where there is boto3, else a plain S3 client in Go.
func (d *demo) stepAgent(ctx context.Context) error {
	found, err := d.agentIdentity(ctx)
	if err != nil || !found {
		return err
	}
	job := d.plainJob
	if python, err := exec.LookPath("python3"); err == nil && exec.CommandContext(ctx, python, "-c", "import boto3").Run() == nil {
		job = func(ctx context.Context) (demoJob, error) { return d.boto3Job(ctx, python) }
	}
	got, err := job(ctx)
	if err != nil {
		return err
	}
	want, err := sumOf(d.dataset)
	switch {
	case err != nil:
		return err
	case got.sum != want:
		return fmt.Errorf("%s came through the agent with other bytes", demoDataset)
	case got.refused != "AccessDenied":
		return fmt.Errorf("put %s through the agent: %s, wanted AccessDenied", demoModel, got.refused)
	}
	d.ok("%s %s, plain HTTP, no certificate", agentProgram, got.what)
	d.note("  to the gateway it is %s", demoID("/train/fraud/job-2"))
	d.ok("get %-36s %12d bytes   sha256 equal", demoDataset, fileSize(d.dataset))
	d.ok("put %s: 403 AccessDenied, no_grant, as it should be", demoModel)
	return nil
}

// demoJob is what a client behind the agent reports.
type demoJob struct{ what, sum, refused string }

// agentIdentity gives a copy of the agent its own identity, where the agent's
// program lies beside this one.
func (d *demo) agentIdentity(ctx context.Context) (found bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	exe := filepath.Join(d.dir, "bin", agentProgram)
	err = copyFile(filepath.Join(filepath.Dir(self), agentProgram), exe, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		d.note("%s does not lie beside this program, so it is not shown; `make build` makes both", agentProgram)
		return false, nil
	}
	if err == nil {
		err = d.sys.register(ctx, demoID("/train/fraud/job-2"), exe)
	}
	d.people[agentProgram] = exe
	return err == nil, err
}

// agent makes a command line of the agent, in front of the demo's gateway.
func (d *demo) agent(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.people[agentProgram], args...)
	cmd.Env = append(os.Environ(), "SPIFFE_ENDPOINT_SOCKET=unix://"+filepath.Join(d.data, "run", "workload.sock"),
		"SEALGATE_ENDPOINT="+d.sys.endpoint(), "XDG_RUNTIME_DIR="+d.dir,
		"SEALGATE_CONFIG=", "SEALGATE_CERT=", "SEALGATE_KEY=", "SEALGATE_BUNDLE=", "SEALGATE_GATEWAY_ID=", "SEALGATE_JSON=")
	return cmd
}

// boto3Job runs the script below the agent.
func (d *demo) boto3Job(ctx context.Context, python string) (demoJob, error) {
	script := filepath.Join(d.dir, "train.py")
	if err := os.WriteFile(script, []byte(demoScript), 0o600); err != nil {
		return demoJob{}, err
	}
	cmd := d.agent(ctx, "run", "--", python, script)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return demoJob{}, fmt.Errorf("train.py behind the agent: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	f := strings.Fields(out.String())
	if len(f) != 3 {
		return demoJob{}, fmt.Errorf("train.py behind the agent printed %q", out.String())
	}
	return demoJob{"run -- python3 train.py: an unmodified boto3 " + f[0] + " script", f[1], f[2]}, nil
}

// plainJob is a plain S3 client: what signs and speaks HTTP, and no more.
func (d *demo) plainJob(ctx context.Context) (job demoJob, err error) {
	d.note("no python3 with boto3 here: a plain S3 client in Go instead")
	config := filepath.Join(d.dir, "agent.yaml")
	if err := os.WriteFile(config, []byte("version: 1\nforward: {listen: \"127.0.0.1:0\"}\n"), 0o600); err != nil {
		return job, err
	}
	cmd := d.agent(ctx, "serve", "--config", config)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return job, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
		_ = cmd.Wait()                          // its work is done
		if err != nil {
			err = fmt.Errorf("%w; the agent said: %s", err, strings.TrimSpace(said.String()))
		}
	}()
	endpoint, keys, err := d.agentKeys(ctx)
	if err != nil {
		return job, err
	}
	var data []byte
	code := http.StatusServiceUnavailable
	for until := time.Now().Add(patience); code == http.StatusServiceUnavailable && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		// As long as the agent has no identity it says 503, which S3 clients try again.
		if data, code, err = plainRequest(ctx, endpoint, keys, http.MethodGet, demoDataset, nil); err != nil {
			return job, fmt.Errorf("get %s through the agent: %w", demoDataset, err)
		}
	}
	if code != http.StatusOK {
		return job, fmt.Errorf("get %s through the agent: %d %s", demoDataset, code, http.StatusText(code))
	}
	sum := sha256.Sum256(data)
	_, code, err = plainRequest(ctx, endpoint, keys, http.MethodPut, demoModel, data)
	job = demoJob{"serve: a plain S3 client in Go", hex.EncodeToString(sum[:]), http.StatusText(code)}
	if code == http.StatusForbidden {
		job.refused = "AccessDenied"
	}
	return job, err
}

// agentKeys waits for the files that the agent writes for its clients.
func (d *demo) agentKeys(ctx context.Context) (endpoint string, keys s3api.Credentials, err error) {
	dir := filepath.Join(d.dir, agentProgram)
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		credentials, err := os.ReadFile(filepath.Join(dir, rundir.Credentials))
		config, err2 := os.ReadFile(filepath.Join(dir, rundir.Config))
		if err = errors.Join(err, err2); err == nil {
			keys.AccessKey = setting(credentials, "aws_access_key_id")
			keys.Secret = s3api.Secret(setting(credentials, "aws_secret_access_key"))
			return setting(config, "endpoint_url"), keys, nil
		}
		if time.Now().After(until) || ctx.Err() != nil {
			return "", keys, fmt.Errorf("waiting for the keys of the agent: %w", err)
		}
	}
}

// setting finds a key of a file as AWS clients read it.
func setting(file []byte, key string) string {
	for line := range strings.Lines(string(file)) {
		if k, v, ok := strings.Cut(line, " = "); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// plainRequest signs and sends one request, and reads the answer whole.
func plainRequest(ctx context.Context, endpoint string, keys s3api.Credentials, method, path string, body []byte) ([]byte, int, error) {
	u, err := url.Parse(endpoint + "/" + path)
	if err != nil {
		return nil, 0, err
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	sum := sha256.Sum256(body)
	if err := s3api.SignHeader(r, keys, "us-east-1", hex.EncodeToString(sum[:]), time.Now()); err != nil {
		return nil, 0, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	b, err := io.ReadAll(resp.Body)
	return b, resp.StatusCode, err
}

// sumOf is the SHA-256 of a file, in hex.
func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read side
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
