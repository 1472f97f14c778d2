// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/gateway/audit"
)

// TrustDomain is that of every gate.
const TrustDomain = "test.sealgate"

// Policy is what a gate enforces unless the test brings its own: writer may do
// everything with data, reader may read datasets/open/ and list it, creator
// may create in models/new/, nobody has no role.
const Policy = `version: 1
trust_domain: test.sealgate
identities:
  writer: spiffe://test.sealgate/writer
  reader: spiffe://test.sealgate/reader
  creator: spiffe://test.sealgate/creator
roles:
  writer:
    who: [writer]
    can:
      - {do: [read, list, write, delete], paths: ["datasets/**", "models/**", "features/**", "raw/**"]}
  reader:
    who: [reader]
    can:
      - {do: [read, list], paths: ["datasets/open/**"]}
  creator:
    who: [creator]
    can:
      - {do: [create, read], paths: ["models/new/**"]}
`

// Options shape a gate. The zero value is a disk store with Policy.
type Options struct {
	// Policy replaces the policy's text.
	Policy string
	// Config is added to the config file; keys of it replace those of Base.
	Config map[string]string
	// Overrun is max_overrun of the identity; default the program's.
	Overrun string
	// Env is added to the environment.
	Env []string
	// Tags of the build.
	Tags []string
	// Dir is the data directory; default a temporary one.
	Dir string
	// CA issues the gateway's certificate and its clients'; default a new one.
	CA *certstest.CA
	// DNS are the names in the gateway's certificate; default localhost.
	DNS []string
}

// Gate is a running gateway. Its fields are set by Start and Restart.
type Gate struct {
	Dir      string // data directory
	CA       *certstest.CA
	Endpoint string // https://localhost:PORT
	Metrics  string // http://127.0.0.1:PORT
	Sessions string // https://localhost:PORT of the listener for session keys, "" without one
	Banner   string

	opts   Options
	cmd    *exec.Cmd
	exited chan struct{}
	log    string
}

// Start runs a gateway until the test ends.
func Start(t testing.TB, o Options) *Gate {
	t.Helper()
	g, err := New(t, o)
	if err != nil {
		t.Fatalf("starting a gateway: %v", err)
	}
	return g
}

// New is Start for gateways that may fail to start: the error then holds what
// it said.
func New(t testing.TB, o Options) (*Gate, error) {
	t.Helper()
	g := Prepare(t, o)
	err := g.start(t)
	t.Cleanup(func() { g.Kill() })
	return g, err
}

// Prepare writes all that a gateway needs and starts nothing.
func Prepare(t testing.TB, o Options) *Gate {
	t.Helper()
	if o.Policy == "" {
		o.Policy = Policy
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.CA == nil {
		o.CA = certstest.NewCA(t, TrustDomain)
	}
	g := &Gate{Dir: o.Dir, CA: o.CA, opts: o}
	g.write(t)
	return g
}

// Base is the config file of a gate, by top-level key.
func (g *Gate) base() map[string]string {
	id := filepath.Join(g.Dir, "id")
	overrun := ""
	if g.opts.Overrun != "" {
		overrun = ", max_overrun: " + g.opts.Overrun
	}
	return map[string]string{
		"version":      "1",
		"deployment":   "test",
		"data_dir":     g.Dir,
		"trust_domain": TrustDomain,
		"listeners":    `{s3_mtls: {address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`,
		"identity": fmt.Sprintf("{source: files, files: {cert: %s, key: %s, bundle: %s}%s}",
			filepath.Join(id, "svid.pem"), filepath.Join(id, "key.pem"), filepath.Join(id, "bundle.pem"), overrun),
		"policy": fmt.Sprintf("{source: file, file: %s}", g.PolicyFile()),
		"log":    "{level: info}",
	}
}

// PolicyFile is where the policy lies.
func (g *Gate) PolicyFile() string { return filepath.Join(g.Dir, "test-policy.yaml") }

// ConfigFile is where the config lies.
func (g *Gate) ConfigFile() string { return filepath.Join(g.Dir, "sealgate.yaml") }

func (g *Gate) write(t testing.TB) {
	t.Helper()
	config := g.base()
	for k, v := range g.opts.Config {
		config[k] = v
	}
	var b strings.Builder
	for _, k := range []string{
		"version", "deployment", "data_dir", "trust_domain", "listeners", "identity", "policy", "sts", "state", "system", "backends", "buckets", "buckets_on_demand", "keks",
		"keyrings", "audit", "uploads", "limits", "log",
	} {
		if v, ok := config[k]; ok {
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	must(t, os.MkdirAll(g.Dir, 0o700))
	must(t, os.WriteFile(g.ConfigFile(), []byte(b.String()), 0o600))
	must(t, os.WriteFile(g.PolicyFile(), []byte(g.opts.Policy), 0o600))
	must(t, pemfile.Write(filepath.Join(g.Dir, "id"), g.CA.SVID(t, "/gateway", certstest.Options{DNS: g.opts.DNS})))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	s3Line      = regexp.MustCompile(`s3 (https://\S+)`)
	metricsLine = regexp.MustCompile(`metrics (http://\S+)`)
	sessionLine = regexp.MustCompile(`sessions (https://\S+)`)
)

// startTimeout is generous: the machine may be compiling meanwhile.
const startTimeout = 60 * time.Second

func (g *Gate) start(t testing.TB) error {
	t.Helper()
	g.log = filepath.Join(g.Dir, "stderr")
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	g.cmd = exec.Command(Binary(t, g.opts.Tags...), "serve", "--config", g.ConfigFile(), "--data", g.Dir) //nolint:noctx // killed at the end of the test
	g.cmd.Env = append(append(os.Environ(), "SSL_CERT_FILE=", "AWS_CA_BUNDLE="), g.opts.Env...)
	g.cmd.Stderr = log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := g.cmd.StdoutPipe()
	must(t, err)
	g.exited = make(chan struct{})
	ready, begun := make(chan string, 1), make(chan error)
	go func() {
		// Pdeathsig is about the thread that starts the process. One that is
		// shared may end with another goroutine, and would take the gateway along.
		runtime.LockOSThread()
		err := g.cmd.Start()
		if begun <- err; err != nil {
			return
		}
		ready <- readBanner(out)
		_, _ = io.Copy(io.Discard, out) // nothing more is said there
		_ = g.cmd.Wait()                // the state is asked for where it matters
		close(g.exited)
	}()
	must(t, errors.Join(<-begun, log.Close()))
	select {
	case g.Banner = <-ready:
	case <-time.After(startTimeout):
		g.Kill()
		return fmt.Errorf("not ready in %s: %s", startTimeout, g.Log())
	}
	if !strings.Contains(g.Banner, "ready in") {
		<-g.exited
		return fmt.Errorf("exit code %d: %s", g.cmd.ProcessState.ExitCode(), g.Log())
	}
	g.Endpoint, g.Metrics = s3Line.FindStringSubmatch(g.Banner)[1], metricsLine.FindStringSubmatch(g.Banner)[1]
	if m := sessionLine.FindStringSubmatch(g.Banner); m != nil {
		g.Sessions = m[1]
	}
	return nil
}

func readBanner(r io.Reader) string {
	var b strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		b.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "ready in") {
			break
		}
	}
	return b.String()
}

// Log is what the gateway wrote to stderr so far.
func (g *Gate) Log() string {
	b, _ := os.ReadFile(g.log) // absent: it said nothing
	return string(b)
}

// Kill ends the gateway as the kernel would, with nothing flushed.
func (g *Gate) Kill() {
	if g.cmd.Process != nil {
		_ = g.cmd.Process.Kill() // gone already is as good
		<-g.exited
	}
}

// Stop ends the gateway in its own time and gives its exit code.
func (g *Gate) Stop(t testing.TB) int {
	t.Helper()
	must(t, g.cmd.Process.Signal(syscall.SIGTERM))
	return g.Wait(t)
}

// Signal sends a signal to the gateway.
func (g *Gate) Signal(s os.Signal) error { return g.cmd.Process.Signal(s) }

// Wait waits until the gateway ended by itself and gives its exit code, -1
// after a signal.
func (g *Gate) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-g.exited:
	case <-time.After(startTimeout):
		t.Fatalf("the gateway did not end: %s", g.Log())
	}
	return g.cmd.ProcessState.ExitCode()
}

