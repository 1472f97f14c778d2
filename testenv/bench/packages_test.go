// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// measureEnvelope compares sealing and opening of whole bodies with bare GCM
// over the same segments, on one core, and one core with two.
func measureEnvelope(t testing.TB) []Result {
	t.Helper()
	p := compile(t, "envelope")
	figures := map[string]rounds{}
	for range 5 {
		for name, m := range p.run(t, "^Benchmark(RawGCM|Seal|Open)$", "-test.cpu=1", "-test.benchtime=400ms") {
			figures[name] = append(figures[name], m["MB/s"])
		}
	}
	return append([]Result{
		against("envelope-seal", "MB/s", figures["Seal/segments"], "raw-gcm", figures["RawGCM/seal"]).atLeast(0.9),
		against("envelope-open", "MB/s", figures["Open/segments"], "raw-gcm", figures["RawGCM/open"]).atLeast(0.9),
		against("envelope-seal-reader", "MB/s", figures["Seal/reader"], "raw-gcm", figures["RawGCM/seal-reader"]).atLeast(0.9),
		against("envelope-open-reader", "MB/s", figures["Open/reader"], "raw-gcm", figures["RawGCM/open-reader"]).atLeast(0.9),
	}, measureCores(t, p)...)
}

// measureCores compares sealing and opening of one stream on two cores with one.
// What bare GCM gains by two goroutines that share nothing is what the machine
// has to give: whatever else runs on it takes from that.
func measureCores(t testing.TB, p program) []Result {
	t.Helper()
	one, two := map[string]rounds{}, map[string]rounds{}
	for range 5 {
		for name, m := range p.run(t, "^BenchmarkTwoCores$", "-test.cpu=2", "-test.benchtime=400ms") {
			two[name] = append(two[name], m["two-MB/s"])
			one[name] = append(one[name], m["two-MB/s"]/m["ratio"]) // the ratio is of runs in turn
		}
	}
	row := func(name, of string) Result {
		return against(name, "MB/s", two["TwoCores/"+of], "one core", one["TwoCores/"+of])
	}
	return []Result{
		row("raw-gcm-two-cores", "raw"),
		row("envelope-seal-two-cores", "seal").atLeast(1.7),
		row("envelope-open-two-cores", "open").atLeast(1.7),
	}
}

// measureStream shows that sealing and opening a long stream takes the memory
// of a short one.
func measureStream(t testing.TB) []Result {
	t.Helper()
	stream := func(size int64) func() (float64, error) {
		return func() (float64, error) {
			out, err := childCommand("stream", strconv.FormatInt(size, 10)).Output()
			if err != nil {
				return 0, err
			}
			rss, err := strconv.ParseFloat(string(bytes.TrimSpace(out)), 64)
			return rss / (1 << 20), err
		}
	}
	all, err := alternate(3, stream(4<<30), stream(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return []Result{against("envelope-rss-4gib", "MiB", all[0], "64 MiB", all[1]).atMost(1.1)}
}

// measurePolicy reports the slowest kind of decision under 100 roles and
// 1,000 bindings.
func measurePolicy(t testing.TB) []Result {
	t.Helper()
	p := compile(t, "gateway/policy")
	var slowest, allocs, allowed rounds
	for range 5 {
		var ns, n float64
		for name, m := range p.run(t, "^BenchmarkDecide$", "-test.cpu=1", "-test.benchtime=200ms") {
			ns, n = max(ns, m["ns/op"]), max(n, m["allocs/op"])
			if strings.HasSuffix(name, "/allow") {
				allowed = append(allowed, m["ns/op"])
			}
		}
		slowest, allocs = append(slowest, ns), append(allocs, n)
	}
	return []Result{
		figure("policy-allow", "ns", allowed).atMost(300),
		figure("policy-slowest", "ns", slowest).atMost(300),
		figure("policy-allocs", "allocs", allocs).atMost(0),
	}
}

// measureAudit runs the log's own comparison: 64 writers that each await a
// durable record, in rounds that alternate with a bare group commit.
func measureAudit(t testing.TB) []Result {
	t.Helper()
	p := compile(t, "gateway/audit")
	var rate, base, p50, p99 rounds
	for range 3 {
		for _, m := range p.run(t, "^BenchmarkDurable$", "-test.benchtime=1x") {
			rate, base = append(rate, m["records/s"]), append(base, m["bare-records/s"])
			p50, p99 = append(p50, m["p50-us"]/1000), append(p99, m["p99-us"]/1000)
		}
	}
	return []Result{
		figure("audit-64", "records/s", rate).atLeast(8000),
		against("audit-64-ratio", "records/s", rate, "bare-commit", base).atLeast(0.8),
		figure("audit-64-p50", "ms", p50).atMost(5),
		figure("audit-64-p99", "ms", p99),
	}
}
