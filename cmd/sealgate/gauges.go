// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges shows what grows old: the gateway's own certificate and its KEKs.
type gauges struct{ s *system }

var (
	svidNotAfter = prometheus.NewDesc("sealgate_svid_not_after_timestamp_seconds", "When the gateway's own certificate expires, in seconds since 1970.", nil, nil)
	kekAge       = prometheus.NewDesc("sealgate_kek_age_seconds", "Age of the current version of a KEK.", []string{"kek"}, nil)
	kekVersions  = prometheus.NewDesc("sealgate_kek_versions", "Versions of a KEK that still open.", []string{"kek"}, nil)
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- svidNotAfter
	ch <- kekAge
	ch <- kekVersions
}

// Collect implements prometheus.Collector. What cannot be had is left out: its
// absence is what an alert looks for.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	if m, err := g.s.identity.Current(); err == nil {
		ch <- prometheus.MustNewConstMetric(svidNotAfter, prometheus.GaugeValue, float64(m.NotAfter.Unix()))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a scrape has no context of its own
	defer cancel()
	for name, k := range g.s.keks {
		info, err := k.Info(ctx)
		if err != nil || len(info.Versions) == 0 {
			continue
		}
		created := info.Versions[len(info.Versions)-1].Created
		ch <- prometheus.MustNewConstMetric(kekAge, prometheus.GaugeValue, time.Since(created).Seconds(), name)
		ch <- prometheus.MustNewConstMetric(kekVersions, prometheus.GaugeValue, float64(len(info.Versions)), name)
	}
}
