// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/testenv/gate"
)

// small mounts a file system of that size in MiB.
func small(t *testing.T, dir string, mib int) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o700))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mib)); err != nil {
		t.Skipf("mounting a tmpfs: %v (run as root, or in a user and mount namespace of one's own)", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // the directory goes with the test
}

// ballast takes all that is free in a directory.
func ballast(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	check(t, err)
	defer f.Close()
	for _, block := range []int{1 << 20, 4096} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, block))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	return name
}

// status asks for a page of the metrics listener.
func status(t *testing.T, g *gate.Gate, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(g.Metrics + path) //nolint:noctx // ends with the gateway
	check(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(b)
}

// everything asks for one operation of each kind.
func everything(t *testing.T, g *gate.Gate, c *http.Client) map[string]gate.Answer {
	t.Helper()
	ask := func(method, target, body string) gate.Answer {
		return g.Do(t, c, method, target, strings.NewReader(body), int64(len(body)), nil)
	}
	return map[string]gate.Answer{
		"get": ask(http.MethodGet, "/models/k", ""), "head": ask(http.MethodHead, "/models/k", ""), "put": ask(http.MethodPut, "/models/k", "evil"),
		"delete": ask(http.MethodDelete, "/models/k", ""), "list": ask(http.MethodGet, "/models?list-type=2", ""), "buckets": ask(http.MethodGet, "/", ""),
		"denied": ask(http.MethodGet, "/nosuchbucket/k", ""), "refused": ask(http.MethodGet, "/models/../k", ""),
	}
}

// The log cannot be written: nothing is disclosed and nothing changed, not
// even a refusal is told; when there is space again, all goes on by itself.
func TestFullAuditDisk(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	small(t, filepath.Join(dir, "audit"), 200) // the log wants 128 MiB free before it opens again
	g := gate.Start(t, gate.Options{Dir: dir})
	c := g.Client(t, "/writer")
	want := random(200_000)
	put(t, g, c, "k", want)
	full := ballast(t, g.AuditDir())
	closed := false
	for range 20_000 { // what is reserved in the segment is used up first
		a := g.Do(t, c, http.MethodGet, "/models/"+strings.Repeat("x", 900), nil, 0, http.Header{"User-Agent": {strings.Repeat("u", 250)}})
		if closed = a.Status == http.StatusServiceUnavailable; closed {
			break
		}
	}
	if !closed {
		t.Fatal("a full disk went unnoticed")
	}
	for name, a := range everything(t, g, c) {
		if a.Status != http.StatusServiceUnavailable || bytes.Contains(a.Body, want[:16]) || a.Header.Get("X-Sealgate-Audit") != "" {
			t.Errorf("%s without a log: got %d %.200q, want 503", name, a.Status, a.Body)
		}
	}
	if code, body := status(t, g, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "audit: ") || !strings.Contains(body, "no space") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if _, body := status(t, g, "/metrics"); !strings.Contains(body, "sealgate_audit_closed 1") {
		t.Error("the metric does not say that the log is closed")
	}
	check(t, os.Remove(full))
	soon(t, func() bool { return get(t, g, c, "k").Status == http.StatusOK }, "the log to open again")
	if a := get(t, g, c, "k"); !bytes.Equal(a.Body, want) {
		t.Errorf("afterwards: got %d and %d bytes: something was changed without a record", a.Status, len(a.Body))
	}
	if code, body := status(t, g, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz afterwards: %d %s", code, body)
	}
	if code := g.Stop(t); code != 0 {
		t.Errorf("exit code %d: %s", code, g.Log())
	}
	verify(t, g)
}

// The store is full: 503, nothing half stored, what was there stays, and
// when there is space again all goes on.
func TestFullObjectDisk(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	small(t, filepath.Join(dir, "objects"), 24)
	g := gate.Start(t, gate.Options{Dir: dir})
	c := g.Client(t, "/writer")
	old := random(4 << 20)
	put(t, g, c, "big", old)
	large := random(32 << 20)
	for _, key := range []string{"big", "new"} {
		a, err := g.Try(c, http.MethodPut, "/models/"+key, bytes.NewReader(large), int64(len(large)), http.Header{"Expect": {"100-continue"}})
		if err == nil && (a.Status != http.StatusServiceUnavailable || !bytes.Contains(a.Body, []byte("the storage is full"))) {
			t.Errorf("PUT of %s: got %d %s, want 503", key, a.Status, a.Body)
		}
		soon(t, func() bool {
			_, ends := outcomes(t, g, "models/"+key)
			return len(ends) > 0 && ends[len(ends)-1].Status == 503
		}, "the record of "+key)
	}
	if left := leftovers(t, g); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if a := get(t, g, c, "big"); !bytes.Equal(a.Body, old) {
		t.Errorf("what was there: got %d and %d bytes", a.Status, len(a.Body))
	}
	if a := get(t, g, c, "new"); a.Status != http.StatusNotFound {
		t.Errorf("what never fitted: got %d and %d bytes", a.Status, len(a.Body))
	}
	if a := g.Do(t, c, http.MethodDelete, "/models/big", nil, 0, nil); a.Status != http.StatusNoContent {
		t.Errorf("making room: got %d", a.Status)
	}
	put(t, g, c, "new", old)
	verify(t, g)
}

// The segment that is being written is removed: what is written to it would
// be lost, so nothing more is served, and a start without it is refused.
func TestLostSegment(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Dir: shortDir(t)})
	c := g.Client(t, "/writer")
	want := random(1000)
	put(t, g, c, "k", want)
	names, err := filepath.Glob(filepath.Join(g.AuditDir(), "segments", "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("segments %q, %v", names, err)
	}
	check(t, os.Rename(names[0], names[0]+".away"))
	for name, a := range everything(t, g, c) {
		if a.Status != http.StatusServiceUnavailable {
			t.Errorf("%s without a log: got %d, want 503", name, a.Status)
		}
	}
	if code, body := status(t, g, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "audit: ") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	g.Kill()
	if r := serve(t, g); r.Code != 74 || strings.Count(withoutLog(r.Stderr), "\n") != 1 {
		t.Errorf("starting without it: exit code %d: %s", r.Code, r.Stderr)
	}
	check(t, os.Rename(names[0]+".away", names[0]))
	check(t, g.Restart(t, nil))
	if a := get(t, g, g.Client(t, "/writer"), "k"); !bytes.Equal(a.Body, want) {
		t.Errorf("afterwards: got %d and %d bytes: something was changed without a record", a.Status, len(a.Body))
	}
	verify(t, g)
}
