// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/sse"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// front is everything that stands in front of one S3 server: the gateway, a TLS
// proxy that does nothing, and where it is asked for the floor.
type front struct {
	gate           *gate.Gate
	server         *servers.Server
	bucket         string // of the proxy
	gateway, proxy target
	proxyPID       int
	stored         string // bucket of the gateway
	floor          target
	floorPID       int
	cpu            costs
}

func startFront(t testing.TB, s *servers.Server) *front {
	t.Helper()
	f := &front{server: s, bucket: openBucket(t, s), stored: openBucket(t, s)}
	credential := filepath.Join(t.TempDir(), "credential")
	text, err := json.Marshal(map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey})
	if err == nil {
		err = os.WriteFile(credential, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.gate = gate.Start(t, gate.Options{Config: map[string]string{
		"backends": fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}}}", s.Endpoint, s.Region, credential),
		"buckets":  fmt.Sprintf("{models: {backend: store, bucket: %s}}", f.stored),
	}})
	who := f.gate.CA.SVID(t, "/writer", certstest.Options{})
	f.gateway = newTarget(f.gate.Endpoint+"/models", f.gate.TLS(t, who))
	p := servers.Nginx(t, s)
	f.proxy, f.proxyPID = plainTarget(t, p, f.bucket), p.PID()
	return f
}

// withFloor starts the floor, which has a bucket of its own.
func (f *front) withFloor(t testing.TB) *front {
	t.Helper()
	endpoint, pid := startChild(t, "floor", f.server.Endpoint, t.TempDir(), f.gate.PEM(t, "/gateway"))
	f.floor, f.floorPID = newTarget(endpoint+"/"+openBucket(t, f.server), f.gate.TLS(t, f.gate.CA.SVID(t, "/writer", certstest.Options{}))), pid
	return f
}

// sides are those whose figures proxied wants, and others.
func (f *front) sides(more ...target) []target {
	return append([]target{f.gateway, f.proxy, f.floor}, more...)
}

// proxied are the rows of the gateway and of the floor against the proxy, from
// what in gave for sides. A bar of 0 is none.
func (f *front) proxied(name, unit string, all []rounds, bar float64) []Result {
	r := against(name, unit, all[0], nginx, all[1]).costing(f.cpu)
	least := against(name+"-floor", unit, all[2], nginx, all[1]).costing(costs{gateway: f.cpu.floor, proxy: f.cpu.proxy})
	r.OfFloor, r.OfFloorCPU = all[0].over(all[2]).median(), r.CPU/least.CPU
	if bar > 0 {
		r = r.atLeast(bar)
	}
	return []Result{r, least}
}

