// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOpenSSL: what we issue passes another implementation's strictest check, by
// name and by address, at both ends of TLS.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs the openssl command; install it to check interoperability")
	}
	a := mustOpen(t, testConfig(t))
	m, err := a.Source().Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	leaf, root := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "root.pem")
	for path, der := range map[string][]byte{leaf: m.Chain[0].Raw, root: a.state.Load().roots} {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"-purpose", "sslclient"},
		{"-purpose", "sslserver", "-verify_hostname", "localhost"},
		{"-purpose", "sslserver", "-verify_ip", net.IPv6loopback.String()},
	} {
		args = append([]string{"verify", "-x509_strict", "-check_ss_sig", "-CAfile", root}, append(args, leaf)...)
		if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Errorf("openssl %v: %v: %s", args, err, out)
		}
	}
}
