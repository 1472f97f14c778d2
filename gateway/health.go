// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check asks one dependency whether it is there. The text of its error is
// shown to whoever reads /readyz: it names no key, secret or address.
type Check struct {
	Name string
	Ask  func(context.Context) error
}

// Health serves /metrics, /livez and /readyz over plain HTTP. Nothing on it
// speaks of an artifact, an identity or a key.
type Health struct {
	// Gatherer gives the metrics.
	Gatherer prometheus.Gatherer
	// Checks are asked for each /readyz.
	Checks []Check
	// Log takes what net/http has to say. Nil means slog.Default.
	Log *slog.Logger
}

// checkTimeout bounds one /readyz.
const checkTimeout = 2 * time.Second

// Serve answers on l until ctx ends.
func (h *Health) Serve(ctx context.Context, l net.Listener) error {
	log := h.Log
	if log == nil {
		log = slog.Default()
	}
	srv := &http.Server{
		Handler: h.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // a scrape that is cut is repeated
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

func (h *Health) handler() http.Handler {
	metrics := promhttp.HandlerFor(h.Gatherer, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "Sealgate")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		case r.URL.Path == "/metrics":
			metrics.ServeHTTP(w, r)
		case r.URL.Path == "/livez":
			fmt.Fprintln(w, "ok")
		case r.URL.Path == "/readyz":
			h.ready(w, r)
		default:
			http.Error(w, "/metrics, /livez or /readyz", http.StatusNotFound)
		}
	})
}

// ready names every dependency that is down, one line each.
func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	var down []string
	for _, c := range h.Checks {
		if err := c.Ask(ctx); err != nil {
			down = append(down, c.Name+": "+err.Error())
		}
	}
	if len(down) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, line := range down {
		fmt.Fprintln(w, line)
	}
}