// openBucket makes a bucket that needs no signature, so that a baseline is not
// charged for signing what the gateway's clients do not sign.
func openBucket(t testing.TB, s *servers.Server) string {
	t.Helper()
	bucket := s.NewBucket(t)
	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:*"],
		"Resource": ["arn:aws:s3:::%[1]s", "arn:aws:s3:::%[1]s/*"]}]}`, bucket)
	if err := s.Client(t).SetBucketPolicy(t.Context(), bucket, policy); err != nil {
		t.Fatalf("opening bucket %s: %v", bucket, err)
	}
	return bucket
}

// plainTarget is a server that is asked without a client certificate.
func plainTarget(t testing.TB, s *servers.Server, bucket string) target {
	t.Helper()
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		c.RootCAs = x509.NewCertPool()
		if err != nil || !c.RootCAs.AppendCertsFromPEM(text) {
			t.Fatalf("reading %s: %v", s.CAFile, err)
		}
	}
	return newTarget(s.Endpoint+"/"+bucket, c)
}

// in runs the same work on all sides in turn; f.cpu is then what the gateway, the
// proxy and the floor used for each unit of it, in microseconds.
func (f *front) in(t testing.TB, n int, work func(target) (float64, error), sides ...target) []rounds {
	t.Helper()
	var runs []func() (float64, error)
	f.cpu = costs{}
	for _, side := range sides {
		run := func() (float64, error) { return work(side) }
		switch side {
		case f.gateway:
			run = costed(run, f.gate.PID(), &f.cpu.gateway)
		case f.proxy:
			run = costed(run, f.proxyPID, &f.cpu.proxy)
		case f.floor:
			run = costed(run, f.floorPID, &f.cpu.floor)
		}
		runs = append(runs, run)
	}
	all, err := alternate(n, runs...)
	if err != nil {
		t.Fatalf("%v\n%s", err, f.gate.Log())
	}
	return all
}

// costed is work that also notes what a process and its children used for it.
func costed(work func() (float64, error), pid int, to *rounds) func() (float64, error) {
	return func() (float64, error) {
		before, err := familySeconds(pid)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		perSecond, err := work()
		units := perSecond * time.Since(began).Seconds()
		after, cerr := familySeconds(pid)
		*to = append(*to, (after-before)*1e6/units)
		return perSecond, errors.Join(err, cerr)
	}
}

const (
	nginx     = "nginx-tls"
	sealing   = "minio-tls-sse"
	medium    = 64 << 20 // bytes
	rangeSize = 1 << 20
)

// measureMedium moves objects of 64 MiB, against the proxy in front of the same
// MinIO, MinIO with TLS and nothing in front, and that with its own encryption.
func measureMedium(t testing.TB) []Result {
	t.Helper()
	f := startFront(t, servers.MinIO(t)).withFloor(t)
	direct := servers.MinIOTLS(t)
	bare := plainTarget(t, direct, openBucket(t, direct))
	sealed := plainTarget(t, direct, encrypted(t, direct))
	mib := func(clients int, do func(target, int) error) func(target) (float64, error) {
		return func(to target) (float64, error) {
			ops := max(8, 2*clients)
			perSecond, err := load{clients, ops, func(i int) error { return do(to, i%8) }}.run()
			return perSecond * medium / (1 << 20), err
		}
	}
	path := func(i int) string { return fmt.Sprintf("/medium/%d", i) }
	put := func(to target, i int) error { return to.put(path(i), i, medium) }
	get := func(to target, i int) error { return to.get(path(i), i, medium) }
	var all []Result
	for _, c := range []int{1, 8} {
		row := func(verb string, do func(target, int) error) (string, []rounds) {
			name, figures := fmt.Sprintf("%s-64mib-c%d", verb, c), f.in(t, 3, mib(c, do), f.sides(bare, sealed)...)
			all = append(all, f.proxied(name, "MiB/s", figures, 1)...)
			all = append(all, against(name, "MiB/s", figures[0], sealing, figures[4]))
			return name, figures
		}
		name, puts := row("put", put)
		all = append(all, against(name, "MiB/s", puts[0], "minio-tls", puts[3]))
		name, gets := row("get", get)
		tls := against(name, "MiB/s", gets[0], "minio-tls", gets[3])
		if c == 8 {
			tls = tls.atLeast(0.55)
		}
		all = append(all, tls)
	}
	return append(all, f.manyStreams(t))
}

// encrypted is an open bucket that MinIO encrypts by itself.
func encrypted(t testing.TB, s *servers.Server) string {
	t.Helper()
	bucket := openBucket(t, s)
	if err := s.Client(t).SetBucketEncryption(t.Context(), bucket, sse.NewConfigurationSSEKMS(servers.MinIOKey)); err != nil {
		t.Fatalf("encrypting bucket %s: %v", bucket, err)
	}
	return bucket
}

// sealedTarget is a MinIO with TLS that encrypts by itself.
func sealedTarget(t testing.TB) target {
	t.Helper()
	s := servers.MinIOTLS(t)
	return plainTarget(t, s, encrypted(t, s))
}

// manyStreams reads 64 objects at once and gives what the gateway needed so far.
func (f *front) manyStreams(t testing.TB) Result {
	t.Helper()
	_, err := load{mostClients, mostClients, func(i int) error {
		return f.gateway.get(fmt.Sprintf("/medium/%d", i%8), i%8, medium)
	}}.run()
	if err != nil {
		t.Fatal(err)
	}
	rss, err := peak(f.gate.PID())
	if err != nil {
		t.Fatal(err)
	}
	return figure("gateway-rss-64-streams", "MiB", rounds{rss / (1 << 20)}).atMost(256)
}

// measureRanges reads pieces of 1 MiB out of 1 GiB.
func measureRanges(t testing.TB) []Result {
	t.Helper()
	f := startFront(t, servers.MinIO(t)).withFloor(t)
	sides := f.sides(sealedTarget(t))
	for _, side := range sides {
		if err := side.put("/ranges", 1, large); err != nil {
			t.Fatal(err)
		}
	}
	const ops = 400
	all := f.in(t, 3, func(to target) (float64, error) {
		return load{8, ops, func(i int) error { return to.getRange("/ranges", 1, int64(i*7919%1023)*rangeSize+4711, rangeSize) }}.run()
	}, sides...)
	const name = "get-1mib-ranges-c8"
	return append(f.proxied(name, "ops/s", all, 1), against(name, "ops/s", all[0], sealing, all[3]))
}

// measureProxiedSmall puts and gets objects of 4 KiB over real servers.
func measureProxiedSmall(t testing.TB) []Result {
	t.Helper()
	sealed := sealedTarget(t)
	return append(
		proxiedSmall(t, "minio", startFront(t, servers.MinIO(t)).withFloor(t), sealed),
		proxiedSmall(t, "versitygw", startFront(t, servers.Versitygw(t)).withFloor(t))...)
}

// proxiedSmall compares with the proxy and the floor, and with a server that
// encrypts by itself if there is one.
func proxiedSmall(t testing.TB, server string, f *front, sealed ...target) (all []Result) {
	t.Helper()
	for _, c := range []struct{ clients, ops int }{{1, 200}, {8, 800}, {mostClients, 1600}} {
		path := func(i int) string { return fmt.Sprintf("/small/%d/%06d", c.clients, i) }
		row := func(verb string, bar float64, ops int, do func(to target, i int) error) {
			rates := f.in(t, 3, func(to target) (float64, error) {
				return load{c.clients, ops, func(i int) error { return do(to, i) }}.run()
			}, f.sides(sealed...)...)
			name := fmt.Sprintf("%s-4kib-%s-c%d", verb, server, c.clients)
			if c.clients < mostClients {
				bar = 0
			}
			all = append(all, f.proxied(name, "ops/s", rates, bar)...)
			for _, r := range rates[3:] {
				all = append(all, against(name, "ops/s", rates[0], sealing, r))
			}
		}
		row("put", 0.7, c.ops, func(to target, i int) error { return to.put(path(i), i, small) })
		row("get", 0.6, 2*c.ops, func(to target, i int) error { return to.get(path(i%c.ops), i%c.ops, small) })
	}
	return all
}
