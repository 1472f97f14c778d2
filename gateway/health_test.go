// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestHealthNamesWhatIsDown(t *testing.T) {
	t.Parallel()
	var down error
	reg := prometheus.NewRegistry()
	NewMetrics(reg).done("GetObject", 200, 1, 1)
	h := (&Health{Gatherer: reg, Checks: []Check{
		{Name: "keys", Ask: func(context.Context) error { return nil }},
		{Name: "audit", Ask: func(context.Context) error { return down }},
	}}).handler()
	tests := []struct {
		name, method, path string
		down               error
		status             int
		body               string
	}{
		{"alive", http.MethodGet, "/livez", errors.New("x"), 200, "ok"},
		{"ready", http.MethodGet, "/readyz", nil, 200, "ok"},
		{"not ready", http.MethodGet, "/readyz", errors.New("no space left"), 503, "audit: no space left"},
		{"metrics", http.MethodGet, "/metrics", nil, 200, `sealgate_http_requests_total{action="GetObject",code="200"} 1`},
		{"other path", http.MethodGet, "/debug/pprof/", nil, 404, ""},
		{"other method", http.MethodPost, "/livez", nil, 405, ""},
	}
	for _, tt := range tests {
		down = tt.down
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || strings.Contains(w.Body.String(), "keys:") {
			t.Errorf("%s: got %d %.300s, want %d with %q", tt.name, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

// TestLabelsAreClosed: nothing that a client chooses becomes a label.
func TestLabelsAreClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.do(c, "BREW", "/data/marker-key", nil)
	w.do(c, http.MethodGet, "/marker-bucket/marker-key", nil, "User-Agent", "marker-agent")
	w.do(c, http.MethodGet, "/data/marker-key?marker-query=1", nil)
	w.do(w.client("/marker-identity"), http.MethodGet, "/data/marker-key", nil)
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels++
				if strings.Contains(l.GetValue(), "marker") || l.GetValue() == "BREW" || strings.Contains(l.GetValue(), "spiffe") {
					t.Errorf("%s has the label %s=%q", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	if labels < 8 {
		t.Errorf("only %d labels were looked at", labels)
	}
}