// Exited reports whether the gateway has ended.
func (g *Gate) Exited() bool {
	select {
	case <-g.exited:
		return true
	default:
		return false
	}
}

// PID of the running process.
func (g *Gate) PID() int { return g.cmd.Process.Pid }

// Hup tells the gateway to read config and policy again.
func (g *Gate) Hup(t testing.TB) {
	t.Helper()
	must(t, g.cmd.Process.Signal(syscall.SIGHUP))
}

// Restart starts the gateway again on the same data, with what change makes of
// its options.
func (g *Gate) Restart(t testing.TB, change func(*Options)) error {
	t.Helper()
	if change != nil {
		change(&g.opts)
		g.write(t)
	}
	return g.start(t)
}

// Client is an HTTP client that shows the certificate of a path in the trust
// domain and demands that the gateway is the gateway.
func (g *Gate) Client(t testing.TB, path string) *http.Client {
	t.Helper()
	return g.ClientWith(t, g.CA.SVID(t, path, certstest.Options{}))
}

// ClientWith is Client with a certificate of the test's own making.
func (g *Gate) ClientWith(t testing.TB, m *certs.Material) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: g.TLS(t, m), DisableCompression: true, ExpectContinueTimeout: time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// TLS is the configuration of a stock TLS client that shows m's certificate,
// whatever is wrong with it.
func (g *Gate) TLS(t testing.TB, m *certs.Material) *tls.Config {
	t.Helper()
	c := &tls.Config{RootCAs: g.CA.Bundle().Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13}
	if m != nil {
		c.Certificates = []tls.Certificate{certstest.TLSCert(m)}
	}
	return c
}

// PEM writes the certificate of a path as svid.pem, key.pem and bundle.pem and
// gives their directory.
func (g *Gate) PEM(t testing.TB, path string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, pemfile.Write(dir, g.CA.SVID(t, path, certstest.Options{})))
	return dir
}

// AuditDir is where the log lies.
func (g *Gate) AuditDir() string { return filepath.Join(g.Dir, "audit") }

// Records gives the audit records that match.
func (g *Gate) Records(t testing.TB, q audit.SearchQuery) []audit.Record {
	t.Helper()
	var out []audit.Record
	must(t, audit.Search(g.AuditDir(), q, func(m audit.Match) bool {
		out = append(out, m.Record)
		return true
	}))
	return out
}

// Answer is one answer read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error // of reading the body
}

// Do sends one request and reads the answer whole. target is the raw path and
// query, sent as it stands.
func (g *Gate) Do(t testing.TB, c *http.Client, method, target string, body io.Reader, size int64, header http.Header) Answer {
	t.Helper()
	a, err := g.Try(c, method, target, body, size, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

// Try is Do for requests that may not be answered.
func (g *Gate) Try(c *http.Client, method, target string, body io.Reader, size int64, header http.Header) (Answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, g.Endpoint, body)
	if err != nil {
		return Answer{}, err
	}
	req.URL.Opaque = target
	if header != nil {
		req.Header = header
	}
	req.ContentLength = size
	resp, err := c.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	a.Body, a.Err = io.ReadAll(resp.Body)
	return a, nil
}
