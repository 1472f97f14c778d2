// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// told notes what a library calls itself to the gateway, which is the one
// place where it says its version.
type told struct {
	http.RoundTripper
	mu    sync.Mutex // guards agent
	agent string
}

func (n *told) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.agent = r.UserAgent()
	n.mu.Unlock()
	return n.RoundTripper.RoundTrip(r)
}

// version gives what stands between a mark in the user agent and the next space.
func (n *told) version(mark string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, after, _ := strings.Cut(n.agent, mark)
	version, _, _ := strings.Cut(after, " ")
	return version
}

// transport shows the client's certificate on the way mTLS, and is a plain one
// on the way agent.
func (w *world) transport(t *testing.T) *told {
	t.Helper()
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	if w.way == mtls {
		pair, err := tls.LoadX509KeyPair(filepath.Join(w.id, "svid.pem"), filepath.Join(w.id, "key.pem"))
		must(t, err)
		tr.TLSClientConfig = w.gate.TLS(t, nil)
		tr.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return &told{RoundTripper: tr}
}

// keys are those that a library in Go is given.
func (w *world) keys() (access, secret string) {
	if w.way == mtls {
		return "any", "any"
	}
	return w.getenv("AWS_ACCESS_KEY_ID"), w.getenv("AWS_SECRET_ACCESS_KEY")
}

func randomBytes(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b
}

func sameBytes(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes are not the %d that were sent", len(got), len(want))
	}
}
