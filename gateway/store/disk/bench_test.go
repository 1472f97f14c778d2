// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

// BenchmarkPut writes objects of 4 KiB by 16 writers to one directory.
func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	body := strings.Repeat("x", 4096)
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := write(s, fmt.Sprintf("dir/%d", n.Add(1)), body, store.PutOptions{}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkList reads one page of 1,000 keys out of 20,000 in one directory,
// and one of 1,000 directories.
func BenchmarkList(b *testing.B) {
	s := open(b, b.TempDir())
	for i := range 20_000 {
		key := fmt.Sprintf("flat/%06d", i)
		if i%20 == 0 {
			key = fmt.Sprintf("tree/%06d/x", i)
		}
		if err := write(s, key, "body", store.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	for name, o := range map[string]store.ListOptions{
		"flat": {Prefix: "flat/", StartAfter: "flat/010000"}, "tree": {Prefix: "tree/"}, "prefixes": {Prefix: "tree/", Delimiter: "/"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				page, err := s.List(b.Context(), o)
				if err != nil || len(page.Objects)+len(page.Prefixes) < 900 {
					b.Fatalf("%d objects, %v", len(page.Objects), err)
				}
			}
		})
	}
}

// BenchmarkComplete makes an object of 1 GiB of parts that are there. TMPDIR
// says on which file system.
func BenchmarkComplete(b *testing.B) {
	for name, size := range map[string]int{"8MiB+4KiB": 8<<20 + 4<<10, "5MiB+2560": 5<<20 + 2560} {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir())
			body := strings.Repeat("x", size)
			count := 1 << 30 / size
			b.SetBytes(int64(count * size))
			for b.Loop() {
				b.StopTimer()
				upload, err := s.CreateMultipart(b.Context(), "k", "")
				if err != nil {
					b.Fatal(err)
				}
				var parts []store.PartTag
				for n := range count {
					tag, err := s.PutPart(b.Context(), "k", upload, n+1, strings.NewReader(body), int64(size))
					if err != nil {
						b.Fatal(err)
					}
					parts = append(parts, store.PartTag{Number: n + 1, ETag: tag})
				}
				b.StartTimer()
				if _, err := s.CompleteMultipart(b.Context(), "k", upload, parts, store.CompleteOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
