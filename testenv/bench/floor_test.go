// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/testenv/gate"
)

// keeping is a server for the floor: it keeps what is put, and counts what comes
// without a line of the floor's journal to it.
type keeping struct {
	journal string

	mu       sync.Mutex // guards all below
	objects  map[string][]byte
	requests int
	unsaid   int
}

// ServeHTTP implements http.Handler.
func (k *keeping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.note()
	if r.Method == http.MethodPut {
		b, err := io.ReadAll(r.Body)
		if err != nil || int64(len(b)) != r.ContentLength {
			http.Error(w, "not the whole body", http.StatusBadRequest)
			return
		}
		k.set(r.URL.Path, b)
		return
	}
	b := k.get(r.URL.Path)
	if b == nil {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// note looks for the last of as many lines as there are requests by now.
func (k *keeping) note() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests++
	f, err := os.Open(k.journal)
	if err == nil {
		defer f.Close()
		last := make([]byte, 1)
		if _, err = f.ReadAt(last, int64(k.requests*journalLine-1)); err == nil && last[0] == 'r' {
			return
		}
	}
	k.unsaid++
}

func (k *keeping) set(path string, b []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.objects[path] = b
}

func (k *keeping) get(path string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.objects[path]
}

func startFloor(t *testing.T) (*keeping, target) {
	t.Helper()
	ca, dir, pem := certstest.NewCA(t, gate.TrustDomain), t.TempDir(), t.TempDir()
	if err := pemfile.Write(pem, ca.SVID(t, "/gateway", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	k := &keeping{journal: filepath.Join(dir, "journal"), objects: map[string][]byte{}}
	s := httptest.NewServer(k)
	t.Cleanup(s.Close)
	endpoint, _ := startChild(t, "floor", s.URL, dir, pem)
	to := newTarget(endpoint+"/bucket", (&gate.Gate{CA: ca}).TLS(t, ca.SVID(t, "/writer", certstest.Options{})))
	t.Cleanup(to.client.CloseIdleConnections)
	return k, to
}

// The floor's figures mean something only if it does what it is there for: what
// comes back is what was put, what is stored is all sealed, each request is in
// the journal before the server hears of it.
func TestFloor(t *testing.T) {
	t.Parallel()
	k, to := startFloor(t)
	for _, size := range []int64{0, 1, 4096, floorSegment - 1, floorSegment, floorSegment + 1, 4*floorSegment + 1, 5 << 20, 5<<20 + 4711} {
		path := fmt.Sprintf("/%d", size)
		if err := errors.Join(to.put(path, int(size), size), to.get(path, int(size), size)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		checkStored(t, k.get("/bucket"+path), int(size), size)
	}
	const size = 5<<20 + 4711
	for _, r := range [][2]int64{{0, 1}, {0, size}, {size - 1, 1}, {floorSegment, floorSegment}, {floorSegment - 1, 2}, {4711, 1 << 20}, {3 << 20, 300 << 10}} {
		if err := to.getRange(fmt.Sprintf("/%d", size), size, r[0], r[1]); err != nil {
			t.Errorf("%d bytes from %d on: %v", r[1], r[0], err)
		}
	}
	many := load{clients: 16, ops: 200, do: func(i int) error {
		path, size := fmt.Sprintf("/many/%d", i), int64(i)*1000
		return errors.Join(to.put(path, i, size), to.get(path, i, size))
	}}
	if _, err := many.run(); err != nil {
		t.Error(err)
	}
	if k.requests < 400 || k.unsaid > 0 {
		t.Errorf("%d of %d requests came before their line of the journal", k.unsaid, k.requests)
	}
}

func checkStored(t *testing.T, got []byte, seed int, size int64) {
	t.Helper()
	if want := size + (size+floorSegment-1)/floorSegment*16; int64(len(got)) != want {
		t.Errorf("%d bytes are stored as %d, want %d", size, len(got), want)
		return
	}
	plain := mustRead(t, newPayload(seed, size))
	for off := 0; off+32 <= len(plain); off += 4096 {
		if bytes.Contains(got, plain[off:off+32]) {
			t.Errorf("%d bytes: what was put at %d is stored as it is", size, off)
		}
	}
}

// What was changed or cut off where it is stored must not come out well, and
// nobody is served without a certificate.
func TestFloorRefuses(t *testing.T) {
	t.Parallel()
	k, to := startFloor(t)
	const size = 5 * floorSegment
	for name, harm := range map[string]func([]byte) []byte{
		"one bit": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"segments swapped": func(b []byte) []byte {
			return slices.Concat(b[floorSealedSegment:2*floorSealedSegment], b[:floorSealedSegment], b[2*floorSealedSegment:])
		},
		"cut off": func(b []byte) []byte { return b[:len(b)-1] },
	} {
		if err := to.put("/harmed", 1, size); err != nil {
			t.Fatal(err)
		}
		k.set("/bucket/harmed", harm(bytes.Clone(k.get("/bucket/harmed"))))
		resp, err := to.client.Get(to.endpoint + "/harmed")
		if err != nil {
			continue
		}
		if _, err = io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: the answer ended well", name)
		}
		resp.Body.Close()
	}
	resp, err := to.client.Get(to.endpoint + "/absent")
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("an object that is not there: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	nobody := newTarget(to.endpoint, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err := nobody.put("/x", 1, 1); err == nil {
		t.Error("served without a certificate")
	}
}

// The floor has a row of its own, and the gateway's row says how it stands to it.
func TestBesideTheFloor(t *testing.T) {
	t.Parallel()
	f := front{cpu: costs{gateway: rounds{300}, proxy: rounds{100}, floor: rounds{200}}}
	rows := f.proxied("get", "ops/s", []rounds{{50, 20}, {100, 40}, {100, 10}}, 0.9)
	gateway, least := rows[0], rows[1]
	if gateway.Ratio != 0.5 || *gateway.Holds || gateway.CPU != 300 || gateway.ProxyCPU != 100 {
		t.Errorf("the gateway's row: %+v", gateway)
	}
	if got, want := gateway.beside(), ": the gateway is 1.25 of the floor, with 1.50 of its CPU time"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if least.Name != "get-floor" || least.Ratio != 0.625 || least.CPU != 200 || least.Bar != nil || least.beside() != "" {
		t.Errorf("the floor's row: %+v", least)
	}
}
