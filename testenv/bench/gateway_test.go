// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/testenv/gate"
)

// sides are the gateway and the baseline of transfers, each a process of its
// own with a directory of its own.
type sides struct {
	gate           *gate.Gate
	gateway, files target
}

func startSides(t testing.TB) sides {
	t.Helper()
	g := gate.Start(t, gate.Options{})
	who := g.CA.SVID(t, "/writer", certstest.Options{})
	return sides{gate: g, gateway: newTarget(g.Endpoint, g.TLS(t, who)), files: newTarget(startFiles(t, g), g.TLS(t, who))}
}

// compare alternates the same work on both sides.
func (s sides) compare(t testing.TB, n int, work func(target) (float64, error)) (gateway, files rounds) {
	t.Helper()
	on := func(to target) func() (float64, error) {
		return func() (float64, error) { return work(to) }
	}
	all, err := alternate(n, on(s.gateway), on(s.files))
	if err != nil {
		t.Fatalf("%v\n%s", err, s.gate.Log())
	}
	return all[0], all[1]
}

const (
	baseline = "tls-files"
	large    = 1 << 30 // bytes
	small    = 4 << 10
)

// measureLarge moves objects of 1 GiB, one at a time, and looks at what the
// gateway needed for that.
func measureLarge(t testing.TB) []Result {
	t.Helper()
	s := startSides(t)
	rate := func(do func(target) error) func(target) (float64, error) {
		return func(to target) (float64, error) {
			began := time.Now()
			err := do(to)
			return large / (1 << 20) / time.Since(began).Seconds(), err
		}
	}
	put, putBase := s.compare(t, 3, rate(func(to target) error { return to.put("/models/large", 1, large) }))
	get, getBase := s.compare(t, 3, rate(func(to target) error { return to.get("/models/large", 1, large) }))
	rss, err := peak(s.gate.PID())
	if err != nil {
		t.Fatal(err)
	}
	return []Result{
		against("put-1gib", "MiB/s", put, baseline, putBase),
		against("get-1gib", "MiB/s", get, baseline, getBase),
		figure("gateway-rss-1gib", "MiB", rounds{rss / (1 << 20)}).atMost(150),
	}
}

// measureSmall puts and gets objects of 4 KiB by one and by many clients.
func measureSmall(t testing.TB) []Result {
	t.Helper()
	s := startSides(t)
	var all []Result
	for _, c := range []struct{ clients, puts, gets int }{{1, 200, 1000}, {8, 600, 3000}, {mostClients, 1500, 6000}} {
		path := func(i int) string { return fmt.Sprintf("/models/small/%d/%06d", c.clients, i%c.puts) }
		put, putBase := s.compare(t, 3, func(to target) (float64, error) {
			return load{c.clients, c.puts, func(i int) error { return to.put(path(i), i, small) }}.run()
		})
		get, getBase := s.compare(t, 3, func(to target) (float64, error) {
			return load{c.clients, c.gets, func(i int) error { return to.get(path(i), i%c.puts, small) }}.run()
		})
		all = append(all,
			against(fmt.Sprintf("put-4kib-c%d", c.clients), "ops/s", put, baseline, putBase),
			against(fmt.Sprintf("get-4kib-c%d", c.clients), "ops/s", get, baseline, getBase))
	}
	rss, err := peak(s.gate.PID())
	if err != nil {
		t.Fatal(err)
	}
	return append(all, figure("gateway-rss-4kib", "MiB", rounds{rss / (1 << 20)}))
}
