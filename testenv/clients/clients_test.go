// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// sizes are where segments, buffers and chunk sizes of clients end, up to
// 200 MiB.
var sizes = []int{0, 1, 65535, 65536, 65537, 1 << 20, 8<<20 + 3, 200 << 20}

// randomFile writes size random bytes.
func randomFile(t *testing.T, size int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.bin", size))
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// run runs a client with the environment that servers and clients are given.
func run(t *testing.T, env []string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...) //nolint:noctx // the test's own deadline ends it
	cmd.Env = append(servers.Env(t), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}

// sameFile compares two files.
func sameFile(t *testing.T, got, want string) {
	t.Helper()
	g, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Errorf("%s differs from %s: %d and %d bytes", got, want, len(g), len(w))
	}
}

// sealed checks that the log of what a client did verifies.
func sealed(t *testing.T, g *gate.Gate) {
	t.Helper()
	if code := g.Stop(t); code != 0 {
		t.Errorf("the gateway ended with %d: %s", code, g.Log())
	}
	if _, err := audit.Verify(g.AuditDir(), audit.VerifyOptions{}); err != nil {
		t.Errorf("verifying the log: %v", err)
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	curl, id := servers.Curl(t), g.PEM(t, "/writer")
	base := []string{"-sS", "--fail-with-body", "--cert", id + "/svid.pem", "--key", id + "/key.pem", "--cacert", id + "/bundle.pem"}
	for _, size := range sizes {
		file, back := randomFile(t, size), filepath.Join(t.TempDir(), "back")
		url := fmt.Sprintf("%s/models/curl/%d.bin", g.Endpoint, size)
		run(t, nil, curl, append(base, "-T", file, url)...)
		run(t, nil, curl, append(base, "-o", back, url)...)
		if size > 0 {
			sameFile(t, back, file)
			ranged := run(t, nil, curl, append(base, "-r", "-1", url)...)
			want, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(ranged, want[size-1:]) {
				t.Errorf("the last byte of %d differs (%v)", size, err)
			}
		}
		head := string(run(t, nil, curl, append(base, "-I", url)...))
		if !strings.Contains(head, fmt.Sprintf("Content-Length: %d\r\n", size)) {
			t.Errorf("HEAD of %d bytes: %s", size, head)
		}
	}
	list := string(run(t, nil, curl, append(base, g.Endpoint+"/models?list-type=2&prefix=curl/")...))
	if got := strings.Count(list, "<Key>"); got != len(sizes) {
		t.Errorf("listing: got %d keys, want %d: %s", got, len(sizes), list)
	}
	for _, size := range sizes {
		run(t, nil, curl, append(base, "-X", "DELETE", fmt.Sprintf("%s/models/curl/%d.bin", g.Endpoint, size))...)
	}
	if list := string(run(t, nil, curl, append(base, g.Endpoint+"/models?list-type=2&prefix=curl/")...)); strings.Contains(list, "<Key>") {
		t.Errorf("listing after deletes: %s", list)
	}
	sealed(t, g)
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	id := g.PEM(t, "/writer")
	script, err := filepath.Abs("boto3_story.py")
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, nil, servers.Python(t), script, g.Endpoint, id)
	if !strings.HasSuffix(strings.TrimSpace(string(out)), "story told") {
		t.Errorf("the script did not come to its end: %s", out)
	}
	sealed(t, g)
}

func TestRclone(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	rclone, id := servers.Rclone(t), g.PEM(t, "/writer")
	remote := fmt.Sprintf(":s3,provider=Other,endpoint='%s',access_key_id=any,secret_access_key=any,force_path_style=true", g.Endpoint)
	base := []string{
		"--config", filepath.Join(t.TempDir(), "none"), "--client-cert", id + "/svid.pem", "--client-key", id + "/key.pem", "--ca-cert", id + "/bundle.pem",
		"--s3-upload-cutoff", "16Mi", "--s3-chunk-size", "8Mi", "--retries", "1", "--low-level-retries", "1",
	}
	src, back := t.TempDir(), t.TempDir()
	for _, size := range sizes {
		b := make([]byte, size)
		_, _ = rand.Read(b) // never fails
		sub := filepath.Join(src, "sub dir+%")
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("%d é.bin", size)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, nil, rclone, append(base, "copy", src, remote+":models/rclone")...)
	run(t, nil, rclone, append(base, "copy", remote+":models/rclone", back)...)
	for _, size := range sizes {
		name := filepath.Join("sub dir+%", fmt.Sprintf("%d é.bin", size))
		sameFile(t, filepath.Join(back, name), filepath.Join(src, name))
	}
	ranged := run(t, nil, rclone, append(base, "cat", "--offset", "65530", "--count", "20", remote+":models/rclone/sub dir+%/1048576 é.bin")...)
	want, err := os.ReadFile(filepath.Join(src, "sub dir+%", "1048576 é.bin"))
	if err != nil || !bytes.Equal(ranged, want[65530:65550]) {
		t.Errorf("a range across segments differs (%v)", err)
	}
	if again := run(t, nil, rclone, append(base, "check", "--download", src, remote+":models/rclone")...); strings.Contains(string(again), "ERROR") {
		t.Errorf("check: %s", again)
	}
	// A second sync has nothing to send: sizes and times are those of the files.
	second := run(t, nil, rclone, append(base, "sync", "--dry-run", "--stats-one-line", "--stats-log-level", "NOTICE", src, remote+":models/rclone")...)
	if strings.Contains(string(second), "Skipped copy") {
		t.Errorf("a second sync would send again: %s", second)
	}
	run(t, nil, rclone, append(base, "delete", remote+":models/rclone")...)
	if left := run(t, nil, rclone, append(base, "ls", remote+":models/rclone")...); len(left) > 0 {
		t.Errorf("after delete: %s", left)
	}
	sealed(t, g)
}
