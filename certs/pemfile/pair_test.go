// SPDX-License-Identifier: Apache-2.0

package pemfile

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
)

func writePair(t *testing.T, dir string, m *certs.Material) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(m.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: m.Chain[0].Raw}, "tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	first, second := ca.SVID(t, "/a", certstest.Options{}), ca.SVID(t, "/a", certstest.Options{})
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := NewPair(cert, key, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no files: %v", err)
	}
	writePair(t, dir, first)
	var reports []error
	p, err := NewPair(cert, key, func(err error) { reports = append(reports, err) })
	if err != nil {
		t.Fatal(err)
	}
	holds := func(want *certs.Material) {
		t.Helper()
		got, err := p.Current()
		if err != nil || !got.Leaf.Equal(want.Chain[0]) {
			t.Errorf("another certificate is in force, %v", err)
		}
	}
	holds(first)
	p.refresh()
	if len(reports) != 0 {
		t.Errorf("nothing changed, and was reported: %v", reports)
	}

	// A writer between its two files: what was good stays, and is told of once
	// it has lasted.
	writePair(t, dir, second)
	other, _ := os.ReadFile(cert)
	writePair(t, dir, first)
	if err := os.WriteFile(cert, other, 0o600); err != nil {
		t.Fatal(err)
	}
	for range maxRetries + 5 {
		p.refresh()
	}
	holds(first)
	if len(reports) != 1 || reports[0] == nil || strings.Contains(reports[0].Error(), "tls:") {
		t.Errorf("reported %v", reports)
	}
	writePair(t, dir, second)
	p.refresh()
	holds(second)
	if len(reports) != 2 || reports[1] != nil {
		t.Errorf("reported %v", reports)
	}

	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPair(cert, key, nil); !errors.Is(err, ErrKeyMode) {
		t.Errorf("a key that others may read: %v", err)
	}
}
