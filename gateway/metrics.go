// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the gateway's own series. Labels come from closed lists, never
// from an identity, a key or a secret's name.
type Metrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	firstByte *prometheus.HistogramVec
	inflight  prometheus.Gauge
	sent      prometheus.Counter
	received  prometheus.Counter
	decisions *prometheus.CounterVec
	integrity prometheus.Counter
	unmanaged prometheus.Counter
	panics    prometheus.Counter
}

// NewMetrics registers the series with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 16)
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sealgate_http_requests_total", Help: "Requests answered, by S3 action and status code.",
		}, []string{"action", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sealgate_http_request_duration_seconds", Help: "Time from the request's head to the end of its answer.", Buckets: seconds,
		}, []string{"action"}),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sealgate_http_first_byte_seconds", Help: "Time from the request's head to the status line of its answer.", Buckets: seconds,
		}, []string{"action"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sealgate_http_inflight", Help: "Requests being served.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sealgate_plaintext_sent_bytes_total", Help: "Plaintext bytes of objects sent to clients.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sealgate_plaintext_received_bytes_total", Help: "Plaintext bytes of objects stored for clients.",
		}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sealgate_authz_decisions_total", Help: "Authorization decisions, by decision and reason word.",
		}, []string{"decision", "reason"}),
		integrity: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sealgate_integrity_failures_total", Help: "Stored objects that did not pass their integrity check.",
		}),
		unmanaged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sealgate_unmanaged_objects_total", Help: "Objects left out of listings because no plaintext has their stored size.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sealgate_panics_total", Help: "Requests that ended in a panic of the gateway.",
		}),
	}
	r.MustRegister(m.requests, m.duration, m.firstByte, m.inflight, m.sent, m.received, m.decisions, m.integrity, m.unmanaged, m.panics)
	return m
}

func (m *Metrics) done(action string, status int, took, first time.Duration) {
	m.requests.WithLabelValues(action, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(action).Observe(took.Seconds())
	m.firstByte.WithLabelValues(action).Observe(first.Seconds())
}
