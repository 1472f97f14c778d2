// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// A bucket that was asked to lock objects, and whose making was cut off, locks them
// when the gateway goes on. One of its name that locks nothing is not taken for it.
func TestKillWhileMakingABucketThatLocks(t *testing.T) {
	t.Parallel()
	s := servers.MinIO(t)
	for _, tt := range []struct {
		name, bucket  string
		gone, foreign bool
		answer        string // about its lock configuration, afterwards
	}{
		{"the bucket is there", "lock-there", false, false, "<ObjectLockEnabled>Enabled<"},
		{"it is not", "lock-gone", true, false, "<ObjectLockEnabled>Enabled<"},
		{"another is", "lock-foreign", true, true, "<Code>NoSuchBucket<"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			credential := filepath.Join(t.TempDir(), "credential")
			text, err := json.Marshal(map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey})
			if err == nil {
				err = os.WriteFile(credential, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			g := gate.Start(t, gate.Options{
				Tags: []string{"killpoints"}, Env: []string{"SEALGATE_KILLPOINT=state.bucket.state.commit:1"}, Policy: bucketPolicy,
				Config: map[string]string{
					"backends":          fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}}}", s.Endpoint, s.Region, credential),
					"buckets":           fmt.Sprintf("{models: {backend: store, bucket: %s}}", s.NewBucket(t)),
					"buckets_on_demand": "{enabled: true}",
				},
			})
			asked := http.Header{"X-Amz-Bucket-Object-Lock-Enabled": {"true"}}
			if a, err := g.Try(g.Client(t, "/writer"), http.MethodPut, "/"+tt.bucket, nil, 0, asked); err == nil {
				t.Fatalf("not killed: %d %s", a.Status, a.Body)
			}
			g.Kill()
			if tt.gone {
				removeBucket(t, s.Client(t), tt.bucket)
			}
			if tt.foreign {
				if err := s.Client(t).MakeBucket(t.Context(), tt.bucket, minio.MakeBucketOptions{Region: s.Region}); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.Restart(t, func(o *gate.Options) { o.Env = nil }); err != nil {
				t.Fatal(err)
			}
			c := g.Client(t, "/writer")
			if a := g.Do(t, c, http.MethodGet, "/"+tt.bucket+"?object-lock", nil, 0, nil); !strings.Contains(string(a.Body), tt.answer) {
				t.Errorf("its lock configuration: %d %s, want %s", a.Status, a.Body, tt.answer)
			}
			if a := g.Do(t, c, http.MethodPut, "/"+tt.bucket, nil, 0, asked); a.Status != http.StatusConflict {
				t.Errorf("making it again: %d %s", a.Status, a.Body)
			}
		})
	}
}

// removeBucket removes a bucket with every version that is in it.
func removeBucket(t *testing.T, c *minio.Client, bucket string) {
	t.Helper()
	for o := range c.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if err := c.RemoveObject(t.Context(), bucket, o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.RemoveBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
}
