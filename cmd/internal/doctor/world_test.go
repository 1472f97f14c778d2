// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/cmd/internal/doctor"
)

// world is a machine on which everything is right: a gateway, its listener for
// session keys, an agent, and files that clients read.
type world struct {
	ca       *certstest.CA
	me       *certs.Material
	gateway  string // https://localhost:PORT, wants certificates
	sessions string // https://localhost:PORT, wants none
	agent    string // http://127.0.0.1:PORT
	dir      string // home, working and runtime directory
	bundle   string // file of the gateway's root

	answer http.HandlerFunc // of gateway and agent; nil is 200
}

const (
	key    = "SGAGAAAAAAAAAAAAAAAA"
	secret = "a-secret-that-nobody-is-shown"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ca: certstest.NewCA(t, "acme.ai"), dir: t.TempDir()}
	w.me = w.ca.SVID(t, "/job", certstest.Options{})
	answer := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.answer != nil {
			w.answer(rw, r)
		}
	})
	w.gateway = w.serve(t, answer, certs.ServerTLS(certs.ServerConfig{Source: w.ca.Source(t, "/gateway", certstest.Options{})}))
	own := certstest.TLSCert(w.ca.SVID(t, "/gateway", certstest.Options{}))
	w.sessions = w.serve(t, answer, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS13})
	w.agent = strings.Replace(w.serve(t, answer, nil), "localhost", "127.0.0.1", 1)
	w.bundle = filepath.Join(w.dir, "bundle.pem")
	w.file(t, "bundle.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Root.Raw})))
	return w
}

func (w *world) serve(t *testing.T, h http.Handler, conf *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	scheme := "http://"
	if conf != nil {
		s.Listener, scheme = tls.NewListener(s.Listener, conf), "https://"
	}
	s.Start()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return scheme + "localhost:" + port
}

// file writes a file of this machine.
func (w *world) file(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// config is an examination of a client whose environment is env.
func (w *world) config(client string, env map[string]string) doctor.Config {
	all := map[string]string{"XDG_RUNTIME_DIR": w.dir}
	maps.Copy(all, env)
	return doctor.Config{
		Client: client, Getenv: func(name string) string { return all[name] }, Home: w.dir, Dir: w.dir, Gateway: w.gateway,
		Identity: func(context.Context) (*certs.Material, error) { return w.me, nil },
	}
}

// viaAgent is the environment that the agent gives, for all clients.
func (w *world) viaAgent() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": w.agent, "AWS_ENDPOINT_URL_S3": w.agent,
		"MLFLOW_S3_ENDPOINT_URL": w.agent, "S3_ENDPOINT_URL": w.agent, "RCLONE_CONFIG_SEALGATE_TYPE": "s3",
		"RCLONE_CONFIG_SEALGATE_PROVIDER": "Other", "RCLONE_CONFIG_SEALGATE_ENV_AUTH": "true", "RCLONE_CONFIG_SEALGATE_ENDPOINT": w.agent,
	}
}

// toward is the same with another endpoint.
func (w *world) toward(endpoint string) map[string]string {
	env := w.viaAgent()
	for name, value := range env {
		if value == w.agent {
			env[name] = endpoint
		}
	}
	return env
}

// with changes an environment: NAME, VALUE, ...; an empty value takes it out.
func with(env map[string]string, change ...string) map[string]string {
	env = maps.Clone(env)
	for i := 0; i+1 < len(change); i += 2 {
		env[change[i]] = change[i+1]
	}
	return env
}

// wants runs an examination and holds what it found against want: the beginning
// of each finding, in order, and no other.
func wants(t *testing.T, name string, c doctor.Config, want ...string) doctor.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := doctor.Run(ctx, c)
	same := len(r.Findings) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = strings.HasPrefix(r.Findings[i].String(), want[i])
	}
	if !same {
		t.Errorf("%s: found %q, want %q", name, r.Findings, want)
	}
	for _, f := range r.Findings {
		if f.Where == "" || f.What == "" || f.Fix == "" {
			t.Errorf("%s: a finding without where, what or fix: %+v", name, f)
		}
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	raw, err := json.Marshal(r)
	if err != nil || strings.Contains(text.String()+string(raw)+fmt.Sprintf("%+v", r), secret) {
		t.Errorf("%s: a secret is shown, or %v: %s", name, err, text.String())
	}
	return r
}
