// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/cmd/internal/rundir"
)

// "serve & eval $(env)": env waits for an agent whose directory is not there
// yet, and then for its socket. A shell that got nothing would go on to Amazon.
func TestEnvWaitsForTheAgent(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	begun, done := make(chan struct{}), make(chan error, 1)
	defer func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	go func() {
		<-begun
		time.Sleep(50 * time.Millisecond) // it has looked by then: there is nothing
		done <- startLate(t, filepath.Join(base, "sealgate-agent"))
	}()
	var once sync.Once
	getenv := func(name string) string {
		if name == "XDG_RUNTIME_DIR" {
			once.Do(func() { close(begun) })
			return base
		}
		return ""
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"env"}, getenv, nil, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "export AWS_ENDPOINT_URL_S3='http://127.0.0.1:9'\n") {
		t.Errorf("it printed %s", stdout.String())
	}
}

// startLate is an agent that starts: its directory, its keys and last, a while
// later, what answers.
func startLate(t *testing.T, dir string) error {
	keys := "[default]\naws_access_key_id = SGAGA\naws_secret_access_key = s\n"
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, rundir.Credentials), []byte(keys), 0o600)); err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	l, err := net.Listen("unix", filepath.Join(dir, rundir.Socket)) //nolint:noctx // does not wait
	if err != nil {
		return err
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(statusJSON{Doors: []doorJSON{{Door: doorForward, Listen: "http://127.0.0.1:9"}}})
	})}
	t.Cleanup(func() { s.Close() })
	go func() { _ = s.Serve(l) }() // until it is closed
	return nil
}
