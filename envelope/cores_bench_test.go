// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkTwoCores seals and opens one stream with one processor and with two,
// in turn, and reports the median ratio. "raw" is bare GCM by one goroutine and
// by two: what the machine, which others use as well, can give at this time.
func BenchmarkTwoCores(b *testing.B) {
	o, stored := sealedObject(b, make([]byte, benchSize))
	b.Run("raw", func(b *testing.B) { compareCores(b, rawGCM(b)) })
	b.Run("seal", func(b *testing.B) { compareCores(b, func() { sealIdle(b) }) })
	b.Run("open", func(b *testing.B) { compareCores(b, func() { openHeld(b, o, stored) }) })
}

// BenchmarkEightStreams seals and opens eight streams at once: they have no
// processor to spare for each other, and must not pay for trying.
func BenchmarkEightStreams(b *testing.B) {
	o, stored := sealedObject(b, make([]byte, benchSize))
	b.Run("seal", func(b *testing.B) { benchEight(b, func() { sealIdle(b) }) })
	b.Run("open", func(b *testing.B) { benchEight(b, func() { openHeld(b, o, stored) }) })
}

func benchEight(b *testing.B, do func()) {
	b.Helper()
	b.SetBytes(8 * benchSize)
	before := usedTime()
	for b.Loop() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(do)
		}
		wg.Wait()
	}
	b.ReportMetric(float64(usedTime()-before)*1000/float64(b.N)/(8*benchSize), "ps/B")
}

// openHeld opens a body that is in memory.
func openHeld(b *testing.B, o *Object, stored []byte) {
	b.Helper()
	drain(b, o.OpenAll(bytes.NewReader(stored), int64(len(stored))))
}

func sealIdle(b *testing.B) {
	b.Helper()
	r := newTestSealer(b, benchSize).Reader(&idleReader{benchSize}, noDigests)
	drain(b, r.(io.WriterTo))
}

func drain(b *testing.B, r io.WriterTo) {
	b.Helper()
	if _, err := r.WriteTo(io.Discard); err != nil {
		b.Error(err)
	}
}

// rawGCM seals the segments of a body by as many goroutines as there are
// processors, each in memory of its own.
func rawGCM(b *testing.B) func() {
	b.Helper()
	aead := rawAEAD(b)
	return func() {
		n := runtime.GOMAXPROCS(0)
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				plain, nonce, aad := make([]byte, SegmentSize), make([]byte, 12), make([]byte, 9)
				out := make([]byte, 0, storedSegment)
				for range benchSize / SegmentSize / n {
					out = aead.Seal(out[:0], nonce, plain, aad)
				}
			})
		}
		wg.Wait()
	}
}

// compareCores runs do, which handles benchSize bytes, with one processor and
// with two.
func compareCores(b *testing.B, do func()) {
	b.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ratios, one, two []float64
	var cpu [2]time.Duration
	for b.Loop() {
		oneTime, oneCPU := withProcs(1, do)
		twoTime, twoCPU := withProcs(2, do)
		one, two = append(one, benchSize/oneTime.Seconds()/1e6), append(two, benchSize/twoTime.Seconds()/1e6)
		ratios = append(ratios, oneTime.Seconds()/twoTime.Seconds())
		cpu[0] += oneCPU
		cpu[1] += twoCPU
	}
	b.ReportMetric(middle(ratios), "ratio")
	b.ReportMetric(middle(one), "one-MB/s")
	b.ReportMetric(middle(two), "two-MB/s")
	perByte := 1000 / float64(b.N) / benchSize
	b.ReportMetric(float64(cpu[0])*perByte, "one-ps/B")
	b.ReportMetric(float64(cpu[1])*perByte, "two-ps/B")
}

// withProcs returns how long do takes and what it uses of all processors.
func withProcs(n int, do func()) (took, used time.Duration) {
	runtime.GOMAXPROCS(n)
	before, start := usedTime(), time.Now()
	do()
	return time.Since(start), usedTime() - before
}

func usedTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // does not fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func middle(v []float64) float64 {
	return slices.Sorted(slices.Values(v))[len(v)/2]
}
