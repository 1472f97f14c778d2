// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

func TestPutGetDelete(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	c := g.Client(t, "/writer")
	data := bytes.Repeat([]byte("sealgate "), 50_000)
	put := g.Do(t, c, http.MethodPut, "/models/a/b.bin", bytes.NewReader(data), int64(len(data)), nil)
	if put.Status != http.StatusOK {
		t.Fatalf("put: got %d %s, want 200", put.Status, put.Body)
	}
	if get := g.Do(t, c, http.MethodGet, "/models/a/b.bin", nil, 0, nil); get.Status != http.StatusOK || !bytes.Equal(get.Body, data) {
		t.Fatalf("get: got %d, %d bytes, want 200 and the bytes that were put", get.Status, len(get.Body))
	}
	if del := g.Do(t, c, http.MethodDelete, "/models/a/b.bin", nil, 0, nil); del.Status != http.StatusNoContent {
		t.Fatalf("delete: got %d, want 204", del.Status)
	}
	if gone := g.Do(t, c, http.MethodGet, "/models/a/b.bin", nil, 0, nil); gone.Status != http.StatusNotFound {
		t.Fatalf("get after delete: got %d, want 404", gone.Status)
	}
	for _, action := range []string{"PutObject", "GetObject", "DeleteObject"} {
		found := false
		for _, r := range g.Records(t, audit.SearchQuery{Who: "spiffe://test.sealgate/writer", Path: "models/a/b.bin"}) {
			found = found || r.Action == action && r.Decision == "allow"
		}
		if !found {
			t.Errorf("no record of %s", action)
		}
	}
	if code := g.Stop(t); code != 0 {
		t.Fatalf("stopping: exit code %d, want 0: %s", code, g.Log())
	}
	report, err := audit.Verify(g.AuditDir(), audit.VerifyOptions{})
	if err != nil || !strings.Contains(report.String(), "no gap, no change") {
		t.Fatalf("verify: %v: %s", err, report)
	}
}
