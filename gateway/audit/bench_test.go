// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchEvent has the fields that a GET of the gateway has.
func benchEvent() Event {
	e := read("fraud/prod/2027-03-02/shard-00017-of-00064.safetensors")
	e.TrustDomain, e.Role, e.CertSerial = "acme.ai", "training", "5f1d3c9a7b2e4d6081"
	e.CertSHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	e.Object, e.Range, e.BytesPlanned = "3f9c1a7e0b514e0c9d440a6f7f1be0aa", "bytes=1000-1999", 1000
	e.PolicyDigest = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
	e.UserAgent, e.TraceID = "aws-sdk-go-v2/1.30 app/run-123", "4bf92f3577b34da6a3ce929d0e0e4736"
	return e
}

func BenchmarkEncode(b *testing.B) {
	r := Record{Phase: PhaseIntent}
	e := benchEvent()
	e.fill(&r)
	r.Time = time.Now()
	buf := appendBody(nil, &r)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = appendBody(buf[:0], &r)
	}
}

func BenchmarkDecode(b *testing.B) {
	r := Record{Version: 1, Log: "3f9c1a7e", Phase: PhaseIntent, Time: time.Now()}
	e := benchEvent()
	e.fill(&r)
	raw := appendLine(nil, &r)
	b.SetBytes(int64(len(raw)))
	var scratch []byte
	for b.Loop() {
		var err error
		if _, scratch, err = decodeRecord(raw, scratch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDurable is 64 writers that each wait until their record is on
// stable storage: through the log, and through a bare group commit of the same
// bytes without tree, numbers, deadline or checks. One run alternates both in
// rounds; the figures are medians of the rounds.
func BenchmarkDurable(b *testing.B) {
	const writers, rounds = 64, 5
	each := max(200, b.N/writers/rounds)
	var logs, bases []result
	for range rounds {
		logs = append(logs, benchLog(b, writers, each))
		bases = append(bases, benchBare(b, writers, each))
	}
	l, base := median(logs), median(bases)
	b.ReportMetric(l.rate, "records/s")
	b.ReportMetric(float64(l.p50.Microseconds()), "p50-us")
	b.ReportMetric(float64(l.p99.Microseconds()), "p99-us")
	b.ReportMetric(l.cpu, "cpu-us/record")
	b.ReportMetric(base.rate, "bare-records/s")
	b.ReportMetric(float64(base.p50.Microseconds()), "bare-p50-us")
	b.ReportMetric(base.cpu, "bare-cpu-us/record")
	b.ReportMetric(l.rate/base.rate, "ratio")
}

type result struct {
	rate, cpu float64
	p50, p99  time.Duration
}

func median(rs []result) result {
	slices.SortFunc(rs, func(a, b result) int { return int(a.rate - b.rate) })
	return rs[len(rs)/2]
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// drive runs the writers and measures each of their commits.
func drive(b *testing.B, writers, each int, commit func() error) result {
	b.Helper()
	took := make([][]time.Duration, writers)
	cpu, began := cpuTime(b), time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				t := time.Now()
				if err := commit(); err != nil {
					b.Error(err)
					return
				}
				took[w] = append(took[w], time.Since(t))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	n := float64(writers * each)
	return result{
		rate: n / time.Since(began).Seconds(),
		cpu:  float64((cpuTime(b) - cpu).Microseconds()) / n,
		p50:  all[len(all)/2], p99: all[len(all)*99/100],
	}
}

func benchLog(b *testing.B, writers, each int) result {
	b.Helper()
	l, err := Open(Config{Dir: filepath.Join(b.TempDir(), "audit")})
	if err != nil {
		b.Fatal(err)
	}
	e := benchEvent()
	r := drive(b, writers, each, func() error {
		_, err := l.Begin(context.Background(), e)
		return err
	})
	if err := l.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	return r
}

// benchBare appends to one file: whatever queued up while the last fdatasync
// ran goes out with the next one.
func benchBare(b *testing.B, writers, each int) result {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer closeRead(f)
	rec := Record{Version: 1, Log: "3f9c1a7e", Seq: 123456, Phase: PhaseIntent, Time: time.Now(), MonoNS: 123456789}
	e := benchEvent()
	e.fill(&rec)
	raw := append(appendLine(nil, &rec), '\n')
	queue := make(chan chan error, queueLimit)
	done := make(chan struct{})
	go func() {
		defer close(done)
		bareCommitter(f, raw, queue)
	}()
	r := drive(b, writers, each, func() error {
		c := make(chan error, 1)
		queue <- c
		return <-c
	})
	close(queue)
	<-done
	return r
}

func bareCommitter(f *os.File, raw []byte, queue chan chan error) {
	var buf []byte
	var waiting []chan error
	for first := range queue {
		waiting, buf = append(waiting[:0], first), append(buf[:0], raw...)
		for more := true; more; {
			select {
			case c, ok := <-queue:
				if more = ok; ok {
					waiting, buf = append(waiting, c), append(buf, raw...)
				}
			default:
				more = false
			}
		}
		_, err := f.Write(buf)
		if err == nil {
			err = unix.Fdatasync(int(f.Fd()))
		}
		for _, c := range waiting {
			c <- err
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "audit")
	l, err := Open(Config{Dir: dir, disk: newFakeDisk(dir)})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			e := benchEvent()
			for i := range 300 {
				e.Key = fmt.Sprintf("fraud/%d/%d", w, i)
				if err := tryBegin(l, e); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	n := uint64(0)
	for b.Loop() {
		r, err := Verify(dir, VerifyOptions{})
		if err != nil {
			b.Fatal(err)
		}
		n += r.Records
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
