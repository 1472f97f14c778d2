// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
	"github.com/sealgate/sealgate/gateway/store/storetest"
	"github.com/sealgate/sealgate/testenv/servers"
)

// open opens a new bucket of the server.
func open(tb testing.TB, server *servers.Server) *s3.Store {
	tb.Helper()
	s, err := s3.Open(s3.Config{
		Endpoint: server.Endpoint,
		Region:   server.Region,
		Bucket:   server.NewBucket(tb),
		Read:     s3.Credentials{AccessKey: server.AccessKey, SecretKey: server.SecretKey}.Static(),
		CAFile:   server.CAFile,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
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

func TestConformance(t *testing.T) {
	t.Parallel()
	minio := storetest.Harness{Refuses: minioRefuses, Hides: minioHides, Confuses: minioConfuses}
	for _, tt := range []struct {
		name    string
		server  func(testing.TB) *servers.Server
		harness storetest.Harness
	}{
		{"MinIO", servers.MinIO, minio},
		{"MinIOTLS", servers.MinIOTLS, minio},
		{"Versitygw", servers.Versitygw, storetest.Harness{Refuses: versitygwRefuses}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := tt.server(t)
			tt.harness.Open = func(tb testing.TB) store.Store {
				tb.Helper()
				return open(tb, server)
			}
			storetest.Run(t, tt.harness)
		})
	}
}
