// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/workload"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

// shortDir is a temporary directory whose path leaves room for the name of a
// socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sgf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left in the temporary folder harms nobody
	return dir
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func put(t *testing.T, g *gate.Gate, c *http.Client, key string, body []byte) {
	t.Helper()
	if a := g.Do(t, c, http.MethodPut, "/models/"+key, bytes.NewReader(body), int64(len(body)), nil); a.Status != http.StatusOK {
		t.Fatalf("PUT %s: got %d %s", key, a.Status, a.Body)
	}
}

func get(t *testing.T, g *gate.Gate, c *http.Client, key string) gate.Answer {
	t.Helper()
	return g.Do(t, c, http.MethodGet, "/models/"+key, nil, 0, nil)
}

// verify holds the log against its signatures and the registry.
func verify(t *testing.T, g *gate.Gate) {
	t.Helper()
	if r := g.CLI(t, "audit", "verify"); r.Code != 0 || !strings.Contains(r.Stdout, "no gap, no change") {
		t.Errorf("audit verify: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// leftovers are files of unfinished writes in the stores.
func leftovers(t *testing.T, g *gate.Gate) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Join(g.Dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/.tmp/") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// soon waits until something holds.
func soon(t *testing.T, holds func() bool, what string) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Errorf("waited in vain for %s", what)
}

// outcomes are those of the writes of a key, by the object that each meant.
func outcomes(t *testing.T, g *gate.Gate, path string) (intents int, ends []audit.Record) {
	t.Helper()
	open := map[uint64]bool{}
	for _, r := range g.Records(t, audit.SearchQuery{Path: path}) {
		switch {
		case r.Phase == audit.PhaseIntent && r.AwaitOutcome:
			open[r.Seq] = true
		case r.Phase == audit.PhaseOutcome && open[r.Of] && r.Reconciled != audit.ReconciledPending:
			ends = append(ends, r)
		}
	}
	return len(open), ends
}

// issued is a client with the identity that the built-in authority gives to
// this process.
func issued(t *testing.T, g *gate.Gate) (*http.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	m, err := workload.Fetch(ctx, workload.Config{Socket: "unix://" + filepath.Join(g.Dir, "run", "workload.sock")})
	if err != nil {
		return nil, err
	}
	source, err := certs.Static(m)
	if err != nil {
		return nil, err
	}
	self, err := m.ID.TrustDomain().Join("/gateway")
	if err != nil {
		return nil, err
	}
	tr := &http.Transport{TLSClientConfig: certs.ClientTLS(source, self), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}, nil
}

// paced is a body that takes its time.
type paced struct {
	io.Reader
	pause time.Duration
}

func (p paced) Read(b []byte) (int, error) {
	time.Sleep(p.pause)
	return p.Reader.Read(b[:min(len(b), 64<<10)])
}
