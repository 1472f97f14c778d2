// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
	"github.com/sealgate/sealgate/gateway/store/storetest"
	"github.com/sealgate/sealgate/testenv/servers"
)

// open opens a new bucket of the server.
func open(tb testing.TB, server *servers.Server) *s3.Store {
	tb.Helper()
	return openWith(tb, server, func(*s3.Config) {})
}

// buckets are those of the stores that were opened.
var buckets sync.Map

func openWith(tb testing.TB, server *servers.Server, change func(*s3.Config)) *s3.Store {
	tb.Helper()
	c := s3.Config{
		Endpoint: server.Endpoint,
		Region:   server.Region,
		Bucket:   server.NewBucket(tb),
		Read:     s3.Credentials{AccessKey: server.AccessKey, SecretKey: server.SecretKey}.Static(),
		CAFile:   server.CAFile,
	}
	change(&c)
	s, err := s3.Open(c)
	if err != nil {
		tb.Fatal(err)
	}
	buckets.Store(store.Store(s), c.Bucket)
	tb.Cleanup(func() { buckets.Delete(store.Store(s)) })
	return s
}

// enableVersions makes the bucket of a store keep versions.
func enableVersions(tb testing.TB, server *servers.Server, s store.Store) {
	tb.Helper()
	bucket, _ := buckets.Load(s)
	if err := server.Client(tb).EnableVersioning(tb.Context(), bucket.(string)); err != nil {
		tb.Fatal(err)
	}
}

// everyRefuses: keys that the adapter refuses on behalf of all servers.
func everyRefuses(key string) bool {
	segs := strings.Split(key, "/")
	return strings.TrimSpace(key) == "" || strings.Contains(key, "\x01") || slices.Contains(segs[:len(segs)-1], "") ||
		slices.Contains(segs, ".") || slices.Contains(segs, "..")
}

// minioRefuses: a segment is a file name of the server's disk.
func minioRefuses(key string, _ []string) bool {
	tooLong := func(seg string) bool { return len(seg) > 255 }
	return everyRefuses(key) || slices.ContainsFunc(strings.Split(key, "/"), tooLong)
}

// minioHides: a listing does not go below an object.
func minioHides(key string, others []string) bool {
	return slices.ContainsFunc(others, func(other string) bool {
		return strings.HasPrefix(key, other+"/") && key != other+"/"
	})
}

// versitygwRefuses: an object is a file, a prefix is a directory.
func versitygwRefuses(key string, others []string) bool {
	inside := func(a, b string) bool { return strings.HasPrefix(a, b+"/") }
	return minioRefuses(key, others) || strings.HasSuffix(key, "/") ||
		slices.ContainsFunc(others, func(other string) bool { return inside(other, key) || inside(key, other) })
}

// minioConfuses: the key of a folder has another place in the server's own order
// than in that of keys; where a page ends near it, what follows is lost.
func minioConfuses(key string) bool { return strings.HasSuffix(key, "/") }

// backend is a server and what is to be expected of it.
type backend struct {
	name    string
	server  func(testing.TB) *servers.Server
	harness storetest.Harness
}

var (
	minio = storetest.Harness{
		Refuses: minioRefuses, Hides: minioHides, Confuses: minioConfuses, MinPart: 5 << 20, ASCIITags: true,
		RefusesUpload: func(key string) bool { return strings.HasSuffix(key, "/") },
	}
	backends = []backend{
		{"MinIO", servers.MinIO, minio},
		{"MinIOTLS", servers.MinIOTLS, minio},
		{"Versitygw", servers.Versitygw, storetest.Harness{
			Refuses: versitygwRefuses, MinPart: 5 << 20, Pretends: true, LateKeys: true, KeepsNoVersions: true,
			ASCIITags: true, TagBytes: 3000, TagsFolders: true,
		}},
	}
)

// plain are the servers once each: TLS is another way to send a body.
var plain = slices.DeleteFunc(slices.Clone(backends), func(b backend) bool { return b.name == "MinIOTLS" })

// each runs a suite on every backend.
func each(t *testing.T, backends []backend, run func(*testing.T, storetest.Harness)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			server := b.server(t)
			b.harness.Open = func(tb testing.TB) store.Store {
				tb.Helper()
				return open(tb, server)
			}
			b.harness.Enable = func(tb testing.TB, s store.Store) {
				tb.Helper()
				enableVersions(tb, server, s)
			}
			run(t, b.harness)
		})
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	each(t, backends, storetest.Run)
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	each(t, backends, storetest.RunMultipart)
}

func TestCopy(t *testing.T) {
	t.Parallel()
	each(t, plain, storetest.RunCopy)
}

// The same when what is larger than 5 MiB is copied in parts.
func TestCopyInParts(t *testing.T) {
	t.Parallel()
	for _, b := range plain {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			server := b.server(t)
			b.harness.Open = func(tb testing.TB) store.Store {
				tb.Helper()
				return openWith(tb, server, func(c *s3.Config) { c.CopyLimit = 5 << 20 })
			}
			storetest.RunCopy(t, b.harness)
		})
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	each(t, plain, storetest.RunTags)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	each(t, plain, storetest.RunVersions)
}

// versitygw, without a directory for versions, has no buckets that lock.
func TestLocks(t *testing.T) {
	t.Parallel()
	for _, b := range backends[:2] {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			server := b.server(t)
			b.harness.Open = func(tb testing.TB) store.Store {
				tb.Helper()
				return open(tb, server)
			}
			b.harness.OpenLocking = func(tb testing.TB) store.Store {
				tb.Helper()
				return openWith(tb, server, func(c *s3.Config) { c.Bucket = server.NewLockingBucket(tb) })
			}
			storetest.RunLocks(t, b.harness)
		})
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, b := range plain {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			server := b.server(t)
			c := s3.Config{Endpoint: server.Endpoint, Read: s3.Credentials{AccessKey: server.AccessKey, SecretKey: server.SecretKey}.Static()}
			maker, err := s3.OpenBuckets(c)
			if err != nil {
				t.Fatal(err)
			}
			storetest.RunBuckets(t, maker, func(t *testing.T, name string) (store.Store, func()) {
				t.Helper()
				c.Bucket = name
				s, err := s3.Open(c)
				if err != nil {
					t.Fatal(err)
				}
				return s, func() {}
			})
		})
	}
}
